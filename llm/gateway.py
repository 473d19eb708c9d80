"""The one door to models: which model? reserve (not while all is frozen), call, settle. Each call has one ledger entry.

The order is that of an intent, an effect and an outcome: the reservation is committed before the request leaves, and
whatever happens then closes it: the provider's own usage, a refusal, or (cut, stopped, killed) the full reservation,
flagged. What never left is released.
"""

import queue
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from django.db import transaction

from budget import services as budget
from budget.models import LedgerEntry, Reservation
from budget.prices import Usage, usage_from_api
from common import background
from common.errors import Frozen, StopCheck, Stopped
from common.text import redact
from llm import body, health, routing, schema
from llm.errors import Cause, Fate, ModelError, ModelOutputInvalid, ModelUnavailable
from llm.providers import anthropic as provider
from llm.types import CallTag, ModelReply, ModelRequest
from ops import secrets

FREEZE_CHECK_SECONDS = 1.0
GRACE_SECONDS = 60.0
CUT = {"max_tokens", "model_context_window_exceeded"}


def call(
    request: ModelRequest, *, tag: CallTag, stop: StopCheck, on_text: Callable[[str], None] | None = None
) -> ModelReply:
    """Calls the model for `request.purpose` and waits for its answer, at most `request.time_limit` seconds.

    `stop` is asked every 250 ms. `on_text` gets the text as it grows, at most four times a second, on the calling
    thread. Must not be called inside a transaction: its reservation has to be committed before the request leaves.
    Raises ModelUnavailable (try again), ModelRejected (don't), ModelOutputInvalid, LimitReached, Stopped, Frozen.
    """
    route = routing.model_for(request.purpose)
    secrets.refresh()
    wire = body.body_of(request, model=route.model)
    _refuse_inside_transaction()
    reservation = budget.reserve(
        scope=tag.scope,
        purpose=request.purpose,
        provider=route.provider,
        model=route.model,
        input_bound=body.input_bound(wire),
        output_bound=request.max_tokens,
        job_ref=tag.job_ref,
        thread_ref=tag.thread_ref,
        person_ref=tag.person_ref,
        lasts=timedelta(seconds=request.time_limit + GRACE_SECONDS),
    )
    watch = _Watch(stop=stop, on_text=on_text)
    began = time.monotonic()
    try:
        answer = _send(request, route=route, wire=wire, watch=watch)
    except BaseException as error:
        _close_failed(reservation, error, latency_ms=_since(began))
        health.heard(error)
        raise
    entry = budget.settle(
        reservation=reservation,
        usage=(usage := usage_from_api(answer.usage)),
        model=answer.model,
        request_id=answer.request_id,
        latency_ms=_since(began),
        stop_reason=answer.stop_reason,
    )
    health.heard(None)
    # After the call is settled: a failure of the caller's own must not make a known usage an unknown one.
    watch.hand_on()
    return _checked(_reply(answer, entry, usage), request)


def warm_up() -> None:
    """To be called once before workers are forked: the first call of a process is otherwise 150 to 300 ms slower."""
    from llm.providers import warm

    warm.warm()


def _send(request: ModelRequest, *, route: routing.Route, wire: dict[str, Any], watch: "_Watch") -> provider.Answer:
    streaming = provider.stream(
        route=route, body=wire, silence_limit=request.silence_limit, on_text=watch.take_in if watch.wanted else None
    )
    try:
        return background.run(streaming, stop=watch, timeout=request.time_limit)
    except TimeoutError:
        limit = f"{request.time_limit:g} s"
        told = f"The model did not finish within {limit}, and the call was cut."
        raise ModelUnavailable(told, cause=Cause.SILENT) from None
    except Stopped:
        raise (Frozen() if watch.frozen or _is_frozen() else Stopped()) from None


class _Watch:
    """Asked every 250 ms on the calling thread: hands on the text that came, and says whether to stop."""

    def __init__(self, *, stop: StopCheck, on_text: Callable[[str], None] | None) -> None:
        self.frozen = False
        self.wanted = on_text is not None
        self._stop = stop
        self._on_text = on_text
        self._pieces: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._freeze_asked = time.monotonic()

    def __call__(self) -> bool:
        self.hand_on()
        if time.monotonic() - self._freeze_asked >= FREEZE_CHECK_SECONDS:
            self._freeze_asked = time.monotonic()
            self.frozen = _is_frozen()
        return self.frozen or self._stop()

    def take_in(self, piece: str) -> None:
        """Keeps a piece of text, from the background thread."""
        self._pieces.put(piece)

    def hand_on(self) -> None:
        """Gives `on_text` all that came since the last time, in one piece."""
        came = []
        while not self._pieces.empty():
            came.append(self._pieces.get())
        if came and self._on_text is not None:
            self._on_text("".join(came))


def _close_failed(reservation: Reservation, error: BaseException, *, latency_ms: int) -> None:
    fate = error.fate if isinstance(error, ModelError) else Fate.UNKNOWN
    request_id = error.request_id if isinstance(error, ModelError) else ""
    if fate == Fate.NEVER_LEFT:
        budget.release(reservation_id=reservation.pk)
    elif fate == Fate.REFUSED:
        budget.settle(
            reservation=reservation,
            usage=Usage(),
            outcome=LedgerEntry.Outcome.FAILED,
            request_id=request_id,
            latency_ms=latency_ms,
            error=redact(str(error)),
        )
    else:
        told = redact(str(error)) or type(error).__name__
        budget.charge_unknown(reservation=reservation, error=told, request_id=request_id, latency_ms=latency_ms)


def _reply(answer: provider.Answer, entry: LedgerEntry, usage: Usage) -> ModelReply:
    content = body.without_secrets(answer.content)  # what it may have guessed or was told goes no further
    return ModelReply(
        content=content,
        text="".join(block["text"] for block in content if block["type"] == "text"),
        stop_reason=answer.stop_reason,
        model=answer.model,
        provider=entry.provider,
        request_id=answer.request_id,
        ledger_id=entry.pk,
        parsed=None,
        tokens=usage.tokens,
        cost_usd=entry.cost_usd,
    )


def _checked(reply: ModelReply, request: ModelRequest) -> ModelReply:
    """`reply` with its parsed value. A tool call that was cut off looks whole to the SDK: it must never be run."""
    cut = reply.stop_reason in CUT
    if cut and (request.schema is not None or any(block["type"] == "tool_use" for block in reply.content)):
        raise ModelOutputInvalid("The answer was cut off at its length limit.", reply=reply)
    if request.schema is None:
        return reply
    try:
        return replace(reply, parsed=body.without_secrets(schema.parse(reply.text, request.schema)))
    except ModelOutputInvalid as error:
        raise ModelOutputInvalid(str(error), reply=reply) from None


def _is_frozen() -> bool:
    from ops import switches

    return switches.is_on("freeze")


def _refuse_inside_transaction() -> None:
    # Django's own check (RuntimeError); empty, it sends nothing, and the reservation below commits by itself.
    with transaction.atomic(durable=True):
        pass


def _since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)
