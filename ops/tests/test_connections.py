"""Connected, degraded, down, and since when; written rarely, told once."""

from datetime import timedelta

import pytest
from django.utils import timezone

from ops import connections
from ops.connections import connection_failed, connection_ok
from ops.health import Level, Result, of_connections
from ops.models import Connection, Notice
from ops.tasks import connections_tell

pytestmark = pytest.mark.django_db
State = Connection.State


@pytest.fixture(autouse=True)
def _fresh_process():
    connections.forget()
    yield
    connections.forget()


def row(name: str = "model") -> Connection:
    return Connection.objects.get(name=name)


def test_it_degrades_at_the_first_failure_and_is_down_at_the_third():
    connection_ok("model")
    assert (row().state, row().failures) == (State.CONNECTED, 0)
    seen = []
    for number in range(3):
        connection_failed("model", f"no answer {number}", retry_in=5)
        seen.append(row().state)
    assert seen == [State.DEGRADED, State.DEGRADED, State.DOWN]
    assert (row().failures, row().last_error) == (3, "no answer 2")
    assert row().next_try_at > timezone.now()


def test_it_is_down_when_it_still_fails_after_half_a_minute():
    connection_failed("model", "no answer")
    Connection.objects.update(failing_since=timezone.now() - timedelta(seconds=31))
    connection_failed("model", "no answer")
    assert row().state == State.DOWN


def test_what_cannot_be_helped_by_trying_is_down_at_once():
    connection_failed("telegram", "The token was revoked.", fatal=True)
    assert row("telegram").state == State.DOWN


def test_since_moves_only_with_the_state():
    connection_failed("model", "no answer")
    hour_ago = timezone.now() - timedelta(hours=1)
    Connection.objects.update(since=hour_ago, failing_since=None)
    connection_failed("model", "no answer")
    assert row().since == hour_ago
    connection_ok("model")
    assert row().since > hour_ago


def test_an_answer_ends_the_failure_and_keeps_its_words():
    connection_failed("model", "no answer", retry_in=5)
    connection_ok("model")
    found = row()
    assert (found.state, found.failures, found.failing_since, found.next_try_at) == (State.CONNECTED, 0, None, None)
    assert found.last_error == "no answer"


def test_a_state_that_does_not_change_costs_nothing(django_assert_num_queries):
    connection_ok("model")
    with django_assert_num_queries(0):
        for _ in range(100):
            connection_ok("model")
    for _ in range(3):
        connection_failed("model", "no answer")
    with django_assert_num_queries(0):
        for _ in range(100):
            connection_failed("model", "no answer")


def test_failures_that_were_not_written_are_counted_later(monkeypatch):
    for _ in range(5):
        connection_failed("model", "no answer")
    monkeypatch.setattr(connections, "REFRESH_SECONDS", 0.0)
    connection_failed("model", "no answer")
    assert row().failures == 6


def test_a_state_is_written_again_now_and_then(monkeypatch):
    connection_ok("model")
    Connection.objects.update(state=State.DOWN)  # another process of this host has seen something else
    monkeypatch.setattr(connections, "REFRESH_SECONDS", 0.0)
    connection_ok("model")
    assert row().state == State.CONNECTED


def test_hosts_have_rows_of_their_own():
    connection_ok("telegram")
    connection_failed("telegram", "no answer", host="elsewhere")
    assert Connection.objects.count() == 2


def test_no_secret_reaches_the_row():
    connection_failed("telegram", "POST https://api.telegram.org/bot123456789:AAF-abcdefghijklmnopqrstuvwxyz0123456/x")
    assert "AAF-" not in row("telegram").last_error


def down_for(seconds: float, name: str = "model") -> None:
    connection_failed(name, "no answer", fatal=True)
    Connection.objects.filter(name=name).update(since=timezone.now() - timedelta(seconds=seconds))


def test_the_master_is_told_once_when_it_is_down_for_a_minute_and_when_it_is_back():
    down_for(30)
    assert connections_tell() == 0
    down_for(61)
    assert (connections_tell(), connections_tell()) == (1, 0)
    connection_ok("model")
    assert (connections_tell(), connections_tell()) == (1, 0)
    back, down = Notice.objects.order_by("-pk")
    assert (down.kind, down.severity, "no answer" in down.text) == ("connection_down", "warning", True)
    assert (back.kind, "is back since" in back.text) == ("connection_back", True)


def test_one_that_flaps_is_told_once_an_hour():
    for _ in range(3):
        down_for(61)
        connections_tell()
        connection_ok("model")
        connections_tell()
    assert [row.kind for row in Notice.objects.order_by("pk")] == ["connection_down", "connection_back"]


def test_a_short_failure_is_not_told():
    connection_failed("model", "no answer")
    connection_ok("model")
    assert connections_tell() == 0


def test_rows_of_hosts_that_are_gone_are_deleted():
    connection_ok("model", host="gone")
    connection_ok("telegram webhook", host="")
    Connection.objects.update(seen_at=timezone.now() - timedelta(days=8))
    connections_tell()
    assert [row.host for row in Connection.objects.all()] == [""]


def test_health_says_since_when_why_and_when_it_is_tried_again():
    assert of_connections("model") == Result(level=Level.OK)
    connection_ok("model")
    assert of_connections("model").level == Level.OK
    connection_failed("model", "No answer.", retry_in=20)
    found = of_connections("telegram", "model")
    assert found.level == Level.DEGRADED
    assert f"is degraded since {row().since:%Y-%m-%d %H:%M} UTC (1 failures in a row): No answer. It is" in found.reason


def test_a_failure_of_long_ago_says_nothing_of_now():
    connection_failed("model", "no answer")
    Connection.objects.update(seen_at=timezone.now() - timedelta(minutes=20))
    assert of_connections("model").level == Level.OK
    Connection.objects.update(state=State.DOWN)
    assert of_connections("model").level == Level.DEGRADED
    Connection.objects.update(seen_at=timezone.now() - timedelta(hours=3))
    assert of_connections("model").level == Level.OK
