"""The root, and what monitoring asks: is it alive, is it well, what is it doing."""

import ipaddress
from collections.abc import Callable
from functools import wraps

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from agent_site import dashboard
from ops.health import Level, report

View = Callable[[HttpRequest], HttpResponse]
FORWARDED = ("X-Forwarded-For", "X-Real-IP", "Forwarded", "Via")


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """The admin is the way in."""
    return redirect("admin:index")


@require_safe
@never_cache
def alive(request: HttpRequest) -> JsonResponse:
    """That this process answers, and nothing else: open to everybody."""
    return JsonResponse({"status": "ok"})


def for_monitoring(view: View) -> View:
    """For staff, or for somebody on this very machine who did not come through a proxy."""

    @wraps(view)
    def guarded(request: HttpRequest) -> HttpResponse:
        if _from_this_machine(request) or (request.user.is_active and request.user.is_staff):
            return view(request)
        return JsonResponse({"error": "Log in as staff, or ask from the server itself."}, status=403)

    return guarded


def _from_this_machine(request: HttpRequest) -> bool:
    """A proxy on this machine is a loopback peer too, so a forwarding header takes the trust away."""
    if any(name in request.headers for name in FORWARDED):
        return False
    try:
        return ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False


@require_safe
@never_cache
@for_monitoring
def health(request: HttpRequest) -> JsonResponse:
    """Each check's level and reason; 503 where something can't do its work."""
    level, results, milliseconds = report()
    checks = {name: {"level": result.level, "reason": result.reason} for name, result in results.items()}
    body = {"status": level, "checks": checks, "milliseconds": round(milliseconds, 1)}
    return JsonResponse(body, status=503 if level == Level.DOWN else 200)


@require_safe
@never_cache
@for_monitoring
def stats(request: HttpRequest) -> JsonResponse:
    """Counts and sums of what waits, runs, failed and was spent today (UTC)."""
    return JsonResponse(dashboard.figures())
