"""What a rule must be like to work, told in words."""

import re

from django.core.exceptions import ValidationError

from tools import paths
from tools.catalogue import BUILTIN, STRICTNESS
from tools.models import Decision, Match, Scope, ToolRule
from tools.names import names
from tools.paths import Zone

HOST = re.compile(r"(?:(?P<methods>[A-Z]+(?:,[A-Z]+)*) )?(?P<host>(?:\*\.)?[a-z0-9-]+(?:\.[a-z0-9-]+)+)")
# Allowing one of these with any words would allow everything.
RUNS_ANYTHING = frozenset(
    names(
        "sh bash dash zsh ksh fish env sudo doas su xargs eval exec python python3 perl ruby node php lua ssh nc socat "
        "docker kubectl find awk gawk mawk sed tar vim vi less man tee dd crontab at systemd-run nsenter chroot "
        "timeout nice nohup setsid watch script parallel busybox make npx command builtin source . time"
    )
)


def check_rule(rule: ToolRule) -> None:
    """Raises ValidationError with a sentence; a page need not show the field that it is about."""
    if rule.match not in Match.values or rule.decision not in Decision.values or rule.scope not in Scope.values:
        return  # the form says so itself
    if rule.scope == Scope.EVERYWHERE:
        rule.scope_ref = ""
    elif not re.fullmatch(rf"{rule.scope}:\d+", rule.scope_ref):
        raise ValidationError(f"Say which {rule.scope} is meant: {rule.scope}:12 for instance.")
    if rule.max_uses is not None and rule.max_uses < rule.uses:
        raise ValidationError(f"It has been used {rule.uses} times already.")
    _CHECKS[Match(rule.match)](rule)


def _check_builtin(rule: ToolRule) -> None:
    builtin = BUILTIN.get(rule.pattern)
    if builtin is None:
        raise ValidationError("There is no rule of the gate with this id.")
    looser = STRICTNESS[Decision(rule.decision)] < STRICTNESS[builtin.decision]
    if looser and not (builtin.looser and rule.decision == Decision.ALLOW):
        raise ValidationError(f"“{builtin.title}” can only be made stricter than {builtin.decision}.")


def _check_program(rule: ToolRule) -> None:
    words = rule.pattern.split()
    if rule.tool != "shell" or not words:
        raise ValidationError("Name a program and its words, and “shell” as the tool.")
    if words[0].startswith(("*", "…")) or "/" in words[0]:
        raise ValidationError("Name the program itself, without its folder.")
    if "…" in rule.pattern and (words[-1] != "…" or rule.pattern.count("…") > 1):
        raise ValidationError("… can only be the last word.")
    open_ended = any("*" in word or "…" in word for word in words)
    if rule.decision == Decision.ALLOW and words[0] in RUNS_ANYTHING and open_ended:
        raise ValidationError(f"{words[0]} can run anything: write out all of its words.")


def _check_arguments(rule: ToolRule) -> None:
    if not isinstance(rule.arguments, dict) or "*" in rule.tool:
        raise ValidationError("Give the tool's name and all arguments as an object.")


def _check_path(rule: ToolRule) -> None:
    if not rule.pattern:
        raise ValidationError("Name a folder or a file.")
    if rule.decision == Decision.ALLOW and paths.zone_of(rule.pattern) is Zone.PROTECTED:
        raise ValidationError("Keys, passwords and this service's own data are never allowed.")
    if rule.decision == Decision.ALLOW and str(paths.real_path(rule.pattern)) == "/":
        raise ValidationError("Name a folder below /.")


def _check_host(rule: ToolRule) -> None:
    match = HOST.fullmatch(rule.pattern)
    if match is None:
        raise ValidationError("Name a host such as example.com, *.example.com or POST api.example.com.")
    if rule.decision == Decision.ALLOW and match["host"].startswith("*.") and match["host"].count(".") < 2:
        raise ValidationError("A whole top level of the network is too much: name a host.")


def _check_tool(rule: ToolRule) -> None:
    if rule.decision == Decision.ALLOW and (rule.tool in ("shell", "http_request") or "*" in rule.tool):
        raise ValidationError("To allow every call of it is too much: name a program, a path or a host.")


_CHECKS = {
    Match.BUILTIN: _check_builtin,
    Match.PROGRAM: _check_program,
    Match.ARGUMENTS: _check_arguments,
    Match.PATH: _check_path,
    Match.HOST: _check_host,
    Match.TOOL: _check_tool,
}
