"""What a message may hold: text with entities, buttons, the place it goes to. Refusals are worded as Telegram's."""

from typing import Any

from telegram_bridge.fake.entities import entities_found, html_parse, utf16_units
from telegram_bridge.fake.errors import BadRequest
from telegram_bridge.fake.params import Params
from telegram_bridge.fake.world import Chat, Json

TEXT_UNITS = 4096
CAPTION_UNITS = 1024
CALLBACK_DATA_BYTES = 64
BUTTONS_AT_MOST = 100


def text_read(params: Params) -> Json:
    """`text` and `entities` of sendMessage and editMessageText."""
    if not params.text("text"):
        raise BadRequest("message text is empty")
    text, entities = _formatted(params, "text")
    if not text:
        raise BadRequest("text must be non-empty")
    if utf16_units(text) > TEXT_UNITS:
        raise BadRequest("message is too long")
    return {"text": text} | ({"entities": entities} if entities else {})


def caption_read(params: Params) -> Json:
    text, entities = _formatted(params, "caption")
    if utf16_units(text) > CAPTION_UNITS:
        raise BadRequest("message caption is too long")
    return ({"caption": text} if text else {}) | ({"caption_entities": entities} if entities else {})


def _formatted(params: Params, name: str) -> tuple[str, list[Json]]:
    mode, source = params.text("parse_mode").lower(), params.text(name)
    if mode not in ("", "html"):
        raise BadRequest("unsupported parse_mode")  # Markdown is valid at Telegram's; this stand-in knows HTML only.
    if not mode:
        text = source.strip()
        return text, params.parsed("entities") or entities_found(text)
    text, entities = html_parse(source)
    return _trimmed(text, entities)


def _trimmed(text: str, entities: list[Json]) -> tuple[str, list[Json]]:
    """Telegram cuts white space at both ends after parsing; entities move and shrink along."""
    skipped = utf16_units(text) - utf16_units(text.lstrip())
    end = utf16_units(text.strip())
    kept = []
    for entity in entities:
        first = max(entity["offset"] - skipped, 0)
        last = min(entity["offset"] + entity["length"] - skipped, end)
        if last > first:
            kept.append(entity | {"offset": first, "length": last - first})
    return text.strip(), kept


def markup_read(params: Params) -> Json:
    """`reply_markup` as the message will carry it; {} when there is none."""
    markup = params.parsed("reply_markup")
    if not markup:
        return {}
    if not isinstance(markup, dict):
        raise BadRequest("object expected as reply markup")
    if "inline_keyboard" not in markup:
        return {}  # Reply keyboards are shown to the user and are no part of the message.
    rows = markup["inline_keyboard"]
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise BadRequest('field "inline_keyboard" of the InlineKeyboardMarkup must be an Array of Arrays')
    kept = [[_button(button) for button in row] for row in rows if row]
    if sum(map(len, kept)) > BUTTONS_AT_MOST:
        raise BadRequest("reply markup is too long")
    return {"reply_markup": {"inline_keyboard": kept}} if kept else {}


def _button(button: Any) -> Json:
    if not isinstance(button, dict):
        raise BadRequest("can't parse inline keyboard button: InlineKeyboardButton must be an Object")
    if not button.get("text"):
        raise BadRequest("can't parse inline keyboard button: Button text must be non-empty")
    if not set(button) - {"text", "icon_custom_emoji_id", "style"}:
        raise BadRequest("can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard")
    if "callback_data" in button and not 1 <= len(str(button["callback_data"]).encode()) <= CALLBACK_DATA_BYTES:
        raise BadRequest("BUTTON_DATA_INVALID")
    return button


def place_read(chat: Chat, params: Params) -> Json:
    """Topic and message replied to."""
    place: Json = {}
    if topic := params.integer("message_thread_id"):
        if topic not in chat.topics:
            raise BadRequest("message thread not found")
        place = {"message_thread_id": topic, "is_topic_message": True}
    reply = params.parsed("reply_parameters") or {}
    replied_to = int(reply.get("message_id") or params.integer("reply_to_message_id"))
    if not replied_to:
        return place
    original = chat.messages.get(replied_to)
    if original is not None and not original.deleted:
        without_chain = {key: value for key, value in original.raw.items() if key != "reply_to_message"}
        return place | {"reply_to_message": without_chain}
    if reply.get("allow_sending_without_reply") or params.flag("allow_sending_without_reply"):
        return place
    raise BadRequest("message to be replied not found")
