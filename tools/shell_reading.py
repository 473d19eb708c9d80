"""Whether a command only reads, inside of bounds: its options are known, its paths lead nowhere else."""

import re
from dataclasses import dataclass

from tools import paths
from tools.paths import Zone
from tools.shell_parser import Command, Redirect
from tools.shell_specs import READ_ONLY, Rest, Spec
from tools.shell_words import Word

PROGRAM_FOLDERS = ("/bin/", "/usr/bin/", "/usr/local/bin/")
HARMLESS_VARIABLE = re.compile(r"(LC_[A-Z]+|LANG|TZ)=[A-Za-z0-9_./+-]*")
TO_DESCRIPTOR = re.compile(r"[0-9-]")
PATTERN_OPTIONS = frozenset(["e", "regexp"])
RECURSION = frozenset(["r", "R", "recursive", "d"])
LISTS_THE_FOLDER = frozenset(["ls", "du"])


class DoubtError(Exception):
    """Why a person should be asked: a sentence, and the rule's id."""

    def __init__(self, rule: str, reason: str) -> None:
        super().__init__(reason)
        self.rule, self.reason = rule, reason


def check_command(command: Command) -> None:
    """Raises DoubtError unless `command` is known to read only, and only what is open to it."""
    for assignment in command.assignments:
        if not HARMLESS_VARIABLE.fullmatch(assignment):
            raise DoubtError("shell.variable", f"It sets a variable for a command: {assignment.split('=', 1)[0]}.")
    unknown = next((word for word in command.words if word.text is None), None)
    if unknown is not None:
        raise DoubtError("shell.unknown_word", f"What {_quote(unknown.raw)} stands for is known only when it runs.")
    spec = READ_ONLY.get(_plain_name(command))
    if spec is None:
        raise DoubtError("shell.unlisted", f"{_quote(command.name)} is not on the list of commands that only read.")
    _check_parts(command, spec, _parts(command, spec))


def check_redirect(redirect: Redirect) -> None:
    """Raises DoubtError unless it reads a file in bounds, throws output away or joins two streams."""
    target = redirect.target.text
    if target is None:
        raise DoubtError("shell.redirect", "It redirects to a file whose name is known only when it runs.")
    if redirect.operator == "<":
        return _check_path(redirect.target)
    joins = redirect.operator in (">&", "<&") and TO_DESCRIPTOR.fullmatch(target)
    if not joins and target != "/dev/null":
        raise DoubtError("shell.redirect", f"It writes to the file {_quote(target)}.")


def _plain_name(command: Command) -> str:
    """The name, if it is found by PATH or in the system's folders: a program elsewhere may be anything."""
    written = (command.words[0].text or "") if command.words else ""
    folder = written.removesuffix(command.name)
    plain = not command.words or not (command.words[0].pattern or command.words[0].home)
    return command.name if plain and (not folder or folder in PROGRAM_FOLDERS) else ""


@dataclass(frozen=True, kw_only=True)
class _Parts:
    """A command's words, sorted: names of its options, their values where these are words of their own, the rest."""

    options: frozenset[str]
    values: tuple[Word, ...]
    rest: tuple[Word, ...]


def _parts(command: Command, spec: Spec) -> _Parts:
    """Raises DoubtError at an option that isn't known. GNU programs take options after other words too."""
    options: list[str] = []
    values: list[Word] = []
    rest: list[Word] = []
    words = iter(command.words[1:])
    for word in words:
        text = word.text or ""
        if text == "--" and not spec.all_data:
            rest += words
        elif spec.all_data or not text.startswith("-") or text == "-":
            rest.append(word)
        else:
            names, wants_value = _options(command.name, text, spec)
            options += names
            values += [next(words, word)] if wants_value else []
    return _Parts(options=frozenset(options), values=tuple(values), rest=tuple(rest))


def _options(name: str, text: str, spec: Spec) -> tuple[list[str], bool]:
    """The options in one word, and whether the next word is the last one's value."""
    if text.startswith("--"):
        option, has_value, _ = text[2:].partition("=")
        if option not in spec.long | spec.long_values:
            raise DoubtError("shell.option", f"The option {_quote(text)} of {name} is not known to be harmless.")
        return [option], option in spec.long_values and not has_value
    if spec.number_flag and re.fullmatch(r"-\d+", text):
        return [], False
    for at, flag in enumerate(text[1:], start=2):
        if flag in spec.values:
            return list(text[1:at]), at == len(text)
        if flag not in spec.flags:
            raise DoubtError("shell.option", f"The option -{flag} of {name} is not known to be harmless.")
    return list(text[1:]), False


def opens_no_file(command: Command) -> bool:
    """Whether a command that check_command let pass names no file to read, as a filter in a pipe doesn't."""
    spec = READ_ONLY[command.name]
    parts = _parts(command, spec)
    if any(word.pattern for word in command.words):
        return False
    if spec.rest is Rest.PATTERN_THEN_PATHS:
        pattern_given = not PATTERN_OPTIONS.isdisjoint(parts.options)
        return RECURSION.isdisjoint(parts.options) and len(parts.rest) <= (0 if pattern_given else 1)
    return spec.rest in (Rest.NOTHING, Rest.DATA) or (not parts.rest and command.name not in LISTS_THE_FOLDER)


def _check_parts(command: Command, spec: Spec, parts: _Parts) -> None:
    rest = parts.rest
    if rest and spec.rest is Rest.NOTHING:
        raise DoubtError("shell.argument", f"{command.name} with {_quote(rest[0].raw)} may change something.")
    if len(rest) > 1 and spec.rest is Rest.ONE_PATH:
        raise DoubtError("shell.argument", f"{command.name} writes into the second file that it is given.")
    if any(word.pattern for word in (*parts.values, *(() if spec.patterns else rest))):
        raise DoubtError("shell.pattern", f"A pattern given to {command.name} may stand for an option.")
    for word in rest:
        if not spec.rest_fits(word.text or ""):
            raise DoubtError("shell.argument", f"{command.name} with {_quote(word.raw)} may do more than read.")
    for word in rest:
        if word.pattern or (word.text != "-" and word in _paths(spec, parts)):
            _check_path(word)


def _paths(spec: Spec, parts: _Parts) -> tuple[Word, ...]:
    if spec.rest is Rest.PATTERN_THEN_PATHS and PATTERN_OPTIONS.isdisjoint(parts.options):
        return parts.rest[1:]
    return () if spec.rest is Rest.DATA else parts.rest


def _check_path(word: Word) -> None:
    # In the sandbox ~ is the workspace.
    text = word.text or ""
    if word.pattern and "/.." in f"/{text}":
        raise DoubtError("shell.pattern", f"Where {_quote(word.raw)} leads is known only when it runs.")
    if paths.zone_of(text, home=paths.workspace() if word.home else None) not in (Zone.WORKSPACE, Zone.READABLE):
        raise DoubtError("path.outside", f"{_quote(word.raw)} lies outside of the workspace.")


def _quote(text: str) -> str:
    return f"“{text[:80]}”"
