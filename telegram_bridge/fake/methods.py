"""The methods of the Bot API that send, change and look up. Each is called with the world's lock held."""

import re
import time
from collections.abc import Callable
from typing import Any

from telegram_bridge.fake.content import caption_read, markup_read, place_read, text_read
from telegram_bridge.fake.errors import BadRequest
from telegram_bridge.fake.params import Params, Upload
from telegram_bridge.fake.world import CallbackAnswer, Chat, Edit, Json, Message, World

Method = Callable[[World, Params], Any]
METHODS: dict[str, Method] = {}
"""Lower-case name -> function; Telegram does not mind the case of method names."""

ACTIONS = re.compile(r"(typing|choose_sticker|find_location|(upload|record)_(photo|video|voice|document|video_note))$")
FILE_BYTES_GIVEN_OUT = 20 * 1024 * 1024
COMMAND = re.compile(r"[a-z0-9_]{1,32}")


def method(name: str) -> Callable[[Method], Method]:
    def register(function: Method) -> Method:
        METHODS[name.lower()] = function
        return function

    return register


@method("getMe")
def get_me(world: World, params: Params) -> Json:
    return world.me


@method("sendMessage")
def send_message(world: World, params: Params) -> Json:
    chat = _chat(world, params)
    body = place_read(chat, params) | text_read(params) | markup_read(params)
    world.flood.check(chat.chat_id)
    return _send(world, chat, "sendMessage", body, source=params.text("text"), parse_mode=params.text("parse_mode")).raw


@method("sendDocument")
def send_document(world: World, params: Params) -> Json:
    chat = _chat(world, params)
    file_id, upload = _document(world, params)
    document: Json = {"file_name": upload.filename, "mime_type": "application/octet-stream", "file_id": file_id}
    document |= {"file_unique_id": file_id[-16:], "file_size": len(upload.content)}
    body = place_read(chat, params) | {"document": document} | caption_read(params) | markup_read(params)
    world.flood.check(chat.chat_id)
    message = _send(
        world, chat, "sendDocument", body, source=params.text("caption"), parse_mode=params.text("parse_mode")
    )
    message.document = upload
    return message.raw


def _document(world: World, params: Params) -> tuple[str, Upload]:
    given = params.text("document")
    upload = params.uploads.get(given.removeprefix("attach://") if given else "document")
    if upload is None and given in world.files:
        return given, world.files[given]
    if upload is None:
        raise BadRequest(
            "there is no document in the request" if not given else "wrong file identifier/HTTP URL specified"
        )
    if not upload.content:
        raise BadRequest("file must be non-empty")
    return file_put(world, upload), upload


def file_put(world: World, upload: Upload) -> str:
    """Keeps a file for getFile and returns its id."""
    file_id = f"BQACAgIAAxkBAAI{world.next_id():012d}AAE"
    world.files[file_id] = upload
    return file_id


def _send(world: World, chat: Chat, name: str, body: Json, *, source: str, parse_mode: str) -> Message:
    message_id = world.next_id()
    sender = {key: world.me[key] for key in ("id", "is_bot", "first_name", "username")}
    raw = {"message_id": message_id, "from": sender, "chat": chat.as_json(), "date": int(time.time())} | body
    message = Message(
        chat_id=chat.chat_id,
        message_id=message_id,
        method=name,
        from_bot=True,
        raw=raw,
        source=source,
        parse_mode=parse_mode,
    )
    chat.messages[message_id] = message
    world.sent.append(message)
    return message


@method("editMessageText")
def edit_message_text(world: World, params: Params) -> Json:
    return _edit(world, params, text_read(params))


@method("editMessageReplyMarkup")
def edit_message_reply_markup(world: World, params: Params) -> Json:
    return _edit(world, params, None)


