"""Whether a command only reads, inside of bounds: its options are known, its paths lead nowhere else."""

import re
from dataclasses import dataclass

from tools.names import names
from tools.shell import programs
from tools.shell.bounds import DoubtError, check_folder, check_path, quote
from tools.shell.parser import Command, Redirect, Script
from tools.shell.specs import READ_ONLY, Rest, Spec
from tools.shell.subcommands import FLAT, LISTING, PROGRAMS, SUBCOMMANDS, VERBS, WITH_VERB
from tools.shell.words import Word

PROGRAM_FOLDERS = ("/bin/", "/usr/bin/", "/usr/local/bin/", "/sbin/", "/usr/sbin/")
HARMLESS_VARIABLE = re.compile(r"(LC_[A-Z]+|LANG|TZ)=['\"]?[A-Za-z0-9_.+-]+(/[A-Za-z_+-]+[0-9]*)*['\"]?")
TO_DESCRIPTOR = re.compile(r"[0-9-]")
PATTERN_OPTIONS = frozenset(["e", "regexp", "files", "type-list"])
RECURSION = frozenset(["r", "R", "recursive", "d"])
LISTS_THE_FOLDER = frozenset(["ls", "du", "tree"])
VERSIONS = frozenset(
    names("bash cargo cmake docker g++ gcc git go java make node npm perl php pip pip3 psql python python3 ruby rustc")
)
Folders = tuple[str | None, ...]

__all__ = ["DoubtError", "check_command", "check_redirect", "check_script", "opens_no_file"]


def check_script(script: Script) -> None:
    """Raises DoubtError unless all of it is known to read only, and only what is open to it."""
    for command in script.commands:
        check_command(command, script.folders)
    for redirect in script.redirects:
        check_redirect(redirect, script.folders)


def check_command(command: Command, folders: Folders = ("",)) -> None:
    """Raises DoubtError unless `command` is known to read only, and only what is open to it."""
    for assignment in command.assignments:
        if not HARMLESS_VARIABLE.fullmatch(assignment) or ".." in assignment:
            raise DoubtError("shell.variable", f"It sets a variable for a command: {assignment.split('=', 1)[0]}.")
    name = _plain_name(command)
    if name == "cd":
        return _check_cd(command, folders)
    if name in VERSIONS and [word.text for word in command.words[1:]] in (["--version"], ["-V"]):
        return None
    if name == "command" and [word.text for word in command.words[1:2]] == ["-v"]:
        return None
    if inner := programs.wrapped(name, command):
        return check_command(inner, folders)
    if name in programs.CHECKS:
        return programs.CHECKS[name](command, folders, check_command)
    return _check_listed(name, command, folders)


def check_redirect(redirect: Redirect, folders: Folders = ("",)) -> None:
    """Raises DoubtError unless it reads a file in bounds, throws output away or joins two streams."""
    target = redirect.target.text
    if target is None:
        raise DoubtError("shell.redirect", "It redirects to a file whose name is known only when it runs.")
    if redirect.operator == "<":
        return check_path(redirect.target, folders)
    joins = redirect.operator in (">&", "<&") and TO_DESCRIPTOR.fullmatch(target)
    if not joins and (target != "/dev/null" or redirect.target.raw != target):
        raise DoubtError("shell.redirect", f"It writes to the file {quote(target)}.")


def _plain_name(command: Command) -> str:
    """The name, if it is found by PATH or in the system's folders: a program elsewhere may be anything."""
    first = command.words[0] if command.words else None
    if first is None or first.text is None or first.pattern or first.home:
        return ""
    folder = first.text.removesuffix(command.name)
    return command.name if not folder or folder in PROGRAM_FOLDERS else ""


def _check_cd(command: Command, folders: Folders) -> None:
    if len(command.words) != 2 or (command.words[1].text or "-").startswith("-"):
        raise DoubtError("shell.folder", "Where cd leads can't be known.")
    check_folder(command.words[1], folders)


def _check_listed(name: str, command: Command, folders: Folders) -> None:
    """By the tables: a plain program, or a program of many commands."""
    spec, key, words = READ_ONLY.get(name) or FLAT.get(name), name, command.words[1:]
    if name in WITH_VERB:
        spec = WITH_VERB[name]
    elif name in PROGRAMS:
        spec, key, words = _subcommand(name, words, folders)
    if spec is None:
        shown = quote(key if key != name else command.name or (command.words[0].raw if command.words else ""))
        raise DoubtError("shell.unlisted", f"{shown} is not on the list of commands that only read.")
    if name == "read" and not re.fullmatch(r"read( -r)?( [a-z][a-z0-9_]*)+", command.source):
        raise DoubtError("shell.variable", "It reads into a variable that can't be known.")
    parts = _parts(key, words, spec)
    if name in WITH_VERB and parts.rest and parts.rest[0].text not in VERBS[name]:
        raise DoubtError("shell.unlisted", f"{name} {quote(parts.rest[0].raw)} is not known to read only.")
    programs.check_words(key, words)
    _check_parts(key, spec, parts, folders)


