"""Programs whose words are a language of their own: find, awk, sed, jq, top, and those that run another."""

import fnmatch
import re
from collections.abc import Callable, Iterator
from dataclasses import replace

from tools.names import names
from tools.shell.bounds import DoubtError, check_path, quote
from tools.shell.parser import Command
from tools.shell.scripts import awk_only_filters, jq_only_filters, sed_only_filters
from tools.shell.specs import READ_ONLY
from tools.shell.words import Word

Folders = tuple[str | None, ...]
Check = Callable[[Command, Folders], None]

WRAPPERS: dict[str, re.Pattern[str]] = {
    "time": re.compile(r"-p"),
    "timeout": re.compile(r"\d+(\.\d+)?[smh]?"),
    "nice": re.compile(r"-n|\d+|-\d+|-n\d+"),
    "ionice": re.compile(r"-c|-n|\d|-c\d|-n\d"),
    "stdbuf": re.compile(r"-[ioe](0|L|\d+)"),
    "command": re.compile(r"(?!)"),
    "env": re.compile(r"(LC_[A-Z]+|LANG)=[A-Za-z0-9_.-]+"),
}
FIND_ALONE = frozenset(
    names(
        "-print -print0 -ls -prune -quit -true -false -empty -executable -readable -writable -nouser -nogroup -mount "
        "-xdev -depth -d -daystart -noleaf -ignore_readdir_race -not -a -and -o -or ! ( ) , -warn -nowarn"
    )
)
FIND_WITH_VALUE = frozenset(
    names(
        "-name -iname -path -ipath -wholename -iwholename -regex -iregex -type -xtype -size -mtime -mmin -atime -amin "
        "-ctime -cmin -used -perm -user -group -uid -gid -maxdepth -mindepth -printf -links -inum -lname -ilname "
        "-fstype -regextype -newermt -newerat -newerct"
    )
)
FIND_WITH_PATH = frozenset(names("-newer -anewer -cnewer -samefile"))
FIND_ACTIONS = names("-delete -exec -execdir -ok -okdir -fprint -fprint0 -fprintf -fls -files0-from")
ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=", re.ASCII)
JQ_OPTION = re.compile(
    r"-[rcsnSCMaejR]+|--(raw-output|compact-output|slurp|null-input|sort-keys|color-output|monochrome-output|"
    r"ascii-output|exit-status|join-output|raw-input|tab|unbuffered)"
)
SED_OPTION = re.compile(r"-[nErsuz]+|--(quiet|silent|regexp-extended|null-data|separate|posix|sandbox)")
TOP_OPTION = re.compile(r"-[bcHiS1]*(n\d{0,2})?|-[opuwd][\w%+.,-]*|(?!-)[\w%+.,-]+")
GIT_GLOBALS = frozenset(names("--no-pager -P --no-optional-locks --no-replace-objects --literal-pathspecs"))


def wrapped(name: str, command: Command) -> Command | None:
    """The command that `timeout 5 …`, `nice …`, `env LANG=C …` runs, None for anything else."""
    pattern = WRAPPERS.get(name)
    if pattern is None:
        return None
    for at, word in enumerate(command.words[1:], start=1):
        if word.text is None or word.pattern or word.home:
            return None
        if not pattern.fullmatch(word.text):
            return None if word.text.startswith("-") or "=" in word.text else command.tail(at)
    return None


def without_globals(name: str, words: tuple[Word, ...], folders: Folders) -> tuple[Word, ...]:
    """The words from the sub-command on. Raises DoubtError when git is sent into another folder that isn't open."""
    while name == "git" and words and words[0].text in GIT_GLOBALS:
        words = words[1:]
    if name == "git" and len(words) > 2 and words[0].text == "-C":
        check_path(words[1], folders, contents=False)
        if any(".." in (word.text or "").split("/") for word in words[2:]) or words[1].pattern:
            raise DoubtError("path.outside", "Where git looks can't be known.")
        return without_globals(name, words[2:], folders)
    return words


def check_words(key: str, words: tuple[Word, ...]) -> None:
    """What holds for all words of a sub-command, wherever they stand."""
    texts = [word.text or "" for word in words]
    if key.startswith("git ") and any("%G" in text for text in texts):
        raise DoubtError("shell.argument", "Checking signatures starts the program that the repository names.")


def _check_find(command: Command, folders: Folders, check: Check) -> None:
    words = list(command.words[1:])
    while words and words[0].text in ("-H", "-P"):
        words.pop(0)
    starts: list[Word] = []
    while words and not (words[0].text or "").startswith(("-", "(", "!", ",")):
        starts.append(words.pop(0))
    starts = starts or [Word(raw=".", text=".")]
    for start in starts:
        check_path(start, folders, contents=False)
    rest = iter(words)
    for word in rest:
        if word.text in ("-exec", "-execdir"):
            _check_find_exec(list(_until_end(rest)), starts, folders, check)
        elif word.text in FIND_WITH_PATH:
            check_path(next(rest, word), folders, contents=False)
        elif word.text in FIND_WITH_VALUE:
            _check_find_value(next(rest, word))
        elif word.text not in FIND_ALONE and not re.fullmatch(r"-O[0-3]", word.text or ""):
            raise DoubtError("shell.option", f"find {quote(word.raw)} is not known to be harmless.")