def _edit(world: World, params: Params, text: Json | None) -> Json:
    chat = _chat(world, params)
    message = chat.messages.get(params.integer("message_id"))
    if message is None or message.deleted:
        raise BadRequest("message to edit not found")
    if not message.from_bot or (text and "text" not in message.raw):
        raise BadRequest(
            "message can't be edited" if not message.from_bot else "there is no text in the message to edit"
        )
    changing = ("text", "entities", "reply_markup") if text else ("reply_markup",)
    new = (text or {}) | markup_read(params)
    if new == {key: message.raw[key] for key in changing if key in message.raw}:
        raise BadRequest(
            "message is not modified: specified new message content and reply markup are exactly the same as a current"
            " content and reply markup of the message"
        )
    world.flood.check(chat.chat_id)
    kept = {key: value for key, value in message.raw.items() if key not in changing}
    message.raw = kept | {"edit_date": int(time.time())} | new
    if text:
        message.source, message.parse_mode = params.text("text"), params.text("parse_mode")
    message.edits.append(Edit(text=message.text, buttons=message.buttons))
    return message.raw


@method("deleteMessage")
def delete_message(world: World, params: Params) -> bool:
    message = _chat(world, params).messages.get(params.integer("message_id"))
    if message is None or message.deleted:
        raise BadRequest("message to delete not found")
    message.deleted = True
    return True


@method("answerCallbackQuery")
def answer_callback_query(world: World, params: Params) -> bool:
    callback_id = params.text("callback_query_id")
    if callback_id not in world.open_callbacks:
        raise BadRequest("query is too old and response timeout expired or query ID is invalid")
    if len(params.text("text")) > 200:
        raise BadRequest("MESSAGE_TOO_LONG")
    world.open_callbacks.discard(callback_id)
    world.answers.append(
        CallbackAnswer(callback_id=callback_id, text=params.text("text"), alert=params.flag("show_alert"))
    )
    return True


@method("sendChatAction")
def send_chat_action(world: World, params: Params) -> bool:
    chat = _chat(world, params)
    if not ACTIONS.match(params.text("action")):
        raise BadRequest("wrong parameter action in request")
    world.actions.append({"chat_id": chat.chat_id, "action": params.text("action")} | place_read(chat, params))
    return True


@method("sendMessageDraft")
def send_message_draft(world: World, params: Params) -> bool:
    """The preview of a message that is still being written: shown for 30 s, kept nowhere."""
    chat = _chat(world, params)
    if not params.integer("draft_id"):
        raise BadRequest("draft_id must be non-zero")
    world.drafts.append({"chat_id": chat.chat_id, "draft_id": params.integer("draft_id"), **text_read(params)})
    return True


@method("setMyCommands")
def set_my_commands(world: World, params: Params) -> bool:
    commands = params.parsed("commands")
    if not isinstance(commands, list) or len(commands) > 100:
        raise BadRequest(
            "can't parse list of bot commands" if not isinstance(commands, list) else "BOT_COMMANDS_TOO_MUCH"
        )
    for command in commands:
        if not COMMAND.fullmatch(str(command.get("command", "")).removeprefix("/")):
            raise BadRequest("BOT_COMMAND_INVALID")
        if not 1 <= len(str(command.get("description", ""))) <= 256:
            raise BadRequest("BOT_COMMAND_DESCRIPTION_INVALID")
    world.commands = commands
    return True


@method("getMyCommands")
def get_my_commands(world: World, params: Params) -> list[Json]:
    return world.commands


@method("getFile")
def get_file(world: World, params: Params) -> Json:
    file_id = params.text("file_id")
    upload = world.files.get(file_id)
    if upload is None:
        raise BadRequest("invalid file_id")
    if len(upload.content) > FILE_BYTES_GIVEN_OUT:
        raise BadRequest("file is too big")
    path = f"documents/{file_id}/{upload.filename}"
    return {"file_id": file_id, "file_unique_id": file_id[-16:], "file_size": len(upload.content), "file_path": path}


def _chat(world: World, params: Params) -> Chat:
    if not params.has("chat_id"):
        raise BadRequest("chat_id is empty")
    return world.chat(params.integer("chat_id"))
