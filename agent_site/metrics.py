"""/metrics in Prometheus' text format, made of rows at the moment of asking: no process keeps counters of its own.

Labels are bounded: states and outcomes are choices, models at most 20, processes and connections have a row each.
Imported when it is first asked for: the library takes memory that an instance without Prometheus saves.
"""

from collections.abc import Iterator, Sequence

from django.utils import timezone
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from agent_site import inventory, measures
from common.queue import Lane
from ops.health import ORDER, report
from ops.models import Connection, Heartbeat
from ops.selectors import is_silent, processes, switches

CONTENT_TYPE = CONTENT_TYPE_LATEST
CONNECTION_LEVELS = {Connection.State.CONNECTED: 0, Connection.State.DEGRADED: 1, Connection.State.DOWN: 2}
RECENTLY = f"in the last {measures.MINUTES} minutes"
Sample = tuple[Sequence[str], float]


def exposition() -> bytes:
    """The page."""
    registry = CollectorRegistry()
    registry.register(Rows())
    return generate_latest(registry)


class Rows(Collector):
    """Reads everything once a scrape."""

    def collect(self) -> Iterator[Metric]:
        known = processes()
        yield InfoMetricFamily("agent_build", "Versions", value=inventory.versions())
        yield from _made()
        yield from _recent()
        yield from _standing()
        yield from _spent()
        yield from _processes(known)
        yield from _machinery()


def _gauge(name: str, text: str, labels: list[str], samples: Sequence[Sample]) -> Metric:
    family = GaugeMetricFamily(f"agent_{name}", text, labels=labels)
    for values, number in samples:
        family.add_metric(values, number)
    return family


def _counter(name: str, text: str, labels: list[str], samples: Sequence[Sample]) -> Metric:
    family = CounterMetricFamily(f"agent_{name}", text, labels=labels)
    for values, number in samples:
        family.add_metric(values, number)
    return family


def _made() -> Iterator[Metric]:
    text = "Ever made: updates, jobs, deliveries, model calls, tool calls"
    yield _counter("made", text, ["kind"], [([kind], count) for kind, count in measures.made().items()])


def _recent() -> Iterator[Metric]:
    rows = measures.recent()
    counts: list[Sample] = [([row.kind, row.outcome], row.count) for row in rows]
    yield _gauge("recent", f"Made {RECENTLY}, by what has become of them", ["kind", "outcome"], counts)
    lasted: list[Sample] = [
        ([row.kind, row.outcome, str(quantile)], seconds)
        for row in rows
        for quantile, seconds in zip(measures.QUANTILES, row.seconds, strict=False)
    ]
    text = f"What was made {RECENTLY}: seconds from its beginning to its end (updates: from being sent to being stored)"
    yield _gauge("recent_seconds", text, ["kind", "outcome", "quantile"], lasted)


def _standing() -> Iterator[Metric]:
    rows = measures.standing()
    waiting = {row.state: row for row in rows if row.kind == "queue"}
    others = [row for row in rows if row.kind != "queue"]
    counts: list[Sample] = [([row.kind, row.state], row.count) for row in others]
    yield _gauge("standing", "Open or failed now", ["kind", "state"], counts)
    ages: list[Sample] = [([row.kind, row.state], row.age) for row in others]
    yield _gauge("standing_age_seconds", "The oldest one's age", ["kind", "state"], ages)
    depth: list[Sample] = [([lane], waiting[lane].count if lane in waiting else 0) for lane in Lane.values]
    yield _gauge("queue_depth", "Tasks that wait for a worker", ["lane"], depth)
    late: list[Sample] = [([lane], waiting[lane].age if lane in waiting else 0) for lane in Lane.values]
    yield _gauge("queue_age_seconds", "How long the oldest has waited", ["lane"], late)


def _spent() -> Iterator[Metric]:
    rows = measures.spent()
    labels = ["model", "scope"]
    day = "since 00:00 UTC"
    yield _counter("model_calls", f"Model calls {day}", labels, [([r.model, r.scope], r.calls) for r in rows])
    yield _counter("cost_usd", f"Cost of known price {day}", labels, [([r.model, r.scope], float(r.usd)) for r in rows])
    tokens: list[Sample] = [([r.model, r.scope, kind], count) for r in rows for kind, count in r.tokens.items()]
    yield _counter("tokens", f"Counted tokens {day}", [*labels, "class"], tokens)


def _processes(known: list[Heartbeat]) -> Iterator[Metric]:
    labels, now = ["process", "host"], timezone.now()
    up: list[Sample] = [([row.name, row.host], float(not is_silent(row))) for row in known]
    yield _gauge("process_up", "Whether it beats", labels, up)
    ages: list[Sample] = [([r.name, r.host], max(0.0, (now - r.alive_at).total_seconds())) for r in known]
    yield _gauge("process_heartbeat_age_seconds", "Since its last beat", labels, ages)
    still: list[Sample] = [
        ([row.name, row.host], max(0.0, (now - row.progressed_at).total_seconds()))
        for row in known
        if row.progressed_at
    ]
    yield _gauge("process_progress_age_seconds", "Since it last got something done", labels, still)
    busy: list[Sample] = [([row.name, row.host], row.detail["busy"]) for row in known if "busy" in row.detail]
    yield _gauge("workers_busy", "Workers with a task", labels, busy)
    usage: list[Sample] = [
        ([row.host, what], percent) for row in known for what, percent in row.detail.get("usage", {}).items()
    ]
    yield _gauge("machine_used_percent", "CPU, memory and disk in use", ["host", "what"], _once(usage))
    restarts: list[Sample] = [(name.rsplit("@", 1), count) for name, count in inventory.restarts(known).items()]
    yield _counter("process_restarts", "Started again after it died", labels, restarts)


def _once(samples: list[Sample]) -> list[Sample]:
    """One sample a label set: both clusters of a machine tell its usage."""
    return list({tuple(values): (values, number) for values, number in samples}.values())


def _machinery() -> Iterator[Metric]:
    rows = Connection.objects.all()[:50]
    levels: list[Sample] = [([row.name, row.host], CONNECTION_LEVELS[Connection.State(row.state)]) for row in rows]
    yield _gauge("connection_state", "0 connected, 1 degraded, 2 down", ["connection", "host"], levels)
    on: list[Sample] = [([name], float(row.on)) for name, row in switches().items()]
    yield _gauge("switch_on", "Freeze and pause", ["switch"], on)
    clients: list[Sample] = [([name], count) for name, count in inventory.connections().items()]
    yield _gauge("database_connections", "Connections to the database by application name", ["application"], clients)
    checks: list[Sample] = [([name], ORDER.index(result.level)) for name, result in report()[1].items()]
    yield _gauge("health", "0 ok, 1 degraded, 2 down", ["check"], checks)
