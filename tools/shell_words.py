"""What a word of a command line stands for once bash has removed the quotes, as far as that can be known."""

from dataclasses import dataclass

GLOBS = "*?["
EXPANSION_STARTS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@*#?$!{(['\"-")
# What ends a word where it isn't quoted: in a word it means that the grammar saw other words than bash will.
SPECIAL = "<>|&;()` \t\n"


@dataclass(frozen=True, kw_only=True)
class Word:
    """`text` is None when it depends on a variable, a command or anything else that is known only at run time.

    `pattern`: bash replaces it by the file names that match. `home`: it begins with an unquoted ~.
    """

    raw: str
    text: str | None
    pattern: bool = False
    home: bool = False


class _UnknownWordError(Exception):
    """This word can't be known before the command runs."""


def read_word(raw: str) -> Word:
    """The word whose source text is `raw` (quotes and all). Source: Bash manual, 3.1.2 Quoting and 3.5 Expansions."""
    reader = _Reader(raw)
    try:
        reader.read()
    except _UnknownWordError:
        return Word(raw=raw, text=None)
    return Word(raw=raw, text="".join(reader.out), pattern=reader.pattern, home=raw.startswith("~"))


class _Reader:
    def __init__(self, raw: str) -> None:
        self.raw, self.at = raw, 0
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
        else:
            self._refuse_expansion(char)
            self.pattern = self.pattern or char in GLOBS
            self._take(char, 1)

    def _take(self, text: str, width: int) -> None:
        self.out.append(text)
        self.at += width

    def _refuse_expansion(self, char: str) -> None:
        following = self.raw[self.at + 1 : self.at + 2]
        braces = char == "{" and self.raw[self.at :] != "{}"
        tilde = char == "~" and self.at > 0 and self.raw[self.at - 1] in "=:"
        if char in SPECIAL or braces or tilde or (char == "$" and following in EXPANSION_STARTS):
            raise _UnknownWordError

    def _single_quoted(self) -> None:
        end = self.raw.find("'", self.at + 1)
        if end < 0:
            raise _UnknownWordError
        self._take(self.raw[self.at + 1 : end], end + 1 - self.at)

    def _double_quoted(self) -> None:
        self.at += 1
        while (char := self.raw[self.at : self.at + 1]) != '"':
            following = self.raw[self.at + 1 : self.at + 2]
            if not char or char == "`" or (char == "$" and following != '"' and following in EXPANSION_STARTS):
                raise _UnknownWordError
            if char == "\\" and following and following in '$`"\\':
                self._take(following, 2)
            else:
                self._take(char, 1)
        self.at += 1
