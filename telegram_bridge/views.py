"""The webhook: authentic updates get 200 after commit; whatever is not one gets a 4xx and a line in the log."""

import hmac
import json
import logging

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, JsonResponse, RawPostDataException, UnreadablePostError
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from common.text import redact, shorten
from telegram_bridge.inbound import update_receive

logger = logging.getLogger(__name__)
BODY_LIMIT = 1024 * 1024


@csrf_exempt  # no session: the secret header is what proves the sender
@require_POST
def webhook(request: HttpRequest) -> HttpResponse:
    """https://core.telegram.org/bots/api#setwebhook: the header holds the secret_token that was set."""
    if not _authentic(request):
        return _refused(request, 403, "The secret token is missing or wrong.")
    try:
        if int(request.headers.get("Content-Length") or 0) > BODY_LIMIT:
            return _refused(request, 413, "The body is larger than 1 MiB.")
        update = json.loads(request.body)
    except RequestDataTooBig:
        return _refused(request, 413, "The body is larger than 1 MiB.")
    except (UnreadablePostError, RawPostDataException):
        return _refused(request, 400, "The body could not be read.")
    except (ValueError, RecursionError):
        return _refused(request, 400, "The body is not JSON.")
    if not isinstance(update, dict) or not _is_id(update.get("update_id")):
        return _refused(request, 400, "The body is no update: it has no update_id.")
    return JsonResponse({"ok": True, "new": update_receive(update)})


def _authentic(request: HttpRequest) -> bool:
    """Compared in constant time; an empty secret matches nothing."""
    secret = settings.TELEGRAM_WEBHOOK_SECRET
    given = request.headers.get("X-Telegram-Bot-Api-Secret-Token", "")
    return bool(secret) and hmac.compare_digest(given.encode(), secret.encode())


def _is_id(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _refused(request: HttpRequest, status: int, reason: str) -> JsonResponse:
    # Of a stranger's body nothing is read; of an authentic one the beginning is worth having.
    payload = "" if status in (403, 413) else shorten(redact(request.body.decode(errors="replace")), 500)
    logger.warning("webhook refused with %s: %s %s", status, reason, payload)
    return JsonResponse({"ok": False, "error": reason}, status=status)
