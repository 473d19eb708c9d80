"""Whether what a command line reads lies inside of bounds."""

import fnmatch
import glob
import os
from itertools import islice

from tools import paths
from tools.paths import Zone
from tools.shell.words import Word

OPEN = (Zone.WORKSPACE, Zone.READABLE)
MAX_MATCHES = 10_000
# What a pattern may be meant to find. Whether it is there now is looked at too.
SECRET_SAMPLES = (".env", ".env.local", ".env.production", ".netrc", ".pgpass", ".git-credentials", ".npmrc", ".pypirc")
KEY_SAMPLES = ("id_rsa", "id_ed25519", "server.key", "server.pem", "store.p12", "store.pfx")


class DoubtError(Exception):
    """Why a person should be asked: a sentence, and the rule's id."""

    def __init__(self, rule: str, reason: str) -> None:
        super().__init__(reason)
        self.rule, self.reason = rule, reason


def quote(text: str) -> str:
    return f"“{text[:80]}”"


def check_path(word: Word, folders: tuple[str | None, ...], *, below: bool = False, contents: bool = True) -> None:
    """Raises DoubtError unless `word` names something that may be read, from whichever of the `folders`.

    `below`: all that lies in it is read. `contents`: not only names and sizes.
    """
    text = word.text
    if text is None:
        raise DoubtError("shell.unknown_word", f"What {quote(word.raw)} stands for is known only when it runs.")
    if None in folders and not text.startswith("/"):
        raise DoubtError("shell.folder", "In which folder it runs can't be known.")
    if word.pattern and "/.." in f"/{text}":
        raise DoubtError("shell.pattern", f"Where {quote(word.raw)} leads is known only when it runs.")
    for folder in folders:
        _check_from(word, folder or "", below=below, contents=contents)


def check_folder(word: Word, folders: tuple[str | None, ...]) -> None:
    """As check_path for the target of cd, which bash takes by its text (`link/..`) and the system by its place."""
    check_path(word, folders, contents=False)
    for folder in folders:
        # In the sandbox ~ is the workspace.
        text = str(paths.workspace()) + (word.text or "")[1:] if word.home else (word.text or "")
        written = os.path.normpath(os.path.join(paths.workspace(), folder or "", text))
        if ".." in text.split("/") and os.path.realpath(written) != str(paths.real_path(text, base=folder or "")):
            raise DoubtError("shell.folder", f"Where {quote(word.raw)} leads depends on a link.")


def _check_from(word: Word, folder: str, *, below: bool, contents: bool) -> None:
    text, home = word.text or "", paths.workspace() if word.home else None
    matches = _matches(text, folder) if word.pattern else []
    if len(matches) > MAX_MATCHES or any(each.startswith("-") for each in matches):
        raise DoubtError("shell.pattern", f"What {quote(word.raw)} stands for may be taken for an option.")
    for each in [text, *matches]:
        if paths.zone_of(each, home=home, base=folder) not in OPEN:
            raise DoubtError("path.outside", f"{quote(word.raw)} lies outside of the workspace.")
        if below and (found := paths.secrets_below(each, home=home, base=folder)) is not None:
            raise DoubtError("path.secrets_below", f"Below {quote(word.raw)} there may be secrets: {found[-80:]}.")
    if word.pattern and contents and _meant_for_secrets(text):
        raise DoubtError("path.secret_pattern", f"{quote(word.raw)} may stand for a file with secrets.")


def _matches(text: str, folder: str) -> list[str]:
    """What is there now, up to one too many."""
    root = os.path.join(paths.workspace(), folder)
    return list(islice(glob.iglob(text, root_dir=root, include_hidden=False), MAX_MATCHES + 1))


def _meant_for_secrets(text: str) -> bool:
    for part in text.split("/"):
        pattern = part.replace("\\", "")
        hidden = pattern.startswith((".", "["))
        samples = SECRET_SAMPLES if hidden else KEY_SAMPLES if any(char.isalnum() for char in pattern) else ()
        if any(char in pattern for char in "*?[") and any(fnmatch.fnmatchcase(name, pattern) for name in samples):
            return True
    return False
