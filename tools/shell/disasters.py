"""Command lines that are never run, not even when a person says yes: they destroy the machine or reach for secrets.

A short list, on parsed commands: what hides from it is asked about, never allowed.
"""

import posixpath
import re
from collections.abc import Iterator

from django.conf import settings

from tools import paths
from tools.names import names
from tools.paths import Zone
from tools.shell import parser
from tools.shell.parser import Command, Function, Redirect, Script
from tools.shell.words import Word

SYSTEM_ROOTS = frozenset(
    names("/ /bin /boot /dev /etc /home /lib /lib64 /opt /proc /root /run /sbin /srv /sys /usr /usr/bin /usr/lib /var")
)
HOMES = frozenset(["~", "$HOME", "${HOME}", '"$HOME"', '"${HOME}"'])
# Commands that run the command among their words.
WRAPPERS = frozenset(
    names(
        "sudo doas env nohup nice ionice time timeout stdbuf xargs setsid exec command builtin busybox chroot flock "
        "unshare watch strace parallel caffeinate then do else su runuser pkexec chrt taskset script nsenter"
    )
)
SHELLS = frozenset(names("sh bash dash zsh ksh ash rbash fish"))
DISK = re.compile(r"/dev/(sd|hd|vd|xvd|nvme|mmcblk|md|dm-|loop|mapper/|disk/)")
POWER = frozenset(names("shutdown reboot halt poweroff telinit"))
POWER_VERBS = frozenset(
    names("poweroff reboot halt kexec soft-reboot emergency rescue rescue.target emergency.target poweroff.target")
)
FORMATTERS = re.compile(r"mkfs(\..+)?|mke2fs|mkswap|wipefs|blkdiscard|fdisk|sfdisk|cfdisk|parted|sgdisk")
DATA_COMMANDS = frozenset(["echo", "printf"])
# Commands among whose words there may be a whole command line.
RUNNERS = SHELLS | frozenset(names("alias trap watch su runuser ssh script parallel xargs tmux screen at batch"))
# rm, mv and the like: what they are told to change is the product's own code.
CHANGERS = frozenset(names("rm mv cp tee dd truncate chmod chown ln install touch shred patch unlink rmdir rsync"))
COPIERS = frozenset(names("cp rsync ln install"))  # these write where their last word says
FIRST_BRACES = re.compile(r"(^|[\s;|&(])\{([^\s{}'\"]*,[^\s{}'\"]*)\}")
PREFIXES = re.compile(r"^(@|file://|unix://|[A-Za-z_][\w-]*=@?|--?[\w-]+=@?)")
Folders = tuple[str | None, ...]
MAX_DEPTH = 8


class DisasterError(Exception):
    """Why it is never run: a sentence, and the rule's id."""

    def __init__(self, rule: str, reason: str) -> None:
        super().__init__(reason)
        self.rule, self.reason = rule, reason


def _refuse(rule: str, reason: str) -> None:
    """Raises DisasterError; if the owner's setting wants a question instead, goes on: the rest is still looked at."""
    if rule not in settings.TOOL_DENY_OVERRIDES:
        raise DisasterError(rule, reason)


def every_command(script: Script, *, depth: int = 0) -> Iterator[Command]:
    """All the commands, also those that run in others and those in the words of `sh -c` and its like."""
    for command in script.commands:
        yield from _variants(command)
        for text in _inner_scripts(command) if depth < MAX_DEPTH else ():
            yield from every_command(parser.parse(text), depth=depth + 1)


def check_line(command: str, script: Script) -> None:
    """Raises DisasterError when `command`, of which `script` was made, is or hides one of the list."""
    check_script(script)
    spread = FIRST_BRACES.sub(lambda match: match[1] + match[2].replace(",", " "), command)
    if spread != command:  # the grammar can't read {rm,-rf,/}
        check_script(parser.parse(spread))


def check_script(script: Script, *, depth: int = 0, above: Folders = ("",)) -> None:
    """Raises DisasterError when any of the commands, however deeply nested, is on the list."""
    folders = script.folders if script.folders != ("",) else above
    for function in script.functions:
        _check_function(function)
    for redirect in script.redirects:
        _check_redirect(redirect, folders)
    for command in script.commands:
        for variant in _variants(command):
            _check_command(variant, folders)
        for text in _inner_scripts(command) if depth < MAX_DEPTH else ():
            check_script(parser.parse(text), depth=depth + 1, above=folders)
    if depth < MAX_DEPTH and any(variant.name in RUNNERS for each in script.commands for variant in _variants(each)):
        for text in _fed(script):
            check_script(parser.parse(text), depth=depth + 1, above=folders)
    _check_xargs(script)


def _variants(command: Command) -> Iterator[Command]:
    """The command, and what it may run when it is a wrapper such as sudo: each tail of its words."""
    yield command
    if command.name in WRAPPERS or command.name == "find":
        for at in range(1, len(command.words)):
            yield command.tail(at)


def _inner_scripts(command: Command) -> Iterator[str]:
    for variant in _variants(command):
        if variant.name == "eval":
            yield " ".join(variant.texts)
        elif variant.name in RUNNERS:
            yield from (text.partition("=")[2] if variant.name == "alias" else text for text in variant.texts)


def _fed(script: Script) -> Iterator[str]:
    """What a shell among the commands may get to read: here-documents, and what is written for it."""
    for text in script.inputs:
        yield text.removeprefix("<<<").strip().strip("'\"")
    for command in script.commands:
        if command.name in DATA_COMMANDS:
            yield " ".join(command.texts)


