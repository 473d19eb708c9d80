"""Reads Telegram's updates (https://core.telegram.org/bots/api#update) by plain dict access: content newer than any
library must not break the intake. Values out of shape raise UnreadableUpdate; unknown kinds are no error."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from common.errors import AgentError
from jobs.services.intake import InboundFile

Json = dict[str, Any]
FILE_KINDS = ("voice", "audio", "video", "video_note", "animation", "document", "sticker")


class UnreadableUpdate(AgentError):
    """The update is not shaped as Telegram's are."""


@dataclass(frozen=True, kw_only=True)
class Sender:
    """Who wrote or pressed: authority comes from this id alone."""

    user_id: int
    name: str


@dataclass(frozen=True, kw_only=True)
class ChatMessage:
    """A message, new or edited."""

    chat_id: int
    chat_type: str
    title: str
    topic: str
    message_id: int
    sender: Sender
    text: str
    reply_to: str
    said_at: datetime
    edited_at: datetime | None
    outside: str
    files: tuple[InboundFile, ...]


@dataclass(frozen=True, kw_only=True)
class Press:
    """A pressed button."""

    callback_id: str
    sender: Sender
    chat_id: int
    message_id: int
    data: str


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where an update came from that may be unreadable otherwise."""

    chat_id: int
    topic: str
    user_id: int
    callback_id: str


def origin_of(update: Json) -> Origin | None:
    """As much as is needed to tell its sender that it failed; None where not even that can be read."""
    try:
        content = update[kind_of(update)]
        message = content.get("message") or content
        return Origin(
            chat_id=int(message["chat"]["id"]),
            topic=str(message["message_thread_id"]) if message.get("is_topic_message") else "",
            user_id=int(content["from"]["id"]),
            callback_id=str(content["id"]) if "data" in content else "",
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def kind_of(update: Json) -> str:
    """The update's kind: its one key besides update_id."""
    kinds = [key for key in update if key != "update_id"]
    return kinds[0][:40] if kinds else "empty"


def message_of(raw: Json) -> ChatMessage | None:
    """A message; None where no person wrote it (channel posts, anonymous admins, other bots)."""
    try:
        sender = _sender(raw.get("from"))
        if sender is None or "sender_chat" in raw:
            return None
        chat = raw["chat"]
        return ChatMessage(
            chat_id=int(chat["id"]),
            chat_type=str(chat["type"]),
            title=_title(chat),
            topic=str(raw["message_thread_id"]) if raw.get("is_topic_message") else "",
            message_id=int(raw["message_id"]),
            sender=sender,
            text=_text(raw),
            reply_to=str((raw.get("reply_to_message") or {}).get("message_id", "")),
            said_at=datetime.fromtimestamp(int(raw["date"]), UTC),
            edited_at=datetime.fromtimestamp(int(raw["edit_date"]), UTC) if raw.get("edit_date") else None,
            outside=_outside(raw),
            files=_files(raw),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, OSError) as error:
        raise UnreadableUpdate(f"The message can't be read: {type(error).__name__} {error}") from error


def _outside(raw: Json) -> str:
    """Whose words a message brings, where they are not its sender's own: forwarded and quoted ones, and those of an
    inline bot."""
    if raw.get("forward_origin") or raw.get("forward_date"):
        return "a forwarded message"
    author = ((raw.get("reply_to_message") or {}).get("from") or {}).get("id")
    if raw.get("quote") and author != raw["from"]["id"]:
        return "a quoted message"
    return "a message of an inline bot" if raw.get("via_bot") else ""


def press_of(raw: Json) -> Press | None:
    """A pressed button; None where it belongs to no message of a chat (an inline message)."""
    try:
        sender = _sender(raw["from"])
        message = raw.get("message")
        if sender is None or not message:
            return None
        return Press(
            callback_id=str(raw["id"]),
            sender=sender,
            chat_id=int(message["chat"]["id"]),
            message_id=int(message["message_id"]),
            data=str(raw.get("data", "")),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UnreadableUpdate(f"The press can't be read: {type(error).__name__} {error}") from error


def _sender(raw: Json | None) -> Sender | None:
    if not raw or raw.get("is_bot"):
        return None
    name = " ".join(str(raw[part]) for part in ("first_name", "last_name") if raw.get(part))
    return Sender(user_id=int(raw["id"]), name=name or str(raw.get("username", "")))


def _title(chat: Json) -> str:
    names = [chat.get("title"), chat.get("first_name"), chat.get("last_name")]
    return " ".join(str(name) for name in names if name)


def _text(raw: Json) -> str:
    """What the message says, with what a person would see around it: origin, quote, place, contact."""
    lines = []
    if origin := raw.get("forward_origin"):
        lines.append(f"[forwarded from {_origin(origin)}]")
    if quote := raw.get("quote"):
        lines.append(f"[quoting: {quote.get('text', '')}]")
    if body := raw.get("text") or raw.get("caption"):
        lines.append(str(body))
    if place := raw.get("location"):
        lines.append(f"[location {place.get('latitude')}, {place.get('longitude')}]")
    if contact := raw.get("contact"):
        lines.append(f"[contact {contact.get('first_name', '')} {contact.get('phone_number', '')}]")
    return "\n".join(lines)


def _origin(origin: Json) -> str:
    known = origin.get("sender_user") or origin.get("sender_chat") or origin.get("chat") or {}
    return str(origin.get("sender_user_name") or known.get("title") or known.get("first_name") or "somebody")


def _files(raw: Json) -> tuple[InboundFile, ...]:
    files = [_file(kind, raw[kind]) for kind in FILE_KINDS if raw.get(kind)]
    if photos := raw.get("photo"):
        files.append(_file("photo", max(photos, key=lambda size: size.get("width", 0))))
    # A GIF comes as animation and, for old clients, as document too.
    return tuple(file for file in files if file.kind != "document" or "animation" not in raw)


def _file(kind: str, raw: Json) -> InboundFile:
    size = raw.get("file_size")
    return InboundFile(
        kind=kind,
        external_id=str(raw.get("file_id", ""))[:200],
        name=str(raw.get("file_name") or raw.get("emoji") or _measure(raw))[:255],
        mime_type=str(raw.get("mime_type", ""))[:100],
        size=int(size) if size is not None else None,
    )


def _measure(raw: Json) -> str:
    if raw.get("duration") is not None:
        return f"{raw['duration']} s"
    return f"{raw['width']}×{raw['height']}" if raw.get("width") else ""
