"""Reserve before a call, settle after it. Used by llm/gateway.py only; nothing else may spend.

A reservation is stamped as sent in the statement that makes it: between its commit and the first byte on the wire lies
about a millisecond, and a process killed just there is charged in full and flagged, which errs on the safe side and
saves a round trip on every call. `reserve(sent=False)` with `mark_sent` is for work that leaves later. What is known
never to have left (connection refused, stopped before) is released by its caller; what was never sent lapses.
"""

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.db import connection
from django.utils import timezone

from budget import statements
from budget.limits import refusal, setting_amounts
from budget.models import LedgerEntry, Reservation
from budget.prices import Usage, bound_cost, usage_cost
from common.errors import Frozen

ERROR_CHARS = 500


def reserve(
    *,
    scope: str,
    purpose: str,
    provider: str,
    model: str,
    input_bound: int,
    output_bound: int,
    job_ref: str = "",
    thread_ref: str = "",
    person_ref: str = "",
    lasts: timedelta = timedelta(minutes=15),
    sent: bool = True,
) -> Reservation:
    """Holds the upper bound of one call (tokens, and USD at today's price) against every limit that applies.

    `lasts`: after that the sweep takes the call for dead. Raises LimitReached or Frozen, and then nothing is held.
    """
    usd_bound, known = bound_cost(model=model, input_bound=input_bound, output_bound=output_bound)
    values: dict[str, Any] = {
        "scope": scope,
        "purpose": purpose,
        "provider": provider,
        "model": model,
        "tokens_bound": input_bound + output_bound,
        "output_bound": output_bound,
        "usd_bound": usd_bound,
        "cost_known": known,
        "job_ref": job_ref,
        "thread_ref": thread_ref,
        "person_ref": person_ref,
    }
    extra = {"amounts": json.dumps(setting_amounts()), "lasts": lasts, "sent": sent}
    row = _one(statements.RESERVE, values | extra)
    assert row is not None
    frozen, key, sent_at, created_at, expires_at, day, name, unit, amount, room, bound = row
    if frozen:
        raise Frozen
    if name is not None:
        raise refusal(name=name, unit=unit, amount=amount, left=room, needed=bound, day=day)
    return Reservation(id=key, day=day, sent_at=sent_at, created_at=created_at, expires_at=expires_at, **values)


def mark_sent(*, reservation_id: int) -> bool:
    """For a reservation made with sent=False: from now on the provider may have counted the call."""
    return bool(Reservation.objects.filter(pk=reservation_id, state="open").update(sent_at=timezone.now()))


def settle(
    *,
    reservation: Reservation,
    usage: Usage,
    outcome: str = LedgerEntry.Outcome.SETTLED,
    model: str = "",
    request_id: str = "",
    latency_ms: int = 0,
    stop_reason: str = "",
    error: str = "",
) -> LedgerEntry:
    """Closes the reservation with the provider's own usage. `model`: what answered, if it is not what was asked.

    Safe to repeat: one that is closed already (a sweep was faster) keeps its first entry, which is returned.
    """
    cost = _priced(reservation, usage, model)
    values: dict[str, Any] = {
        "outcome": outcome,
        "model": model or reservation.model,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cache_write_5m_tokens": usage.cache_write_5m_tokens,
        "cache_write_1h_tokens": usage.cache_write_1h_tokens,
        "cache_read_tokens": usage.cache_read_tokens,
        "unit": "web searches" if usage.web_searches else "",
        "quantity": usage.web_searches,
        "cost_usd": cost,
        "charged_usd": _limit_charge(usage) if cost is None else cost,
        "tokens": usage.tokens,
    }
    told = {"request_id": request_id, "latency_ms": latency_ms, "stop_reason": stop_reason, "error": error}
    return _entry(statements.SETTLE, reservation.pk, values | told)


def charge_unknown(*, reservation: Reservation, error: str, request_id: str = "", latency_ms: int = 0) -> LedgerEntry:
    """Charges a call whose end is not known in full, at its reservation, and flags it. Safe to repeat."""
    values = {"outcome": LedgerEntry.Outcome.UNKNOWN, "unit": "", "quantity": 0, "stop_reason": "", "error": error}
    told = {"request_id": request_id, "latency_ms": latency_ms}
    return _entry(statements.CHARGE_UNKNOWN, reservation.pk, values | told)


def release(*, reservation_id: int) -> bool:
    """Gives back the reservation of a call that is known never to have left; False when it is closed already."""
    sql = statements.RELEASE.format(state=Reservation.State.RELEASED, only="")
    return _one(sql, {"id": reservation_id}) is not None


def lapse(*, reservation_id: int) -> bool:
    """Gives back an expired reservation that was never sent; False when it was sent, or is closed already."""
    sql = statements.RELEASE.format(state=Reservation.State.LAPSED, only="AND sent_at IS NULL")
    return _one(sql, {"id": reservation_id}) is not None


def _priced(reservation: Reservation, usage: Usage, model: str) -> Decimal | None:
    # By the day of the reservation's start; the model that answered may be an alias that has no price of its own.
    day = reservation.created_at.date()
    cost = usage_cost(model=model or reservation.model, usage=usage, at=day)
    return usage_cost(model=reservation.model, usage=usage, at=day) if cost is None else cost


def _limit_charge(usage: Usage) -> Decimal:
    # No price: the limits in USD are charged at the dearest one, as the reservation was.
    return bound_cost(model="", input_bound=usage.prompt_tokens, output_bound=usage.output_tokens)[0]


def _entry(sql: str, reservation_id: int, values: dict[str, Any]) -> LedgerEntry:
    with connection.cursor() as cursor:
        cursor.execute(sql, values | {"id": reservation_id, "error": values["error"][:ERROR_CHARS]})
        row, names = cursor.fetchone(), [column[0] for column in cursor.description or ()]
    if row is None:
        return LedgerEntry.objects.get(reservation_id=reservation_id)
    return LedgerEntry(**dict(zip(names, row, strict=True)))


def _one(sql: str, values: dict[str, Any]) -> tuple[Any, ...] | None:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        row: tuple[Any, ...] | None = cursor.fetchone()
        return row
