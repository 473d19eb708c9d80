"""What a word of a command line stands for once bash has removed the quotes, as far as that can be known."""

import re
from collections.abc import Callable
from dataclasses import dataclass

GLOBS = "*?["
EXPANSION_STARTS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@*#?$!{(['\"-")
# What ends a word where it isn't quoted: in a word it means that the grammar saw other words than bash will.
SPECIAL = "<>|&;()` \t\n"
VARIABLE = re.compile(r"\$(?:([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)\})")
ANSI_ESCAPE = re.compile(r"\\(?:([abeEfnrtv\\'\"?])|x([0-9a-fA-F]{1,2})|([0-7]{1,3})|u([0-9a-fA-F]{1,4}))")
ANSI_VALUES = dict(zip("abeEfnrtv\\'\"?", "\a\b\x1b\x1b\f\n\r\t\v\\'\"?", strict=True))
SIMPLE_BRACES = re.compile(r"([^\s'\"\\$`{}]*)\{([^\s'\"\\$`{}]*,[^\s'\"\\$`{}]*)\}([^\s'\"\\$`{}]*)")


@dataclass(frozen=True, kw_only=True)
class Word:
    """`text` is None when it depends on a variable, a command or anything else that is known only at run time.

    `pattern`: bash replaces it by the file names that match. `home`: it begins with an unquoted ~. `whole`: although
    its text isn't known it is exactly one word (it stands in double quotes).
    """

    raw: str
    text: str | None
    pattern: bool = False
    home: bool = False
    whole: bool = False


Lookup = Callable[[str], "Word | None"]


def _nothing_known(name: str) -> Word | None:
    return None


class _UnknownWordError(Exception):
    """This word can't be known before the command runs."""


def read_word(raw: str, lookup: Lookup = _nothing_known) -> Word:
    """The word whose source text is `raw` (quotes and all); `lookup` tells what a variable holds, None if unknown.

    Source: Bash manual, 3.1.2 Quoting and 3.5 Expansions.
    """
    reader = _Reader(raw, lookup)
    try:
        reader.read()
    except _UnknownWordError:
        whole = len(raw) > 1 and raw[0] == raw[-1] == '"' and '"' not in raw[1:-1] and "@" not in raw
        return Word(raw=raw, text=None, whole=whole)
    return Word(raw=raw, text="".join(reader.out), pattern=reader.pattern, home=raw.startswith("~"))


def expand_braces(raw: str) -> tuple[str, ...]:
    """The words that bash makes of one with a plain {a,b}; the word itself where there is none, or a harder one."""
    match = SIMPLE_BRACES.fullmatch(raw)
    if match is None:
        return (raw,)
    before, choices, after = match.groups()
    return tuple(f"{before}{choice}{after}" for choice in choices.split(",") if before or choice or after)


class _Reader:
    def __init__(self, raw: str, lookup: Lookup) -> None:
        self.raw, self.at, self.lookup = raw, 0, lookup
        self.out: list[str] = []
        self.pattern = False

    def read(self) -> None:
        if self.raw.startswith("#"):
            raise _UnknownWordError  # to bash a comment
        if self.raw.startswith("~") and self.raw[1:2] not in ("", "/"):
            raise _UnknownWordError  # ~name, ~+, ~-: somebody's home or another folder
        while self.at < len(self.raw):
            self._step(self.raw[self.at])

    def _step(self, char: str) -> None:
        if char == "'":
            self._single_quoted()
        elif char == '"':
            self._double_quoted()
        elif char == "\\":
            self._take(self.raw[self.at + 1 : self.at + 2] or "\\", 2)
        elif self.raw.startswith("$'", self.at):
            self._ansi_quoted()
        elif char == "$" and VARIABLE.match(self.raw, self.at):
            self._variable(quoted=False)
        else:
            self._refuse_expansion(char)
            self.pattern = self.pattern or char in GLOBS
            self._take(char, 1)

    def _take(self, text: str, width: int) -> None:
        self.out.append(text)
        self.at += width

    def _variable(self, *, quoted: bool) -> None:
        match = VARIABLE.match(self.raw, self.at)
        value = self.lookup(match[1] or match[2]) if match else None
        if match is None or value is None or value.text is None:
            raise _UnknownWordError
        # Unquoted, bash would split the value and look for files in it; an empty one would be no word at all.
        plain = value.text and not set(value.text) & {*" \t\n", *(() if value.pattern else GLOBS)}
        if not quoted and not plain:
            raise _UnknownWordError
        self.pattern = self.pattern or value.pattern
        self._take(value.text, match.end() - self.at)

    def _refuse_expansion(self, char: str) -> None:
        following = self.raw[self.at + 1 : self.at + 2]
        alone = "," not in self.raw and ".." not in self.raw and re.match(r"\{[a-z]*\}", self.raw[self.at :])
        braces = char == "{" and not alone
        tilde = char == "~" and self.at > 0 and self.raw[self.at - 1] in "=:"
        if char in SPECIAL or braces or tilde or (char == "$" and following in EXPANSION_STARTS):
            raise _UnknownWordError

    def _single_quoted(self) -> None:
        end = self.raw.find("'", self.at + 1)
        if end < 0:
            raise _UnknownWordError
        self._take(self.raw[self.at + 1 : end], end + 1 - self.at)

    def _ansi_quoted(self) -> None:
        """$'…' with the escapes that the Bash manual lists in 3.1.2.4."""
        self.at += 2
        while (char := self.raw[self.at : self.at + 1]) != "'":
            escape = ANSI_ESCAPE.match(self.raw, self.at)
            if not char or (char == "\\" and escape is None):
                raise _UnknownWordError
            if escape is None:
                self._take(char, 1)
            else:
                self._take(_unescaped(escape), escape.end() - self.at)
        self.at += 1

    def _double_quoted(self) -> None:
        self.at += 1
        while (char := self.raw[self.at : self.at + 1]) != '"':
            following = self.raw[self.at + 1 : self.at + 2]
            if char == "$" and VARIABLE.match(self.raw, self.at):
                self._variable(quoted=True)
                continue
            if not char or char == "`" or (char == "$" and following != '"' and following in EXPANSION_STARTS):
                raise _UnknownWordError
            if char == "\\" and following and following in '$`"\\':
                self._take(following, 2)
            else:
                self._take(char, 1)
        self.at += 1


def _unescaped(escape: re.Match[str]) -> str:
    letter, hexadecimal, octal, unicode = escape.groups()
    if letter:
        return ANSI_VALUES[letter]
    code = int(octal, 8) & 0xFF if octal else int(hexadecimal or unicode, 16)
    # A zero byte ends the string, and half a UTF-8 character is completed by the next escape.
    if code == 0 or (code > 0x7F and not unicode) or 0xD800 <= code < 0xE000:
        raise _UnknownWordError
    return chr(code)
