"""The doctor: what is wrong in words, with what to do, for people and for programs."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from ops import health
from ops.health import Level, Result

pytestmark = pytest.mark.django_db


@pytest.fixture
def checks(monkeypatch):
    health.report()
    only = {}
    monkeypatch.setattr(health, "_checks", only)
    return only


def doctor(*arguments: str) -> str:
    out = StringIO()
    call_command("doctor", *arguments, stdout=out)
    return out.getvalue()


def test_it_says_what_is_degraded_and_how_to_get_better(checks):
    health.register("sandbox")(
        lambda: Result(level=Level.DEGRADED, reason="Nothing confines.", better="Install bubblewrap.")
    )
    text = doctor()
    assert "ok        settings" in text
    assert "degraded  sandbox: Nothing confines.\n          → Install bubblewrap." in text


def test_a_program_reads_json(checks):
    health.register("disk")(lambda: Result(level=Level.OK))
    assert json.loads(doctor("--json")) == {
        "level": "ok",
        "findings": [
            {"name": "settings", "level": "ok", "reason": "", "better": ""},
            {"name": "disk", "level": "ok", "reason": "", "better": ""},
        ],
    }


def test_its_exit_code_says_that_something_is_down(checks):
    health.register("database")(lambda: Result(level=Level.DOWN, reason="It does not answer."))
    with pytest.raises(CommandError, match="down"):
        doctor()


def test_settings_that_can_not_work_are_a_finding(checks, settings):
    settings.TELEGRAM_BOT_TOKEN = "nonsense"
    out = StringIO()
    with pytest.raises(CommandError):
        call_command("doctor", stdout=out)
    assert "down      agent_site.E003: TELEGRAM_BOT_TOKEN does not look like a bot token." in out.getvalue()
