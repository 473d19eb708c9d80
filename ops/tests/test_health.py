"""The page answers whatever is wrong: each app's check, and the worst of them."""

import pytest

from common import discovery
from ops import health
from ops.health import Level, Result

OK = Result(level=Level.OK)
DEGRADED = Result(level=Level.DEGRADED, reason="The disk is nearly full.")
DOWN = Result(level=Level.DOWN, reason="The disk is full.")


@pytest.fixture
def checks(monkeypatch):
    """The only checks there are."""
    discovery.load("health")  # now, so that none of the apps' own is lost when these go
    only = {}
    monkeypatch.setattr(health, "_checks", only)
    return only


@pytest.mark.parametrize(
    ("found", "worst"),
    [
        ([], Level.OK),
        ([OK, OK], Level.OK),
        ([OK, DEGRADED, OK], Level.DEGRADED),
        ([DOWN, DEGRADED, OK], Level.DOWN),
    ],
)
def test_the_report_is_as_bad_as_its_worst_check(checks, found, worst):
    for number, result in enumerate(found):
        health.register(str(number))(lambda result=result: result)
    level, results, _ = health.report()
    assert level == worst
    assert list(results.values()) == found


def test_results_are_named_and_in_order(checks):
    for name in ("queue", "disk"):
        health.register(name)(lambda: OK)
    _, results, took = health.report()
    assert list(results) == ["disk", "queue"]
    assert took >= 0


def test_a_check_that_breaks_is_a_finding_and_hides_no_other(checks):
    @health.register("broken")
    def broken() -> Result:
        raise ConnectionRefusedError("postgres://user:secret@host")

    health.register("disk")(lambda: DEGRADED)
    level, results, _ = health.report()
    assert level == Level.DOWN
    # The words of an unforeseen error may hold anything; its kind is enough for the page.
    assert results["broken"].reason == "The check failed: ConnectionRefusedError."
    assert results["disk"] == DEGRADED


def test_a_registered_check_is_still_a_function(checks):
    assert health.register("disk")(lambda: DEGRADED)() == DEGRADED


def test_when_the_database_is_down_only_what_does_not_need_it_is_asked(checks):
    health.register("database")(lambda: DOWN)
    health.register("disk", needs_database=False)(lambda: DEGRADED)
    asked = []
    health.register("queue")(lambda: asked.append("queue") or OK)
    level, results, _ = health.report()
    assert (level, asked) == (Level.DOWN, [])
    assert (results["database"], results["disk"], results["queue"]) == (DOWN, DEGRADED, health.NOT_ASKED)
