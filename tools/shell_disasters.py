"""Command lines that are never run, not even when a person says yes: they destroy the machine or reach for secrets.

A short list, on parsed commands: what hides from it is asked about, never allowed.
"""

import posixpath
import re
from collections.abc import Iterator

from tools import paths, shell_parser
from tools.names import names
from tools.paths import Zone
from tools.shell_parser import Command, Function, Redirect, Script
from tools.shell_words import Word

SYSTEM_ROOTS = frozenset(
    names("/ /bin /boot /dev /etc /home /lib /lib64 /opt /proc /root /run /sbin /srv /sys /usr /usr/bin /usr/lib /var")
)
HOMES = frozenset(["~", "$HOME", "${HOME}", '"$HOME"', '"${HOME}"'])
# Commands that run the command among their words.
WRAPPERS = frozenset(
    names(
        "sudo doas env nohup nice ionice time timeout stdbuf xargs setsid exec command builtin busybox chroot flock "
        "unshare watch strace parallel caffeinate then do else"
    )
)
SHELLS = frozenset(names("sh bash dash zsh ksh ash rbash fish"))
DISK = re.compile(r"/dev/(sd|hd|vd|xvd|nvme|mmcblk|md|dm-|loop|mapper/|disk/)")
POWER = frozenset(names("shutdown reboot halt poweroff telinit"))
POWER_VERBS = frozenset(names("poweroff reboot halt kexec soft-reboot emergency rescue"))
FORMATTERS = re.compile(r"mkfs(\..+)?|mke2fs|mkswap|wipefs|blkdiscard|fdisk|sfdisk|cfdisk|parted|sgdisk")
DATA_COMMANDS = frozenset(["echo", "printf"])
MAX_DEPTH = 8


class DisasterError(Exception):
    """Why it is never run: a sentence, and the rule's id."""

    def __init__(self, rule: str, reason: str) -> None:
        super().__init__(reason)
        self.rule, self.reason = rule, reason


def check_script(script: Script, *, depth: int = 0) -> None:
    """Raises DisasterError when any of the commands, however deeply nested, is on the list."""
    for function in script.functions:
        _check_function(function)
    for redirect in script.redirects:
        _check_redirect(redirect)
    for command in script.commands:
        for variant in _variants(command):
            _check_command(variant)
        for text in _inner_scripts(command) if depth < MAX_DEPTH else ():
            check_script(shell_parser.parse(text), depth=depth + 1)


def _variants(command: Command) -> Iterator[Command]:
    """The command, and what it may run when it is a wrapper such as sudo: each tail of its words."""
    yield command
    if command.name in WRAPPERS or command.name == "find":
        for at in range(1, len(command.words)):
            yield Command(words=command.words[at:])


def _inner_scripts(command: Command) -> Iterator[str]:
    for variant in _variants(command):
        if variant.name == "eval":
            yield " ".join(variant.texts)
        elif variant.name in SHELLS and any(re.fullmatch(r"-[a-z]*c[a-z]*", text) for text in variant.texts):
            yield from (text for text in variant.texts if not text.startswith("-"))


def _check_command(command: Command) -> None:
    name, arguments = command.name, command.texts
    if name in POWER or (name == "init" and {"0", "6"} & {*arguments}):
        raise DisasterError("deny.power", f"{name} would turn this machine off.")
    if name == "systemctl" and POWER_VERBS & {*arguments}:
        raise DisasterError("deny.power", "It would turn this machine off.")
    if FORMATTERS.fullmatch(name):
        raise DisasterError("deny.disk", f"{name} overwrites a disk.")
    if name in ("dd", "shred", "tee", "cp", "cat") and any(
        DISK.match(_value(text)) for text in _written(name, arguments)
    ):
        raise DisasterError("deny.disk", f"{name} would overwrite a disk.")
    if name == "kill" and "-1" in arguments[1:]:
        raise DisasterError("deny.kill_all", "It would end every process of this user.")
    _check_wide_change(name, arguments)
    _check_protected(command)


def _written(name: str, arguments: tuple[str, ...]) -> tuple[str, ...]:
    if name == "dd":
        return tuple(text for text in arguments if text.startswith("of="))
    return arguments[-1:] if name == "cp" else () if name == "cat" else arguments


def _value(text: str) -> str:
    return text.removeprefix("of=")


def _check_wide_change(name: str, arguments: tuple[str, ...]) -> None:
    """rm, chmod and the like on a whole tree that the system or the owner's home stands on."""
    roots = [text for text in arguments if _is_root(text)]
    recursive = any(re.fullmatch(r"-[a-zA-Z]*[rR][a-zA-Z]*|--recursive", text) for text in arguments)
    if name == "rm" and ("--no-preserve-root" in arguments or (roots and recursive)):
        raise DisasterError("deny.delete_root", "It would delete a whole system folder or home.")
    if name in ("chmod", "chown", "chgrp") and roots and recursive:
        raise DisasterError(
            "deny.permissions_root", "It would change the permissions of a whole system folder or home."
        )
    if name == "mv" and any(_is_root(text) for text in arguments[:-1]):
        raise DisasterError("deny.delete_root", "It would move a whole system folder or home away.")
    if name == "find" and roots and ("-delete" in arguments or {"rm", "shred"} & {*arguments}):
        raise DisasterError("deny.delete_root", "It would delete a whole system folder or home.")


def _is_root(text: str) -> bool:
    bare = text.strip("\"'")
    bare = re.sub(r"/(\*|\.\*|\{.*\})?$", "", bare) or "/"
    if bare in HOMES:
        return True
    return bare.startswith("/") and posixpath.normpath("/" + bare.lstrip("/")) in SYSTEM_ROOTS


def _check_protected(command: Command) -> None:
    """A word that names a protected path, whatever the command does with it; not where words are mere text."""
    if command.name in DATA_COMMANDS:
        return
    words = command.words[1:]
    if command.name in ("grep", "egrep", "fgrep"):  # the pattern is text
        words = tuple(word for word in words if not word.raw.startswith("-"))[1:]
    for word in words:
        _check_word(word)


def _check_word(word: Word) -> None:
    text = word.raw if word.text is None else word.text
    for part in {text, text.partition("=")[2]}:
        plausible = "/" in part or part.startswith((".", "~")) or paths.looks_secret(part)
        if part and len(part) < 1000 and "\0" not in part and plausible and " " not in part:
            _check_path(part)


def _check_path(path: str) -> None:
    if paths.zone_of(path) is Zone.PROTECTED:
        raise DisasterError("path.protected", f"“{path[:80]}” holds secrets or belongs to this service itself.")


def _check_redirect(redirect: Redirect) -> None:
    target = redirect.target.text
    if target is None:
        return
    if redirect.operator != "<" and DISK.match(target):
        raise DisasterError("deny.disk", f"It would overwrite the disk {target}.")
    _check_path(target)


def _check_function(function: Function) -> None:
    calls_itself = sum(1 for command in function.body if command.name == function.name)
    if calls_itself > 1 or (calls_itself and function.in_background):
        raise DisasterError("deny.fork_bomb", "It starts itself again and again until the machine stands still.")