def _until_end(words: Iterator[Word]) -> Iterator[Word]:
    for word in words:
        if word.text in (";", "+"):
            return
        yield word
    raise DoubtError("shell.argument", "What find is to run has no end.")


def _check_find_value(word: Word) -> None:
    if word.text is None and not word.whole:
        raise DoubtError("shell.unknown_word", f"What {quote(word.raw)} stands for is known only when it runs.")
    # Unquoted, a pattern may become the name of a file that is called like an action.
    if word.pattern and any(fnmatch.fnmatchcase(action, word.text or "") for action in FIND_ACTIONS):
        raise DoubtError("shell.pattern", f"The pattern {quote(word.raw)} may stand for an option.")


def _check_find_exec(words: list[Word], starts: list[Word], folders: Folders, check: Check) -> None:
    """The command that find runs on each file, as if it ran on the folders where find begins."""
    mixed = any("{}" in (word.text or "") and word.text != "{}" for word in words)
    if mixed or not words or words[0].text == "{}":
        raise DoubtError("shell.argument", "It puts file names together with other text.")
    for start in starts:
        inner = [replace(start, pattern=False) if word.text == "{}" else word for word in words]
        check(Command(words=tuple(inner), source=" ".join(word.raw for word in inner)), folders)
        spec = READ_ONLY.get(Command(words=tuple(inner)).name)
        if (spec is None or not spec.names_only) and any(word.text == "{}" for word in words):
            check_path(start, folders, below=True)


def _check_awk(command: Command, folders: Folders, check: Check) -> None:
    words = list(command.words[1:])
    while words and (words[0].text or "").startswith("-") and words[0].text != "-":
        option = words.pop(0).text or ""
        if option == "--":
            break
        if option in ("-F", "-v"):
            option += (words.pop(0).text or "\0") if words else "\0"
        if not re.fullmatch(r"-F[^\0]+|-v[A-Za-z_]\w*=[^\0]*", option, re.DOTALL):
            raise DoubtError("shell.option", f"awk {quote(option)} is not known to be harmless.")
    program = words.pop(0) if words else None
    if program is None or program.text is None or program.pattern or not awk_only_filters(program.text):
        raise DoubtError("shell.program", "This awk program may do more than filter.")
    for word in words:
        if not (word.text and ASSIGNMENT.match(word.text)) and word.text != "-":
            check_path(word, folders)


def _check_sed(command: Command, folders: Folders, check: Check) -> None:
    scripts: list[Word] = []
    rest: list[Word] = []
    words = iter(command.words[1:])
    for word in words:
        text = word.text or ""
        if text.startswith("--expression="):
            scripts.append(replace(word, text=text.removeprefix("--expression=")))
        elif text == "--expression" or re.fullmatch(r"-[nErsuz]*e", text):
            scripts.append(next(words, Word(raw="", text=None)))
        elif text.startswith("-") and text != "-":
            if not SED_OPTION.fullmatch(text):
                raise DoubtError("shell.option", f"sed {quote(text)} is not known to be harmless.")
        else:
            rest.append(word)
    if not scripts:
        scripts, rest = rest[:1], rest[1:]
    if not scripts or any(word.text is None or word.pattern or not sed_only_filters(word.text) for word in scripts):
        raise DoubtError("shell.program", "This sed script may do more than filter.")
    for word in rest:
        if word.text != "-":
            check_path(word, folders)


def _check_jq(command: Command, folders: Folders, check: Check) -> None:
    rest: list[Word] = []
    words = iter(command.words[1:])
    for word in words:
        text = word.text or ""
        if text in ("--arg", "--argjson", "--indent"):
            values = [next(words, Word(raw="", text=None)) for _ in range(1 if text == "--indent" else 2)]
            if any(value.text is None and not value.whole for value in values):
                raise DoubtError("shell.unknown_word", "A value given to jq is known only when it runs.")
        elif text.startswith("-") and text != "-":
            if not JQ_OPTION.fullmatch(text):
                raise DoubtError("shell.option", f"jq {quote(text)} is not known to be harmless.")
        else:
            rest.append(word)
    if not rest or rest[0].text is None or rest[0].pattern or not jq_only_filters(rest[0].text):
        raise DoubtError("shell.program", "This jq program may do more than filter.")
    for word in rest[1:]:
        check_path(word, folders)


def _check_top(command: Command, folders: Folders, check: Check) -> None:
    texts = [word.text or "\0" for word in command.words[1:]]
    once = any(re.fullmatch(r"-[cHi1]*b[cHi1]*(n\d{0,2})?", text) for text in texts)
    if not once or not all(TOP_OPTION.fullmatch(text) for text in texts):
        raise DoubtError("shell.endless", "top is allowed as top -b -n 1 only: else it never ends.")


CHECKS: dict[str, Callable[[Command, Folders, Check], None]] = {
    "find": _check_find,
    "awk": _check_awk,
    "mawk": _check_awk,
    "gawk": _check_awk,
    "sed": _check_sed,
    "jq": _check_jq,
    "top": _check_top,
}
