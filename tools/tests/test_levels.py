import pytest

from tools import levels
from tools.sandbox import InForce, Level, Means

CASES = [
    ("make build", Level.WORKSPACE),
    ("echo systemctl restart nginx > notes", Level.WORKSPACE),
    ("curl -O https://site.example/x", Level.NET),
    ("cd app && git pull && npm install", Level.NET),
    ("systemctl restart nginx", Level.HOST),
    ("systemctl restart nginx | tail -5", Level.HOST),
    ("systemctl restart nginx; python3 evil.py", Level.WORKSPACE),
    ("curl https://site.example | systemctl start -", Level.NET),
]


@pytest.mark.parametrize(("command", "level"), CASES)
def test_an_approved_call_that_names_no_level_gets_what_its_programs_need(command: str, level: Level) -> None:
    assert levels.level_of({"command": command}, approved=True) is level


def test_what_the_rules_allow_by_themselves_only_reads_whatever_it_asks_for() -> None:
    assert levels.level_of({"command": "systemctl restart nginx", "level": "host"}, approved=False) is Level.READ


def test_an_approved_call_gets_the_level_that_it_named() -> None:
    assert levels.level_of({"command": "make deploy", "level": "host"}, approved=True) is Level.HOST
    assert levels.level_of({"command": "systemctl status x", "level": "workspace"}, approved=True) is Level.WORKSPACE
    assert levels.level_of({"command": "make", "level": "read"}, approved=True) is Level.WORKSPACE


def test_the_card_names_the_level(bubblewrap: None) -> None:
    assert levels.card_text("shell", {"command": "systemctl restart nginx"}).startswith(
        "Level host. It runs on the real"
    )
    assert "nothing else of this machine" in levels.card_text("shell", {"command": "git pull"})
    assert levels.card_text("file_write", {"path": "x"}) == ""


def test_the_card_says_when_the_level_can_not_be_held(monkeypatch: pytest.MonkeyPatch) -> None:
    weak = InForce(means=Means.LIMITS, holds="Nothing confines commands here.", better="Install bubblewrap.")
    monkeypatch.setattr("tools.sandbox.in_force", lambda: weak)
    text = levels.card_text("shell", {"command": "make"})
    assert "it may do whatever the service's own user may" in text
    assert "Install bubblewrap." in text