def _check_xargs(script: Script) -> None:
    """`echo / | xargs rm -rf`: the words come from elsewhere in the line."""
    deleting = any(
        variant.name == "rm" and any(re.match(r"-[a-zA-Z]*[rR]|--recursive", text) for text in variant.texts)
        for command in script.commands
        if command.name == "xargs"
        for variant in _variants(command)
    )
    if deleting and any(_is_root(word, ("",)) for command in script.commands for word in command.words[1:]):
        _refuse("deny.delete_root", "It would delete a whole system folder or home.")


def _check_command(command: Command, folders: Folders) -> None:
    name, arguments = command.name, command.texts
    if name in POWER or (name == "init" and {"0", "6"} & {*arguments}):
        _refuse("deny.power", f"{name} would turn this machine off.")
    if name == "systemctl" and POWER_VERBS & {*arguments}:
        _refuse("deny.power", "It would turn this machine off.")
    if FORMATTERS.fullmatch(name):
        _refuse("deny.disk", f"{name} overwrites a disk.")
    if name in ("dd", "shred", "tee", "cp", "cat") and any(
        DISK.match(_value(text)) for text in _written(name, arguments)
    ):
        _refuse("deny.disk", f"{name} would overwrite a disk.")
    if name == "kill" and "-1" in arguments[1:]:
        _refuse("deny.kill_all", "It would end every process of this user.")
    _check_wide_change(command, folders)
    _check_protected(command, folders)


def _written(name: str, arguments: tuple[str, ...]) -> tuple[str, ...]:
    if name == "dd":
        return tuple(text for text in arguments if text.startswith("of="))
    return arguments[-1:] if name == "cp" else () if name == "cat" else arguments


def _value(text: str) -> str:
    return text.removeprefix("of=")


def _check_wide_change(command: Command, folders: Folders) -> None:
    """rm, chmod and the like on a whole tree that the system or the owner's home stands on."""
    name, arguments = command.name, command.texts
    roots = [word for word in command.words[1:] if _is_root(word, folders)]
    recursive = any(re.fullmatch(r"-[a-zA-Z]*[rR][a-zA-Z]*|--recursive", text) for text in arguments)
    if name == "rm" and ("--no-preserve-root" in arguments or (roots and recursive)):
        _refuse("deny.delete_root", "It would delete a whole system folder or home.")
    if name in ("chmod", "chown", "chgrp") and roots and recursive:
        _refuse("deny.permissions_root", "It would change the permissions of a whole system folder or home.")
    if name == "mv" and roots and roots != [command.words[-1]]:
        _refuse("deny.delete_root", "It would move a whole system folder or home away.")
    if name == "find" and roots and {"-delete", "rm", "shred", "unlink"} & {*arguments}:
        _refuse("deny.delete_root", "It would delete a whole system folder or home.")


def _is_root(word: Word, folders: Folders) -> bool:
    return any(_is_root_text(text, folders) for text in {word.raw, word.text or word.raw})


def _is_root_text(text: str, folders: Folders) -> bool:
    bare = text.strip("\"'")
    bare = re.sub(r"/(\*|\.\*|\{.*\})?$", "", bare) or "/"
    if bare in HOMES:
        return True
    if not bare.startswith("/"):  # after cd /: *, ., usr
        local = "." if bare in ("*", ".*") else bare
        placed = [posixpath.join(folder, local) for folder in folders if folder and folder.startswith("/")]
        return any(posixpath.normpath("/" + each.lstrip("/")) in SYSTEM_ROOTS for each in placed)
    return posixpath.normpath("/" + bare.lstrip("/")) in SYSTEM_ROOTS


def _check_protected(command: Command, folders: Folders) -> None:
    """A word that names a protected path, whatever the command does with it; not where words are mere text."""
    if command.name in DATA_COMMANDS:
        return
    words = command.words[1:]
    if command.name in ("grep", "egrep", "fgrep"):  # the pattern is text
        words = tuple(word for word in words if not word.raw.startswith("-"))[1:]
    for word in words:
        _check_word(word, folders)
        written = command.name not in COPIERS or word is words[-1]
        if command.name in CHANGERS and written and paths.is_code(word.text or "."):
            _refuse("path.code", f"“{(word.text or '')[:80]}” belongs to this service's own code.")


def _check_word(word: Word, folders: Folders) -> None:
    text = word.raw if word.text is None else word.text
    for part in {text, text.partition("=")[2], text.rpartition(":")[2], PREFIXES.sub("", text)}:
        plausible = "/" in part or part.startswith((".", "~")) or paths.looks_secret(part) or folders != ("",)
        if part and len(part) < 1000 and "\0" not in part and plausible and " " not in part:
            _check_path(part, folders)


def _check_path(path: str, folders: Folders) -> None:
    if any(paths.zone_of(path, base=folder or "") is Zone.PROTECTED for folder in folders):
        _refuse("path.protected", f"“{path[:80]}” holds secrets or belongs to this service itself.")


def _check_redirect(redirect: Redirect, folders: Folders) -> None:
    target = redirect.target.text
    if target is None:
        return
    if redirect.operator != "<" and DISK.match(target):
        _refuse("deny.disk", f"It would overwrite the disk {target}.")
    if "\0" not in target:
        _check_path(target, folders)
        if redirect.operator not in ("<", ">&", "<&") and paths.is_code(target):
            _refuse("path.code", f"“{target[:80]}” belongs to this service's own code.")


def _check_function(function: Function) -> None:
    calls_itself = sum(1 for command in function.body if command.name == function.name)
    if calls_itself > 1 or (calls_itself and function.in_background):
        _refuse("deny.fork_bomb", "It starts itself again and again until the machine stands still.")
