"""What happened of late, and what stands where, in few queries: for /metrics and for the alerts.

Rows, not counters of a process: right whichever process is asked. Each query is bounded: it walks back over a primary
key or a partial index, at most ROWS rows.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import connection

from budget.prices import today

MINUTES = 15
ROWS = 5000
MOST_MODELS = 20
QUANTILES = (0.5, 0.95, 0.99)


@dataclass(frozen=True, kw_only=True)
class Recent:
    """The rows of a kind that were made in the last MINUTES and have one outcome: how many, and how long they took at
    each of the QUANTILES (s; empty where nothing is known)."""

    kind: str
    outcome: str
    count: int
    seconds: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Rows that are in a state now, and the age of the oldest one in seconds."""

    kind: str
    state: str
    count: int
    age: float


@dataclass(frozen=True, kw_only=True)
class Spent:
    """One model's calls of this UTC day."""

    model: str
    scope: str
    calls: int
    tokens: dict[str, int]
    usd: Decimal


# (kind, table, when it was made, outcome, seconds that it took)
RECENT = (
    (
        *("updates", "telegram_bridge_telegramupdate", "received_at", "state"),
        "greatest(0, extract(epoch FROM received_at) - (payload #>> '{message,date}')::float)",
    ),
    ("jobs", "jobs_job", "created_at", "state", "extract(epoch FROM finished_at - created_at)"),
    ("deliveries", "threads_delivery", "created_at", "state", "extract(epoch FROM sent_at - created_at)"),
    ("model_calls", "budget_ledgerentry", "created_at", "outcome", "latency_ms / 1000.0"),
    ("tool_calls", "tools_toolexecution", "started_at", "state", "duration"),
)
ONE_RECENT = """
    SELECT '{kind}' AS kind, outcome, count(*),
        percentile_cont(ARRAY[{quantiles}]::float[]) WITHIN GROUP (ORDER BY seconds) AS seconds
    FROM (SELECT {outcome} AS outcome, {made} AS made, ({seconds})::float AS seconds FROM {table}
        ORDER BY id DESC LIMIT {rows}) AS newest
    WHERE made > now() - make_interval(mins => {minutes}) GROUP BY outcome
"""
# (kind, table, state, since, condition): open rows by their partial indexes, dead letters at most ROWS.
STANDING = (
    ("jobs", "jobs_job", "state", "moved_at", "state IN ('queued', 'classifying', 'awaiting_approval', 'executing')"),
    ("jobs", "jobs_job", "state", "moved_at", "state = 'failed'"),
    ("jobs", "jobs_job", "state", "moved_at", "state = 'dead'"),
    ("deliveries", "threads_delivery", "state", "created_at", "state IN ('queued', 'sending', 'unknown')"),
    ("deliveries", "threads_delivery", "state", "created_at", "state = 'failed'"),
    ("updates", "telegram_bridge_telegramupdate", "state", "received_at", "state = 'failed'"),
    ("approvals", "approvals_approval", "state", "created_at", "state = 'pending'"),
    ("queue", "django_q_ormq", "key", "lock", "lock <= now()"),
    ("notices", "ops_notice", "'uncarried'", "created_at", "carried_at IS NULL"),
)
ONE_STANDING = """
    SELECT '{kind}' AS kind, state, count(*), coalesce(extract(epoch FROM now() - min(since)), 0)::float
    FROM (SELECT {state} AS state, {since} AS since FROM {table} WHERE {condition} LIMIT {rows}) AS standing
    GROUP BY state
"""
TOKENS = ("input", "output", "cache_write_5m", "cache_write_1h", "cache_read")
SPENT = f"""
    SELECT model, scope, count(*), coalesce(sum(cost_usd), 0), {", ".join(f"sum({name}_tokens)" for name in TOKENS)}
    FROM budget_ledgerentry WHERE day = %s GROUP BY model, scope ORDER BY count(*) DESC LIMIT {MOST_MODELS}
"""
MADE = " UNION ALL ".join(f"SELECT '{kind}', coalesce(max(id), 0) FROM {table}" for kind, table, *_ in RECENT)


def recent() -> list[Recent]:
    """What was made in the last MINUTES, by kind and outcome."""
    quantiles = ", ".join(map(str, QUANTILES))
    parts = [
        ONE_RECENT.format(
            kind=kind,
            table=table,
            made=made,
            outcome=outcome,
            seconds=seconds,
            quantiles=quantiles,
            rows=ROWS,
            minutes=MINUTES,
        )
        for kind, table, made, outcome, seconds in RECENT
    ]
    return [
        Recent(
            kind=kind, outcome=outcome, count=count, seconds=tuple(each for each in seconds or () if each is not None)
        )
        for kind, outcome, count, seconds in _rows(" UNION ALL ".join(parts))
    ]


def standing() -> list[Standing]:
    """What is open or has failed, by kind and state."""
    parts = [
        ONE_STANDING.format(kind=kind, table=table, state=state, since=since, condition=condition, rows=ROWS)
        for kind, table, state, since, condition in STANDING
    ]
    return [
        Standing(kind=kind, state=state, count=count, age=max(0.0, age))
        for kind, state, count, age in _rows(" UNION ALL ".join(parts))
    ]


def spent() -> list[Spent]:
    """This UTC day's calls by model, at most MOST_MODELS."""
    return [
        Spent(model=model, scope=scope, calls=calls, usd=usd, tokens=dict(zip(TOKENS, map(int, tokens), strict=True)))
        for model, scope, calls, usd, *tokens in _rows(SPENT, today())
    ]


def made() -> dict[str, int]:
    """How many rows of each kind were ever made, deleted ones included: the highest id."""
    return dict(_rows(MADE))


def _rows(sql: str, *values: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values or None)
        return list(cursor.fetchall())
