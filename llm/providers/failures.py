"""Errors of the anthropic SDK and of httpx2, sorted: what became of the call, and whether to try again."""

import math

import anthropic
import httpx2

from common.text import redact, shorten
from llm.errors import Cause, Fate, ModelError, ModelKeyRefused, ModelRejected, ModelUnavailable

MOST_RETRY_AFTER = 7 * 86400.0
MESSAGE_CHARS = 300

# Nothing was sent when not even the connection stood.
NEVER_LEFT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.UnsupportedProtocol)
# What the SDK raises on events that are no JSON, out of order, or not as the API has them: seen with lookalike servers.
UNREADABLE = (ValueError, LookupError, AttributeError, TypeError, RuntimeError)
# Timeouts and gateways on the way: what stands behind them may have worked, and counted.
UNKNOWN_STATUS = {408, 499, 502, 504, 520, 521, 522, 523, 524}
TRANSIENT_STATUS = UNKNOWN_STATUS | {409, 425, 429}
KEY_REFUSED_STATUS = {401, 402}

CAUSES = {429: Cause.RATE_LIMIT, 503: Cause.OVERLOADED, 529: Cause.OVERLOADED, 408: Cause.SILENT, 504: Cause.SILENT}

WHAT_TO_DO = {
    401: "The key was refused: check ANTHROPIC_API_KEY or CLAUDE_CODE_OAUTH_TOKEN in .env, then restart.",
    402: "The account with the model's provider has no credit left: top it up.",
    403: "The key may not use this model: check the key's rights with the provider.",
    404: "The provider does not know the model {model}: check HAIKU_MODEL and CLAUDE_MODEL in .env.",
    413: "The conversation has become too large for the model: start a new thread.",
}


def sort(error: Exception, *, model: str) -> ModelError:
    """The product's error for one of the SDK's, one of httpx2's, or an answer that can't be read."""
    if isinstance(error, anthropic.APIStatusError):
        return _status(error, model)
    cause = error.__cause__ if isinstance(error, anthropic.APIConnectionError) else error
    if isinstance(cause, NEVER_LEFT):
        return ModelUnavailable("The model's server can't be reached.", fate=Fate.NEVER_LEFT)
    if isinstance(cause, httpx2.TimeoutException) or isinstance(error, anthropic.APITimeoutError):
        return ModelUnavailable("The model fell silent, and the call was cut.", cause=Cause.SILENT)
    if isinstance(error, UNREADABLE):
        text = f"The model's answer could not be read ({type(error).__name__})."
        return ModelUnavailable(text, cause=Cause.CUT)
    return ModelUnavailable(f"The connection to the model broke off ({type(cause).__name__}).", cause=Cause.CUT)


def _status(error: anthropic.APIStatusError, model: str) -> ModelError:
    request_id = error.request_id or ""
    said = redact(shorten(error.api_message or error.message, MESSAGE_CHARS))
    if error.status_code < 400:
        # An `error` event in the middle of a stream: the provider had begun, and what it counted is not known.
        return ModelUnavailable(f"The model broke off: {said}", request_id=request_id, cause=Cause.CUT)
    fate = Fate.UNKNOWN if error.status_code in UNKNOWN_STATUS else Fate.REFUSED
    if error.status_code in TRANSIENT_STATUS or error.status_code >= 500:
        text = f"The model is not available right now ({error.status_code}): {said}"
        cause = CAUSES.get(error.status_code, Cause.SERVER_ERROR)
        return ModelUnavailable(text, fate=fate, request_id=request_id, retry_after=_retry_after(error), cause=cause)
    text = WHAT_TO_DO.get(error.status_code, "The model's provider refused the request.").format(model=model)
    kind = ModelKeyRefused if error.status_code in KEY_REFUSED_STATUS else ModelRejected
    return kind(f"{text} It said ({error.status_code}): {said}", fate=fate, request_id=request_id)


def _retry_after(error: anthropic.APIStatusError) -> float | None:
    """Seconds that the provider asks to wait, up to a week: what is too long for us is retries.py's to say."""
    headers = error.response.headers
    for name, factor in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(headers[name]) * factor
        except (KeyError, ValueError):
            continue
        if not math.isnan(seconds):
            return min(max(seconds, 0.0), MOST_RETRY_AFTER)
    return None
