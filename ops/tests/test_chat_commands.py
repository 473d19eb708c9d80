"""The switches as commands."""

import pytest

from common import commands
from common.commands import Call
from common.errors import NotPermitted
from ops.models import AuditEvent
from ops.switches import is_on

pytestmark = pytest.mark.django_db


def give(name: str, argument: str = "", *, may_decide: bool = True) -> str:
    return commands.run(
        Call(
            name=name,
            argument=argument,
            thread_ref="thread:1",
            actor="person:1",
            may_decide=may_decide,
            via="web",
        )
    )


@pytest.mark.parametrize("name", ["freeze", "pause"])
def test_a_switch_is_turned_on_by_its_name_and_off_by_resume(name):
    assert "/resume" in give(name, "holidays")
    assert is_on(name)
    event = AuditEvent.objects.get()
    assert (event.actor, event.detail) == ("person:1", {"reason": "holidays"})
    give("resume")
    assert not is_on(name)


@pytest.mark.parametrize("name", ["freeze", "pause", "resume"])
def test_who_may_only_look_turns_nothing(name):
    with pytest.raises(NotPermitted):
        give(name, may_decide=False)
    assert not AuditEvent.objects.exists()
