"""Chat commands, the same in every channel. Each app offers its own in `chat_commands.py`."""

from collections.abc import Callable
from dataclasses import dataclass

from common import discovery
from common.errors import NotPermitted


@dataclass(frozen=True, kw_only=True)
class Call:
    """A command as somebody gave it. `thread_ref` is where, `actor` who; `argument` is the rest of the line."""

    name: str
    argument: str
    thread_ref: str
    actor: str
    may_decide: bool
    via: str


@dataclass(frozen=True, kw_only=True)
class Command:
    """A word after the slash, a line for /help, and what it does: it returns the reply."""

    name: str
    help: str
    decides: bool
    run: Callable[[Call], str]


_commands: dict[str, Command] = {}


def command(name: str, *, help: str, decides: bool = True) -> Callable[[Callable[[Call], str]], Callable[[Call], str]]:
    """Decorator: offer a function as /name. `decides` keeps it from those who may only look."""

    def keep(run: Callable[[Call], str]) -> Callable[[Call], str]:
        _commands[name] = Command(name=name, help=help, decides=decides, run=run)
        return run

    return keep


def all_commands() -> list[Command]:
    """Every command, by name."""
    discovery.load("chat_commands")
    return [_commands[name] for name in sorted(_commands)]


def parse(text: str) -> tuple[str, str] | None:
    """Name and argument of a text like `/cancel@my_bot 12`; None where it is no command."""
    if not text.startswith("/") or text[1:2].isspace():
        return None
    word, argument = (*text[1:].split(maxsplit=1), "", "")[:2]
    name = word.split("@")[0].lower()
    return (name, argument.strip()) if name.isidentifier() else None


def run(call: Call) -> str:
    """Carry out a command; the reply. Raises NotPermitted."""
    known = {each.name: each for each in all_commands()}
    if call.name not in known:
        return f"I don't know /{call.name}. /help lists what I know."
    if known[call.name].decides and not call.may_decide:
        raise NotPermitted
    return known[call.name].run(call)
