"""Which of the owner's rules speak of a call."""

import fnmatch
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from tools import levels, paths
from tools.base import ToolCall
from tools.judges import SAFE_METHODS, read_script
from tools.models import Decision, Match, ToolRule
from tools.rule_checks import HOST
from tools.shell import disasters, parser, programs, reading
from tools.shell.bounds import DoubtError
from tools.shell.parser import Command
from tools.shell.subcommands import PROGRAMS
from tools.verdicts import Context, Verdict

MORE = "…"
# As ToolRule.in_force; written out, because the ORM takes longer to say it than the database to answer, at every call.
IN_FORCE = """
    SELECT * FROM tools_toolrule
    WHERE active AND (match <> 'builtin' OR (pattern = %s AND decision <> %s)) AND scope_ref = ANY(%s)
        AND (expires_at IS NULL OR expires_at > statement_timestamp()) AND (max_uses IS NULL OR uses < max_uses)
    ORDER BY id
"""


def rules_for(call: ToolCall, verdict: Verdict, context: Context) -> list[ToolRule]:
    """The rules in force for this tool and place, and the row of the gate's rule that gave `verdict`.

    One query, so that a change holds at once.
    """
    params = [verdict.rule, str(verdict.decision), list(context.refs)]
    rules = ToolRule.objects.raw(IN_FORCE, params)
    return [rule for rule in rules if rule.match == Match.BUILTIN or fnmatch.fnmatchcase(call.name, rule.tool)]


def strictest(rules: Iterable[ToolRule], call: ToolCall) -> ToolRule | None:
    """The rule that makes the call stricter: one that denies before one that asks."""
    for decision in (Decision.DENY, Decision.ASK):
        for rule in rules:
            if rule.decision == decision and rule.match != Match.BUILTIN and _touches(rule, call):
                return rule
    return None


def lifting(rules: Iterable[ToolRule], call: ToolCall) -> tuple[ToolRule, ...]:
    """The rules that together allow all of the call; none where something is left to ask about."""
    allowing = [rule for rule in rules if rule.decision == Decision.ALLOW and rule.match != Match.BUILTIN]
    whole = next((rule for rule in allowing if _covers(rule, call)), None)
    if whole is not None:
        return (whole,)
    if call.name != "shell" or not keeps_its_level(call):
        return ()
    return _lifting_script(allowing, str(call.arguments.get("command", "")))


def keeps_its_level(call: ToolCall) -> bool:
    """Whether a command runs where it would by itself: a rule about a program lifts no call into another level."""
    asked = str(call.arguments.get("level") or "")
    command = {"command": call.arguments.get("command", "")}
    return not asked or asked == levels.level_of(command, approved=True)


def _touches(rule: ToolRule, call: ToolCall) -> bool:
    """Whether any part of the call is what a stricter rule means; in doubt it is."""
    if rule.match == Match.PROGRAM:
        return any(_has_words(rule, command) for command in _commands(call))
    if rule.match == Match.PATH:
        return any(_lies_in(path, folder, rule.pattern) for path, folder in _paths(call))
    if rule.match == Match.HOST:
        return any(_is_host(rule, "", host) for host in _hosts(call))
    return rule.match == Match.TOOL or (rule.match == Match.ARGUMENTS and rule.arguments == call.arguments)


def _covers(rule: ToolRule, call: ToolCall) -> bool:
    """Whether an allowing rule means the whole of a call."""
    if rule.match == Match.PATH:
        return call.name.startswith("file_") and _lies_in(str(call.arguments.get("path") or "."), "", rule.pattern)
    if rule.match == Match.HOST and call.name == "http_request":
        method = str(call.arguments.get("method", "GET")).upper()
        return any(_is_host(rule, method, host) for host in _hosts(call))
    return rule.match == Match.TOOL or (rule.match == Match.ARGUMENTS and rule.arguments == call.arguments)


def _lifting_script(allowing: list[ToolRule], line: str) -> tuple[ToolRule, ...]:
    """Every command must only read, or be of the shape that a rule allows; every redirection must only read."""
    programs = [rule for rule in allowing if rule.match == Match.PROGRAM]
    script, trouble = read_script(line)
    if trouble or not programs or None in script.folders:
        return ()
    used: list[ToolRule] = []
    try:
        for redirect in script.redirects:
            reading.check_redirect(redirect, script.folders)
    except DoubtError:
        return ()
    for command in script.commands:
        try:
            reading.check_command(command, script.folders)
            if command.name in PROGRAMS:  # here it would not run at level read, and might start what a repository names
                return ()
        except DoubtError:
            rule = next((each for each in programs if _has_shape(each, command)), None)
            if rule is None:
                return ()
            used.append(rule)
    return tuple({rule.pk: rule for rule in used}.values())


def _has_shape(rule: ToolRule, command: Command) -> bool:
    """Whether all words of a command are known and are those of the pattern, one by one, up to the …."""
    inner = programs.wrapped(command.name, command)
    if inner is not None:
        return _has_shape(rule, inner)
    if command.assignments or any(word.text is None or word.pattern or word.home for word in command.words):
        return False
    words = [word.text or "" for word in command.words]
    pattern = rule.pattern.split()
    if pattern[-1] == MORE:
        pattern, words = pattern[:-1], words[: len(pattern) - 1]
    return len(words) == len(pattern) and all(map(fnmatch.fnmatchcase, words, pattern))


def _has_words(rule: ToolRule, command: Command) -> bool:
    """Whether a command has the pattern's words, in order, whatever stands between them."""
    program, *pattern = [word for word in rule.pattern.split() if word != MORE]
    if not fnmatch.fnmatchcase(command.name, program):
        return False
    texts = iter(command.texts)
    return all(any(fnmatch.fnmatchcase(text, each) for text in texts) for each in pattern)


def _commands(call: ToolCall) -> Iterator[Command]:
    if call.name == "shell":
        yield from disasters.every_command(parser.parse(str(call.arguments.get("command", ""))))


def _paths(call: ToolCall) -> Iterator[tuple[str, str]]:
    """Paths with the folder that each counts from."""
    if call.name.startswith("file_"):
        yield str(call.arguments.get("path") or "."), ""
    elif call.name == "shell":
        script = parser.parse(str(call.arguments.get("command", "")), home=str(paths.workspace()))
        words = [text for command in script.commands for text in command.texts]
        words += [redirect.target.text or redirect.target.raw for redirect in script.redirects]
        yield from ((word, folder or "") for word in words if "\0" not in word for folder in script.folders)


def _lies_in(path: str, base: str, folder: str) -> bool:
    real, within = str(paths.real_path(path, base=base)), str(paths.real_path(folder))
    return real == within or real.startswith(within.rstrip("/") + "/")


def _hosts(call: ToolCall) -> Iterator[str]:
    texts = [str(call.arguments.get("url", ""))] if call.name == "http_request" else []
    texts += [text for command in _commands(call) for text in command.texts if "://" in text]
    for text in texts:
        try:
            host = urlsplit(text).hostname
        except ValueError:
            continue
        if host:
            yield host.rstrip(".").lower()


def _is_host(rule: ToolRule, method: str, host: str) -> bool:
    """`method` empty: whatever it is."""
    match = HOST.fullmatch(rule.pattern)
    if match is None:
        return False
    methods = match["methods"].split(",") if match["methods"] else SAFE_METHODS
    wanted = match["host"]
    fits = host.endswith(wanted[1:]) if wanted.startswith("*.") else host == wanted
    return fits and (not method or method in methods)
