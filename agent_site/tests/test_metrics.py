"""What Prometheus reads, by its own parser, and what Grafana's file asks for."""

import json
import re
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.utils import timezone
from django_q.models import OrmQ
from prometheus_client.parser import text_string_to_metric_families

from agent_site import alerts, measures
from budget.models import LedgerEntry, Reservation
from ops.heartbeats import beat
from ops.models import Connection, Notice
from telegram_bridge.models import TelegramUpdate
from threads.models import Delivery, Thread
from tools.models import ExecutionState, ToolExecution

pytestmark = pytest.mark.django_db
DASHBOARD = Path(django_settings.BASE_DIR, "docker", "grafana-dashboard.json")


@pytest.fixture
def busy(owner, hear):
    """One of everything."""
    now = timezone.now()
    job = hear(owner, "Hello?").job
    thread = Thread.objects.get(pk=job.thread_id)
    Delivery.objects.create(thread=thread, text="x", state=Delivery.State.SENT, sent_at=now + timedelta(seconds=2))
    Delivery.objects.create(thread=thread, text="x")
    TelegramUpdate.objects.create(
        bot_id=1, update_id=1, kind="message", payload={"message": {"date": now.timestamp() - 3}}, state="failed"
    )
    ToolExecution.objects.create(run_ref="run:1", call_id="1", name="shell", started_at=now, duration=1.5, state="done")
    ledger(now)
    OrmQ.objects.create(key="work", payload="x", lock=now - timedelta(seconds=40))
    Connection.objects.create(name="telegram", host="here", state="degraded", since=now, seen_at=now)
    detail = {"restarts": 1, "workers": 2, "busy": 1, "usage": {"cpu": 5.0, "memory": 6.0, "disk": 7.0}}
    beat("cluster.talk", progressed=True, detail=detail)
    beat("supervisor", detail={"restarts_of": {"web": 3}, "failing": {}})


def ledger(now):
    fields = {"scope": "reactive", "purpose": "work", "provider": "p", "model": "m", "day": now.date()}
    reservation = Reservation.objects.create(
        **fields, tokens_bound=10, usd_bound=1, created_at=now, expires_at=now, state="settled", closed_at=now
    )
    return LedgerEntry.objects.create(
        **fields,
        reservation=reservation,
        outcome="settled",
        input_tokens=7,
        output_tokens=3,
        cost_usd=Decimal("0.25"),
        latency_ms=1200,
        created_at=now,
    )


@pytest.fixture
def samples(busy, client):
    """The page as Prometheus' own parser has it: (name, labels) to value."""
    response = client.get("/metrics")
    assert response.status_code == 200
    assert response["Content-Type"].startswith("text/plain; version=")
    families = list(text_string_to_metric_families(response.content.decode()))
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value for family in families for sample in family.samples
    }


def test_it_tells_of_each_part(samples):
    assert samples["agent_recent", "deliveries", "sent"] == 1
    assert samples["agent_recent_seconds", "0.5", "deliveries", "sent"] == pytest.approx(2, abs=0.5)
    assert samples["agent_recent_seconds", "0.5", "failed", "updates"] == pytest.approx(3, abs=0.5)
    assert samples["agent_recent_seconds", "0.99", "done", "tool_calls"] == 1.5
    assert samples["agent_recent_seconds", "0.95", "model_calls", "settled"] == 1.2
    assert samples["agent_standing", "deliveries", "queued"] >= 1
    assert samples["agent_standing", "failed", "updates"] == 1
    assert samples["agent_queue_depth", "work"] >= 1
    assert samples["agent_queue_depth", "talk"] >= 0
    assert samples["agent_queue_age_seconds", "work"] > 39
    assert samples["agent_tokens_total", "input", "m", "reactive"] == 7
    assert samples["agent_cost_usd_total", "m", "reactive"] == 0.25
    assert samples["agent_switch_on", "freeze"] == 0


def test_it_tells_of_the_machinery(samples):
    values = {name: value for (name, *_), value in samples.items()}
    by_label = {(name, labels[0]): value for (name, *labels), value in samples.items() if labels}
    assert values["agent_connection_state"] == 1
    assert {value for (name, *labels), value in samples.items() if name == "agent_process_restarts_total"} == {1, 3}
    assert values["agent_process_up"] == 1
    assert values["agent_database_connections"] >= 1
    assert by_label["agent_machine_used_percent", "cpu"] == 5.0
    assert {labels[0] for name, *labels in samples if name == "agent_health"} >= {"database", "queue", "model"}
    assert [labels for name, *labels in samples if name == "agent_build_info"]


def test_it_takes_few_queries_whatever_there_is(busy, client, django_assert_max_num_queries):
    client.get("/metrics")
    with django_assert_max_num_queries(25):
        client.get("/metrics")


def test_every_number_that_grafanas_file_asks_for_is_told(samples):
    dashboard = json.loads(DASHBOARD.read_text())
    asked = {target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])}
    names = {name for expression in asked for name in re.findall(r"\bagent_\w+", expression)}
    told = {name for name, *_ in samples}
    assert names
    assert not names - told
    assert not {name for name in told if name not in names} - {"agent_build_info"}, "each has a panel"


def test_strangers_get_no_numbers(client):
    assert client.get("/metrics", REMOTE_ADDR="203.0.113.9").status_code == 403


def usage(**percent):
    beat("cluster.talk", detail={"usage": percent})


def told():
    return list(Notice.objects.order_by("pk").values_list("kind", "key"))


def test_a_full_machine_is_told_once_and_then_that_it_is_over(settings):
    key = f"disk@{settings.HOST_ID}"
    usage(disk=91.0, cpu=10.0)
    assert (alerts.look(), alerts.look()) == (1, 0)
    usage(disk=87.0)
    assert alerts.look() == 0
    usage(disk=80.0)
    assert (alerts.look(), alerts.look()) == (1, 0)
    assert told() == [("alert", key), ("all_clear", key)]
    usage(disk=95.0)
    assert alerts.look() == 0, "what flaps within the hour is not told again"


@pytest.mark.parametrize("what", ["cpu", "memory", "disk"])
def test_each_says_what_to_do(what):
    usage(**{what: 97.4})
    assert alerts.look() == 1
    assert f"{what.capitalize()} of " in Notice.objects.get().text
    assert " is at 97 %. " in Notice.objects.get().text


def tool_calls(count, state):
    for number in range(count):
        ToolExecution.objects.create(
            run_ref=f"run:{state}", call_id=str(number), name="x", started_at=timezone.now(), state=state
        )


def test_a_high_rate_of_errors_is_told_until_it_is_over():
    tool_calls(4, ExecutionState.FAILED)
    assert alerts.look() == 0, "four are no rate"
    tool_calls(3, ExecutionState.UNKNOWN)
    assert alerts.look() == 1
    assert Notice.objects.get().text.startswith("7 of 7 tool calls of the last 15 minutes have failed.")
    tool_calls(60, ExecutionState.DONE)
    assert alerts.look() == 1
    assert told() == [("alert", "tool_calls"), ("all_clear", "tool_calls")]


def test_many_errors_among_many_more_successes_are_no_alert():
    tool_calls(6, ExecutionState.FAILED)
    tool_calls(30, ExecutionState.DONE)
    assert alerts.look() == 0


def test_what_failed_long_ago_is_no_alert():
    tool_calls(9, ExecutionState.FAILED)
    ToolExecution.objects.update(started_at=timezone.now() - timedelta(minutes=measures.MINUTES + 1))
    assert alerts.look() == 0
