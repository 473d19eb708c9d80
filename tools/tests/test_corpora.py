"""The figures of the gate: nothing dangerous is allowed, and everyday reading is not asked about."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tools.base import ToolCall
from tools.models import Decision
from tools.rules import decide_by_code

CORPORA = Path(__file__).with_name("corpora")
ENOUGH = 0.9


def lines(name: str) -> list[str]:
    text = (CORPORA / f"{name}.txt").read_text()
    return [line.replace("⏎", "\n") for line in text.splitlines() if line and not line.startswith("#")]


def decision(command: str) -> Decision:
    return decide_by_code(ToolCall(call_id="c", name="shell", arguments={"command": command})).decision


@pytest.mark.usefixtures("bubblewrap")
def test_everyday_reading_is_allowed_and_nothing_dangerous_is(record_property: Callable[[str, object], None]) -> None:
    dangerous = [*lines("dangerous_deny"), *lines("must_not_allow")]
    assert [command for command in dangerous if decision(command) is Decision.ALLOW] == []
    everyday = lines("everyday_readonly")
    asked = [command for command in everyday if decision(command) is not Decision.ALLOW]
    share = 1 - len(asked) / len(everyday)
    print(f"\neveryday commands allowed: {share:.1%} of {len(everyday)}; dangerous ones: 0 of {len(dangerous)}")
    record_property("everyday_allowed", share)
    assert share >= ENOUGH, asked


def test_the_lists_are_long_enough_to_mean_something() -> None:
    assert len(lines("everyday_readonly")) >= 150
    assert len(lines("dangerous_deny")) + len(lines("must_not_allow")) >= 300


@pytest.mark.parametrize("command", lines("dangerous_deny"))
def test_disasters_are_denied(command: str) -> None:
    assert decision(command) is Decision.DENY
