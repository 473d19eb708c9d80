"""The gate's own rules by their ids, each seeded as a row: the owner may make it stricter, or looser where it is safe.

A rule that denies is made looser by no row: only the setting TOOL_DENY_OVERRIDES turns it into a question.
"""

from dataclasses import dataclass

from tools.models import Decision
from tools.names import names


@dataclass(frozen=True, kw_only=True)
class Builtin:
    """`looser`: whether the owner may have it allowed without asking."""

    decision: Decision
    title: str
    looser: bool = False


ALLOW, ASK, DENY = Decision.ALLOW, Decision.ASK, Decision.DENY

BUILTIN: dict[str, Builtin] = {
    "shell.read_only": Builtin(decision=ALLOW, title="Commands that only read, inside of bounds"),
    "file.read": Builtin(decision=ALLOW, title="Reading files inside of bounds"),
    "tool.read": Builtin(decision=ALLOW, title="Tools of the agent itself that only read"),
    "file.change": Builtin(decision=ASK, title="Changing files in the workspace", looser=True),
    "path.outside": Builtin(decision=ASK, title="Files outside of the workspace"),
    "http.read": Builtin(decision=ASK, title="Reading from public hosts (GET, HEAD)", looser=True),
    "http.send": Builtin(decision=ASK, title="Sending to public hosts"),
    "tool.write": Builtin(decision=ASK, title="Tools that change something"),
    "tool.unlisted": Builtin(decision=ASK, title="Tools that nobody knows"),
    "shell.unlisted": Builtin(decision=ASK, title="Commands that are on no list"),
    "shell.option": Builtin(decision=ASK, title="Options that are on no list"),
    "shell.argument": Builtin(decision=ASK, title="Words that may do more than read"),
    "shell.program": Builtin(decision=ASK, title="awk, sed and jq programs that may do more than filter"),
    "shell.redirect": Builtin(decision=ASK, title="Writing to files by redirection"),
    "shell.construct": Builtin(decision=ASK, title="Constructs of the shell that aren't judged"),
    "shell.unknown_word": Builtin(decision=ASK, title="Words that are known only when they run"),
    "shell.variable": Builtin(decision=ASK, title="Variables set for a command"),
    "shell.pattern": Builtin(decision=ASK, title="Patterns that may stand for an option"),
    "shell.folder": Builtin(decision=ASK, title="Folders that can't be known"),
    "shell.endless": Builtin(decision=ASK, title="Commands that never end by themselves"),
    "shell.syntax": Builtin(decision=ASK, title="Lines that can't be read with certainty"),
    "shell.empty": Builtin(decision=ASK, title="Lines without a command"),
    "path.secrets_below": Builtin(decision=ASK, title="Searching folders with keys or passwords in them"),
    "path.secret_pattern": Builtin(decision=ASK, title="Patterns that fit keys or passwords"),
    "taint": Builtin(decision=ASK, title="Acting after outside text was read"),
    "sandbox.missing": Builtin(decision=ASK, title="Anything at all, without bubblewrap"),
    "gate.error": Builtin(decision=ASK, title="Calls that could not be judged"),
    "path.protected": Builtin(decision=DENY, title="Keys, passwords, and this service's own data"),
    "path.code": Builtin(decision=DENY, title="Changing this service's own code"),
    "http.private": Builtin(decision=DENY, title="Addresses of this machine and its own network"),
    "http.url": Builtin(decision=DENY, title="What is no web address"),
    "shell.too_long": Builtin(decision=DENY, title="Lines of more than 20,000 characters"),
    "deny.delete_root": Builtin(decision=DENY, title="Deleting system folders or homes"),
    "deny.permissions_root": Builtin(decision=DENY, title="Changing the permissions of system folders or homes"),
    "deny.disk": Builtin(decision=DENY, title="Overwriting disks"),
    "deny.power": Builtin(decision=DENY, title="Turning this machine off"),
    "deny.kill_all": Builtin(decision=DENY, title="Ending every process"),
    "deny.fork_bomb": Builtin(decision=DENY, title="Fork bombs"),
}
# An owner's allow does not lift these: what the call does isn't known, or the reason isn't about the call.
NOT_LIFTED = frozenset(
    names(
        "taint sandbox.missing gate.error tool.unlisted shell.syntax shell.construct shell.empty shell.unknown_word "
        "shell.folder path.secrets_below path.secret_pattern"
    )
)
STRICTNESS = {Decision.ALLOW: 0, Decision.ASK: 1, Decision.DENY: 2}
