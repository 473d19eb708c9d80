"""Chat commands: what is one, who may give it, what it answers."""

import pytest

from common import commands
from common.commands import Call, command, parse
from common.errors import NotPermitted


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("/help", ("help", "")),
        ("/cancel 12", ("cancel", "12")),
        ("/cancel@my_bot 12", ("cancel", "12")),
        ("/Cancel   12  now ", ("cancel", "12  now")),
        ("/freeze going\non holiday", ("freeze", "going\non holiday")),
        ("/stop\n", ("stop", "")),
        ("/stop\nplease", ("stop", "please")),
    ],
)
def test_a_command_is_a_word_after_a_slash_and_the_rest(text, parsed):
    assert parse(text) == parsed


@pytest.mark.parametrize(
    "text", ["", "help", " /help", "/", "/ help", "//help", "/usr/bin/ls is missing", "/5", "3/4", "/-x"]
)
def test_anything_else_is_a_message(text):
    assert parse(text) is None


@pytest.fixture
def offered(monkeypatch):
    """Two commands, besides those of the apps."""
    commands.all_commands()
    monkeypatch.setattr(commands, "_commands", dict(commands._commands))
    command("zz_shout", help="say it loudly")(lambda call: call.argument.upper())
    command("zz_look", help="look at it", decides=False)(lambda call: f"{call.actor} looks via {call.via}")


def give(name: str, *, may_decide: bool = True) -> str:
    return commands.run(
        Call(
            name=name,
            argument="hello",
            thread_ref="thread:1",
            actor="person:1",
            may_decide=may_decide,
            via="web",
        )
    )


@pytest.mark.usefixtures("offered")
def test_a_command_answers():
    assert give("zz_shout") == "HELLO"


@pytest.mark.usefixtures("offered")
def test_who_may_only_look_gives_those_that_decide_nothing():
    assert give("zz_look", may_decide=False) == "person:1 looks via web"
    with pytest.raises(NotPermitted):
        give("zz_shout", may_decide=False)


@pytest.mark.usefixtures("offered")
def test_an_unknown_command_is_answered_with_where_to_look():
    assert give("zz_sing", may_decide=False) == "I don't know /zz_sing. /help lists what I know."


@pytest.mark.usefixtures("offered")
def test_commands_are_listed_by_name():
    listed = [each.name for each in commands.all_commands()]
    assert listed == sorted(listed)
    assert {"zz_look", "zz_shout", "freeze", "help", "cancel"} <= set(listed)
