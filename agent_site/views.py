"""The root, and what monitoring asks: is it alive, is it well, what is it doing."""

import ipaddress
from collections.abc import Callable
from functools import wraps

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from agent_site import dashboard, inventory
from agent_site.bounded import Bounded, TooLate
from ops.health import DATABASE, Level, Result, report

View = Callable[[HttpRequest], HttpResponse]
PATIENCE_SECONDS = 2.7
FORWARDED = ("X-Forwarded-For", "X-Real-IP", "Forwarded", "Via")

patient = Bounded()


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
    """For staff, for whoever brings MONITORING_TOKEN, or for somebody on this very machine who did not come through a
    proxy. The last two need no database, so that they are answered without one."""

    @wraps(view)
    def guarded(request: HttpRequest) -> HttpResponse:
        if _from_this_machine(request) or _has_token(request) or _is_staff(request):
            return view(request)
        told = "Log in as staff, ask from the server itself, or bring the token: Authorization: Bearer ..."
        return JsonResponse({"error": told}, status=403)

    return guarded


def _has_token(request: HttpRequest) -> bool:
    wanted = settings.MONITORING_TOKEN
    kind, _, given = request.headers.get("Authorization", "").partition(" ")
    return bool(wanted) and kind.lower() == "bearer" and constant_time_compare(given.strip(), wanted)


def _is_staff(request: HttpRequest) -> bool:
    """No, when the database does not say so in time."""
    try:
        return patient.call(lambda: request.user.is_active and request.user.is_staff, seconds=PATIENCE_SECONDS)
    except (TooLate, DatabaseError):
        return False


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
    """Each check's level and reason; 503 where something can't do its work. Within 3 s, whatever hangs."""
    try:
        level, results, milliseconds = patient.call(report, seconds=PATIENCE_SECONDS)
    except TooLate:
        reason = f"The checks were not done within {PATIENCE_SECONDS} s: the database or a disk hangs."
        level, results, milliseconds = Level.DOWN, {DATABASE: Result(level=Level.DOWN, reason=reason)}, 0.0
    checks = {name: {"level": result.level, "reason": result.reason} for name, result in results.items()}
    body = {"status": level, "checks": checks, "milliseconds": round(milliseconds, 1)}
    return JsonResponse(body, status=503 if level == Level.DOWN else 200)


@require_safe
@never_cache
@for_monitoring
def stats(request: HttpRequest) -> JsonResponse:
    """Counts and sums of what waits, runs, failed and was spent today (UTC); the processes and what they take."""
    return JsonResponse(dashboard.figures() | inventory.figures())


@require_safe
@never_cache
@for_monitoring
def metrics(request: HttpRequest) -> HttpResponse:
    """The same and more for Prometheus. Its library is loaded when it is first asked for."""
    from agent_site.metrics import CONTENT_TYPE, exposition

    return HttpResponse(exposition(), content_type=CONTENT_TYPE)
