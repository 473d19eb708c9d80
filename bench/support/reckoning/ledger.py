"""Each call that the model stand-in received beside the ledger."""

from typing import Any

from bench.support.reckoning.after import After
from bench.support.unsteady import Call

LEDGER = """
SELECT e.request_id, e.outcome, r.tokens_bound, e.cost_usd = r.usd_bound OR NOT r.cost_known,
       e.input_tokens + e.output_tokens + e.cache_write_5m_tokens + e.cache_write_1h_tokens + e.cache_read_tokens
FROM budget_ledgerentry e JOIN budget_reservation r ON r.id = e.reservation_id
"""
OPEN = "SELECT id, created_at FROM budget_reservation WHERE state = 'open'"
Entry = tuple[Any, ...]


def ledger(after: After) -> None:
    """By the request's id where an answer began; a call that was killed before has an entry that covers it."""
    entries = after.rows(LEDGER)
    named: dict[str, list[Entry]] = {}
    for entry in entries:
        named.setdefault(entry[0], []).append(entry)
    nameless = [entry for entry in named.pop("", []) if entry[1] == "unknown"]
    calls = {call.request_id: call for call in after.calls}
    after.none("calls with two ledger entries", [name for name, found in named.items() if len(found) > 1])
    uncovered = _uncovered([call for name, call in calls.items() if name not in named], nameless)
    after.none("calls without a ledger entry", uncovered)
    after.none("entries of calls that nobody received", [name for name in named if name not in calls])
    after.none("reservations left open", after.rows(OPEN))
    _amounts(after, entries, calls)


def _uncovered(killed: list[Call], nameless: list[Entry]) -> list[Call]:
    """Calls for which no entry of unknown end is left that charges as much: the dearest ones first."""
    charges = sorted((entry[4] for entry in nameless), reverse=True)
    killed = sorted(killed, key=lambda call: call.tokens, reverse=True)
    short = [call for call, charge in zip(killed, charges, strict=False) if charge < call.tokens]
    return short + killed[len(charges) :]


def _amounts(after: After, entries: list[Entry], calls: dict[str, Call]) -> None:
    settled = [(entry, calls[entry[0]]) for entry in entries if entry[1] == "settled" and entry[0] in calls]
    wrong = [f"{entry[0]}: {entry[4]} for {call.tokens}" for entry, call in settled if entry[4] != call.tokens]
    after.none("settled calls that differ from the stand-in's count", wrong)
    unknown = [entry for entry in entries if entry[1] == "unknown"]
    less = [entry for entry in unknown if entry[4] != entry[2] or not entry[3]]
    after.none("calls of unknown end not charged at the reservation", less)
    counted, charged = sum(call.tokens for call in after.calls), sum(entry[4] for entry in entries)
    after.report.at_least("tokens in the ledger", charged, counted, "tokens")
    after.note(f"calls received {len(calls)}, entries {len(entries)}, of unknown end and flagged {len(unknown)}")
