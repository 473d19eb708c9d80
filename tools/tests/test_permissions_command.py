"""/permissions, as somebody gives it in a chat."""

from datetime import timedelta

import pytest

from common import commands
from common.commands import Call
from tools.models import Match, Scope, ToolRule
from tools.standing import Kind, standing_grant

pytestmark = pytest.mark.django_db


def give(argument: str = "", thread: str = "thread:1") -> str:
    call = Call(name="permissions", argument=argument, thread_ref=thread, actor="person:1", may_decide=True, via="web")
    return commands.run(call)


@pytest.fixture
def permitted() -> ToolRule:
    return standing_grant(
        kind=Kind(tool="shell", match=Match.PROGRAM, pattern="systemctl restart nginx"),
        scope=Scope.THREAD,
        scope_ref="thread:1",
        expires_in=timedelta(days=30),
        max_uses=5,
        created_by="person:1",
        reason="",
    )


def test_it_lists_what_holds_here_with_what_is_left(permitted: ToolRule) -> None:
    said = give()
    assert f"#{permitted.pk} shell systemctl restart nginx: 29 days left, used 0 of 5 times" in said
    assert f"/permissions revoke {permitted.pk}" in said
    assert "No standing permission holds here" in give(thread="thread:2")


def test_one_is_revoked_by_its_number(permitted: ToolRule) -> None:
    assert "Revoked: shell systemctl restart nginx" in give(f"revoke #{permitted.pk}")
    permitted.refresh_from_db()
    assert (permitted.active, permitted.revoked_by) == (False, "person:1")
    assert "No permission" in give(f"revoke {permitted.pk}")


def test_that_of_another_chat_is_not_touched(permitted: ToolRule) -> None:
    assert "No permission" in give(f"revoke {permitted.pk}", thread="thread:2")
    assert ToolRule.objects.get(pk=permitted.pk).active


@pytest.mark.parametrize("argument", ["revoke", "3", "revoke all", "forget 3", "revoke " + "9" * 30])
def test_anything_else_says_how_it_goes(argument: str) -> None:
    assert "/permissions revoke 3" in give(argument)
