"""Telegram's HTML, read as its servers read it (td/telegram/MessageEntity.cpp), refusals word for word.

Offsets and lengths of entities are UTF-16 code units, offsets in refusals are UTF-8 bytes.
"""

import html
import re
from dataclasses import dataclass
from typing import Any

from telegram_bridge.fake.errors import BadRequest

TYPES = {
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "s": "strikethrough",
    "strike": "strikethrough",
    "del": "strikethrough",
    "u": "underline",
    "ins": "underline",
    "tg-spoiler": "spoiler",
    "span": "spoiler",
    "a": "text_link",
    "tg-emoji": "custom_emoji",
    "code": "code",
    "pre": "pre",
    "blockquote": "blockquote",
}
PLAIN = re.compile(r"[^<&]+")
REFERENCE = re.compile(r"&(?:#x[0-9a-fA-F]+|#[0-9]+|lt|gt|amp|quot);?")
ATTRIBUTE_NAME = re.compile(r"[^\s=>]*")
NAME_TOKEN = re.compile(r"[A-Za-z0-9.\-]*")
START_TAG = re.compile(r"<[^\s>]*")
END_TAG = re.compile(r"</([^\s>]*)\s*")
SPACES = re.compile(r"\s*")
Entity = dict[str, Any]


def utf16_units(text: str) -> int:
    return len(text) + sum(char > "\uffff" for char in text)


def html_parse(source: str) -> tuple[str, list[Entity]]:
    """Text and entities of HTML; raises BadRequest("can't parse entities: ...")."""
    return _Reader(source).read()


@dataclass(kw_only=True)
class _Open:
    tag: str
    argument: str
    offset: int


