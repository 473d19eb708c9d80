"""What people do in their Telegram: each deed becomes the update that a real Bot API server would make of it.

Called with the world's lock held. Each function returns the update, whether or not the bot wanted its kind.
"""

import time
from typing import Any

from telegram_bridge.fake.entities import entities_found
from telegram_bridge.fake.updates import Updates
from telegram_bridge.fake.world import Chat, Json, Message, World

GROUP_MEMBER_ID = 5_000_001


class Users:
    def __init__(self, world: World, updates: Updates) -> None:
        self._world = world
        self._updates = updates

    def open_chat(self, chat_id: int, *, kind: str = "", title: str = "", topics: list[int] | None = None) -> Chat:
        """Makes the chat known to the bot (private for positive ids, else a supergroup), or adds topics to it."""
        chat = self._world.chats.get(chat_id)
        if chat is None:
            kind = kind or ("private" if chat_id > 0 else "supergroup")
            person = _person(chat_id) if kind == "private" else {}
            chat = Chat(chat_id=chat_id, kind=kind, title=title or ("" if person else "Team"), person=person)
            self._world.chats[chat_id] = chat
        chat.topics.update(topics or [])
        return chat

    def say(
        self,
        chat_id: int,
        content: Json,
        *,
        user_id: int | None = None,
        first_name: str = "",
        topic: int | None = None,
        reply_to: int | None = None,
        title: str = "",
    ) -> Json:
        """A new message; `content` are the fields that make its kind: text, photo and caption, voice, ..."""
        chat = self.open_chat(chat_id, title=title, topics=[topic] if topic else None)
        if chat.kind == "private" and first_name:
            chat.person["first_name"] = first_name
        message_id = self._world.next_id()
        raw = {"message_id": message_id, "from": self._sender(chat, user_id, first_name), "chat": chat.as_json()}
        raw |= {"date": int(time.time())} | self._place(chat, topic, reply_to) | _with_entities(content)
        message = Message(chat_id=chat_id, message_id=message_id, method="", from_bot=False, raw=raw)
        chat.messages[message_id] = message
        return self._push(chat_id, {"message": raw})

    def edit(self, chat_id: int, message_id: int, text: str) -> Json:
        message = self._world.chats[chat_id].messages[message_id]
        kept = {key: value for key, value in message.raw.items() if key != "entities"}
        message.raw = kept | {"edit_date": int(time.time())} | _with_entities({"text": text})
        return self._push(chat_id, {"edited_message": message.raw})

    def press(
        self,
        chat_id: int,
        message_id: int,
        *,
        data: str | None = None,
        label: str | None = None,
        user_id: int | None = None,
        first_name: str = "",
    ) -> Json:
        """A button is pressed: one with this label as it stands now, or any data (an old or forged button)."""
        chat = self._world.chats[chat_id]
        message = chat.messages[message_id]
        callback_id = str(self._world.next_id() * 4_294_967_296)
        self._world.open_callbacks.add(callback_id)
        query = {
            "id": callback_id,
            "from": self._sender(chat, user_id, first_name),
            "message": message.raw,
            "chat_instance": str(-7_000_000_000 - abs(chat_id)),
            "data": data if data is not None else _data_of(message, label or ""),
        }
        return self._push(chat_id, {"callback_query": query})

    def block(self, chat_id: int, *, blocked: bool) -> Json:
        """The user blocks the bot (or lets it in again); in a group: throws it out."""
        chat = self.open_chat(chat_id)
        chat.blocked = blocked
        me = {key: self._world.me[key] for key in ("id", "is_bot", "first_name", "username")}
        gone = {"user": me, "status": "kicked", "until_date": 0}
        there = {"user": me, "status": "member"}
        change = {
            "chat": chat.as_json(),
            "from": self._sender(chat, None, ""),
            "date": int(time.time()),
            "old_chat_member": there if blocked else gone,
            "new_chat_member": gone if blocked else there,
        }
        return self._push(chat_id, {"my_chat_member": change})

    def raw_update(self, update: Json) -> Json:
        """Any update as it is; numbered when it has no `update_id`. The chat that it names becomes known."""
        chat = _chat_named(update)
        if chat:
            self.open_chat(int(chat["id"]), kind=chat.get("type", ""), title=chat.get("title", ""))
        return self._push(int(chat.get("id", 0)), update)

    def _push(self, chat_id: int, update: Json) -> Json:
        numbered = {"update_id": self._world.next_id()} | update
        self._updates.push(numbered, lane=chat_id)
        return numbered

    def _sender(self, chat: Chat, user_id: int | None, first_name: str) -> Json:
        if chat.kind == "private" and user_id in (None, chat.chat_id):
            return chat.person
        return _person(user_id or GROUP_MEMBER_ID, first_name)

    def _place(self, chat: Chat, topic: int | None, reply_to: int | None) -> Json:
        place: Json = {"message_thread_id": topic, "is_topic_message": True} if topic else {}
        if reply_to is not None:
            original = chat.messages[reply_to].raw
            place["reply_to_message"] = {key: value for key, value in original.items() if key != "reply_to_message"}
        return place


def _person(user_id: int, first_name: str = "") -> Json:
    name = first_name or f"User {user_id}"
    return {"id": user_id, "is_bot": False, "first_name": name, "username": f"user{user_id}", "language_code": "en"}


def _with_entities(content: Json) -> Json:
    found = entities_found(content.get("text", ""))
    return content | ({"entities": found} if found and "entities" not in content else {})


def _data_of(message: Message, label: str) -> str:
    """The data of the first button whose label contains `label`."""
    buttons = [button for row in message.buttons for button in row]
    for button in buttons:
        if label.lower() in str(button["text"]).lower() and "callback_data" in button:
            return str(button["callback_data"])
    raise ValueError(f"No button {label!r}; the message has {[button['text'] for button in buttons]}.")


def _chat_named(update: Json) -> Json:
    bodies: list[Any] = [body for body in update.values() if isinstance(body, dict)]
    for body in bodies:
        message = body.get("message")
        chat = body.get("chat") or (message.get("chat") if isinstance(message, dict) else None)
        if isinstance(chat, dict) and "id" in chat:
            return chat
    return {}