def _subcommand(name: str, words: tuple[Word, ...], folders: Folders) -> tuple[Spec | None, str, tuple[Word, ...]]:
    """The spec of `git log`, `npm config get`; options before the command must be of the harmless ones."""
    words = programs.without_globals(name, words, folders)
    for depth in (2, 1):
        key = " ".join([name, *(word.text or "?" for word in words[:depth])])
        if len(words) >= depth and key in SUBCOMMANDS:
            return SUBCOMMANDS[key], key, words[depth:]
    return None, " ".join([name, *(word.text or word.raw for word in words[:1])]), words


@dataclass(frozen=True, kw_only=True)
class _Parts:
    """A command's words, sorted: names of its options, their values where these are words of their own, the rest."""

    options: frozenset[str]
    values: tuple[Word, ...]
    rest: tuple[Word, ...]


def _parts(name: str, given: tuple[Word, ...], spec: Spec) -> _Parts:
    """Raises DoubtError at an option that isn't known. GNU programs take options after other words too."""
    options: list[str] = []
    values: list[Word] = []
    rest: list[Word] = []
    words = iter(given)
    for word in words:
        text = word.text
        if spec.all_data:
            rest.append(word)
        elif text is None:
            _check_unknown(name if rest or name == "ps" else "", word)
            rest.append(Word(raw=word.raw, text="1"))
        elif text == "--":
            rest += words
        elif not text.startswith("-") or text == "-":
            rest.append(word)
        else:
            found, wants_value = _options(name, text, spec)
            options += found
            values += [_value(name, next(words, word))] if wants_value else []
    return _Parts(options=frozenset(options), values=tuple(values), rest=tuple(rest))


def _value(name: str, word: Word) -> Word:
    """An option's value that isn't known may be any one word; of ps, which only ever reads, any number of them."""
    if word.text is None and not word.whole:
        _check_unknown(name, word)
    return word


def _check_unknown(name: str, word: Word) -> None:
    if name == "printf" and word.whole:
        return
    if name != "ps" or not re.match(r"\$\((id -u|pgrep|pidof) ?[^()$`]*\)$", word.raw):
        raise DoubtError("shell.unknown_word", f"What {quote(word.raw)} stands for is known only when it runs.")


def _options(name: str, text: str, spec: Spec) -> tuple[list[str], bool]:
    """The options in one word, and whether the next word is the last one's value."""
    if text.startswith("--"):
        option, has_value, _ = text[2:].partition("=")
        if option not in spec.long | spec.long_values:
            raise DoubtError("shell.option", f"The option {quote(text)} of {name} is not known to be harmless.")
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
    parts = _parts(command.name, command.words[1:], spec)
    if any(word.pattern for word in command.words):
        return False
    if spec.rest is Rest.PATTERN_THEN_PATHS:
        pattern_given = not PATTERN_OPTIONS.isdisjoint(parts.options)
        return RECURSION.isdisjoint(parts.options) and len(parts.rest) <= (0 if pattern_given else 1)
    if command.name == "df":
        return True
    return spec.rest in (Rest.NOTHING, Rest.DATA) or (not parts.rest and command.name not in LISTS_THE_FOLDER)


def _check_parts(name: str, spec: Spec, parts: _Parts, folders: Folders) -> None:
    rest = parts.rest
    if rest and spec.rest is Rest.NOTHING and LISTING.get(name, frozenset()).isdisjoint(parts.options):
        raise DoubtError("shell.argument", f"{name} with {quote(rest[0].raw)} may change something.")
    if len(rest) > 1 and spec.rest is Rest.ONE_PATH:
        raise DoubtError("shell.argument", f"{name} writes into the second file that it is given.")
    if any(
        word.pattern for word in (*parts.values, *(() if spec.patterns and spec.rest is not Rest.ONE_PATH else rest))
    ):
        raise DoubtError("shell.pattern", f"A pattern given to {name} may stand for an option.")
    for word in rest:
        if not spec.rest_fits(word.text or ""):
            raise DoubtError("shell.argument", f"{name} with {quote(word.raw)} may do more than read.")
    below = name in ("grep", "egrep", "fgrep", "diff", "rg") and (name == "rg" or bool(RECURSION & parts.options))
    paths = _paths(spec, parts)
    for word in rest:
        if word.pattern or (word.text != "-" and word in paths):
            check_path(word, folders, below=below, contents=not spec.names_only)
    if below and not paths:
        check_path(Word(raw=".", text="."), folders, below=True)


def _paths(spec: Spec, parts: _Parts) -> tuple[Word, ...]:
    if spec.rest is Rest.PATTERN_THEN_PATHS and PATTERN_OPTIONS.isdisjoint(parts.options):
        return parts.rest[1:]
    return () if spec.rest in (Rest.DATA, Rest.NOTHING) else parts.rest