class _Reader:
    def __init__(self, source: str) -> None:
        self.source = source
        self.at = 0
        self.text: list[str] = []
        self.length = 0
        self.open: list[_Open] = []
        self.entities: list[Entity] = []

    def read(self) -> tuple[str, list[Entity]]:
        while self.at < len(self.source):
            self._next()
        if self.open:
            raise _refusal(f'Can\'t find end tag corresponding to start tag "{self.open[-1].tag}"')
        return "".join(self.text), sorted(self.entities, key=lambda entity: (entity["offset"], -entity["length"]))

    def _next(self) -> None:
        if plain := PLAIN.match(self.source, self.at):
            self._take(plain.group(), plain.end())
        elif self.source[self.at] == "&":
            reference = REFERENCE.match(self.source, self.at)
            self._take(
                html.unescape(reference.group()) if reference else "&", reference.end() if reference else self.at + 1
            )
        elif self.source.startswith("</", self.at):
            self._end_tag()
        else:
            self._start_tag()

    def _take(self, text: str, end: int) -> None:
        self.text.append(text)
        self.length += utf16_units(text)
        self.at = end

    def _start_tag(self) -> None:
        begin = self.at
        tag = self._match(START_TAG)[1:].lower()
        if self.at >= len(self.source):
            raise self._fault("Unclosed start tag", begin)
        if tag not in TYPES:
            raise self._fault(f'Unsupported start tag "{tag}"', begin)
        argument = ""
        while (found := self._attribute(tag, begin)) is not None:
            argument = _argument(tag, *found) or argument
        if tag == "span" and argument != "spoiler":
            raise self._fault('Tag "span" must have class "tg-spoiler"', begin)
        self.open.append(_Open(tag=tag, argument=argument, offset=self.length))

    def _attribute(self, tag: str, begin: int) -> tuple[str, str] | None:
        """The next attribute of a start tag, or None after its closing bracket."""
        self._spaces()
        if self.source.startswith(">", self.at):
            self.at += 1
            return None
        name = self._match(ATTRIBUTE_NAME)
        if not name:
            raise self._fault(f'Empty attribute name in the tag "{tag}"', begin)
        self._spaces()
        if (tag, name) == ("blockquote", "expandable") and not self.source.startswith("=", self.at):
            return name, ""
        if not self.source.startswith("=", self.at):
            raise self._fault(f'Expected equal sign in declaration of an attribute of the tag "{tag}"', begin)
        self.at += 1
        self._spaces()
        value = self._value()
        if self.at >= len(self.source):
            raise self._fault("Unclosed start tag", begin)
        return name, value

    def _value(self) -> str:
        quote = self.source[self.at : self.at + 1]
        if quote in ("'", '"'):
            end = self.source.find(quote, self.at + 1)
            end = len(self.source) if end < 0 else end
            value = self.source[self.at + 1 : end]
            self.at = end + 1
            return html.unescape(value)
        begin = self.at
        value = self._match(NAME_TOKEN)
        if self.source[self.at : self.at + 1] not in (">", "") and not self.source[self.at].isspace():
            raise self._fault("Unexpected end of name token", begin)
        return value.lower()

    def _end_tag(self) -> None:
        begin = self.at
        if not self.open:
            raise self._fault("Unexpected end tag", begin)
        name = END_TAG.match(self.source, begin)
        assert name is not None
        self.at = name.end()
        if not self.source.startswith(">", self.at):
            raise self._fault("Unclosed end tag", begin)
        self.at += 1
        opened, found = self.open.pop(), name.group(1).lower()
        if found and found != opened.tag:
            raise self._fault(f'Unmatched end tag, expected "</{opened.tag}>", found "</{found}>"', begin)
        self._close(opened)

    def _close(self, opened: _Open) -> None:
        kind = TYPES[opened.tag]
        inner = self.entities[-1] if self.entities else None
        entity: Entity = {"offset": opened.offset, "length": self.length - opened.offset, "type": kind}
        if not entity["length"] or (kind == "text_link" and not opened.argument):
            return
        if (
            kind == "pre"
            and inner
            and inner["type"] == "code"
            and inner["offset"] == opened.offset
            and "language" in inner
        ):
            entity["language"] = self.entities.pop()["language"]
        if kind == "text_link":
            entity["url"] = opened.argument
        if kind == "custom_emoji":
            entity["custom_emoji_id"] = opened.argument
        if kind == "code" and opened.argument:
            entity["language"] = opened.argument
        if kind == "blockquote" and opened.argument:
            entity["type"] = "expandable_blockquote"
        self.entities.append(entity)

    def _spaces(self) -> None:
        self._match(SPACES)

    def _match(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.source, self.at)
        assert found is not None
        self.at = found.end()
        return found.group()

    def _fault(self, what: str, at: int) -> BadRequest:
        where = f"at byte offset {len(self.source[:at].encode())}"
        first, comma, rest = what.partition(", expected")
        return _refusal(f"{first} {where}{comma}{rest}")


def _argument(tag: str, name: str, value: str) -> str:
    wanted = {"a": ("href", ""), "code": ("class", "language-"), "span": ("class", "tg-"), "tg-emoji": ("emoji-id", "")}
    if (tag, name) == ("blockquote", "expandable"):
        return "1"
    attribute, prefix = wanted.get(tag, ("", ""))
    return value.removeprefix(prefix) if name == attribute and value.startswith(prefix) else ""


def _refusal(what: str) -> BadRequest:
    return BadRequest(f"can't parse entities: {what}")


FOUND_BY_ITSELF = re.compile(r"(?:(?<=\s)|^)(?P<bot_command>/[A-Za-z0-9_]{1,64}(?:@\w+)?)|(?P<url>https?://[^\s<>\"]+)")


def entities_found(text: str) -> list[Entity]:
    """The entities that Telegram finds in plain text: commands and addresses (mentions and hashtags are left out)."""
    return [
        {
            "offset": utf16_units(text[: found.start()]),
            "length": utf16_units(found.group()),
            "type": "bot_command" if found.group("bot_command") else "url",
        }
        for found in FOUND_BY_ITSELF.finditer(text)
    ]
