"""The one door to Telegram: python-telegram-bot's `Bot` on this process's background loop, its errors sorted in two.

The raw results of the Bot API are used, never PTB's objects: parsing them raises on content newer than the library,
and after a send that worked this would look like a send that did not.
"""

from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

from common import background
from common.errors import StopCheck
from telegram_bridge.errors import TelegramConflict, TelegramPermanent, TelegramTransient, TelegramUnauthorized
from telegram_bridge.link import LINK

__all__ = [
    "Buttons",
    "TelegramClient",
    "TelegramConflict",
    "TelegramPermanent",
    "TelegramTransient",
    "TelegramUnauthorized",
]

Buttons = Sequence[Sequence[tuple[str, str]]]
"""Rows of (label, callback data of at most 64 bytes)."""

READ_SECONDS = 20.0
UPLOAD_SECONDS = 60.0
# On top of the wait for the answer's first byte: only ends a server that sends its answer drop by drop.
REST_SECONDS = 30.0


class TelegramClient:
    """Calls the Bot API at `<api_url>/bot<token>/<method>` from any thread; cheap to make, safe across forks.

    Each call raises TelegramTransient (try later; `unknown_outcome` says whether Telegram may have acted on it) or
    TelegramPermanent (never try this again). Neither carries the token.
    """

    def __init__(self, token: str, api_url: str = "https://api.telegram.org") -> None:
        self._token = token
        self._api_url = api_url.rstrip("/")

    def send_message(
        self,
        chat_id: int,
        text: str,
        *,
        topic: int | None = None,
        buttons: Buttons | None = None,
        reply_to: int | None = None,
        parse_mode: str | None = None,
    ) -> int:
        """Sends at most 4,096 UTF-16 units of text and returns the id of the new message."""
        fields = {"chat_id": chat_id, "text": text, "parse_mode": parse_mode, "reply_markup": _keyboard(buttons)}
        return int(self._call("sendMessage", fields | _place(topic, reply_to))["message_id"])

    def edit_message(
        self,
        chat_id: int,
        message_id: int,
        text: str,
        buttons: Buttons | None = None,
        *,
        parse_mode: str | None = None,
    ) -> None:
        """Replaces text and buttons (none given: they go). A message that already reads so counts as edited."""
        fields = {"chat_id": chat_id, "message_id": message_id, "text": text, "parse_mode": parse_mode}
        try:
            self._call("editMessageText", fields | {"reply_markup": _keyboard(buttons)})
        except TelegramPermanent as error:
            if "message is not modified" not in error.description.lower():
                raise

    def send_document(
        self,
        chat_id: int,
        document: Path | bytes,
        *,
        filename: str | None = None,
        caption: str = "",
        topic: int | None = None,
        reply_to: int | None = None,
    ) -> int:
        """Uploads a file (at most 50 MB) and returns the id of its message."""
        from telegram import InputFile

        content = document.read_bytes() if isinstance(document, Path) else document
        name = filename or (document.name if isinstance(document, Path) else "file.bin")
        fields = {"chat_id": chat_id, "document": InputFile(content, filename=name), "caption": caption or None}
        sent = self._call("sendDocument", fields | _place(topic, reply_to), read_timeout=UPLOAD_SECONDS)
        return int(sent["message_id"])

    def send_chat_action(self, chat_id: int, action: str = "typing", *, topic: int | None = None) -> None:
        self._call("sendChatAction", {"chat_id": chat_id, "action": action, "message_thread_id": topic})

    def answer_callback(self, callback_id: str, text: str = "", *, alert: bool = False) -> None:
        """Ends the spinner of a pressed button, with at most 200 characters of explanation."""
        fields = {"callback_query_id": callback_id, "text": text or None, "show_alert": alert or None}
        self._call("answerCallbackQuery", fields)

    def get_updates(
        self,
        offset: int | None,
        timeout: float,
        stop: StopCheck | None = None,
        *,
        limit: int = 100,
        allowed_updates: Sequence[str] | None = None,
    ) -> list[dict[str, Any]]:
        """Waits up to `timeout` seconds for updates from `offset` on (which forgets the earlier ones); raw, as sent.

        Raises TelegramConflict when a webhook is set or another poller took over, Stopped when `stop` says so.
        """
        fields = {"offset": offset, "timeout": int(timeout), "limit": limit, "allowed_updates": allowed_updates}
        updates: list[dict[str, Any]] = self._call("getUpdates", fields, read_timeout=timeout + 10, stop=stop)
        return updates

    def set_webhook(
        self,
        url: str,
        *,
        secret_token: str = "",
        allowed_updates: Sequence[str] | None = None,
        max_connections: int | None = None,
        drop_pending_updates: bool = False,
    ) -> None:
        fields = {
            "url": url,
            "secret_token": secret_token or None,
            "allowed_updates": allowed_updates,
            "max_connections": max_connections,
            "drop_pending_updates": drop_pending_updates or None,
        }
        self._call("setWebhook", fields)

    def delete_webhook(self, *, drop_pending_updates: bool = False) -> None:
        self._call("deleteWebhook", {"drop_pending_updates": drop_pending_updates or None})

    def webhook_info(self) -> dict[str, Any]:
        info: dict[str, Any] = self._call("getWebhookInfo", {})
        return info

    def get_me(self) -> dict[str, Any]:
        me: dict[str, Any] = self._call("getMe", {})
        return me

    def set_commands(self, commands: Sequence[tuple[str, str]]) -> None:
        """Shows (command without slash, description) in the menu of every chat."""
        listed = [{"command": command, "description": description} for command, description in commands]
        self._call("setMyCommands", {"commands": listed})

    def get_file(self, file_id: str) -> bytes:
        """Fetches a file that somebody sent (Telegram gives out at most 20 MB)."""
        path = str(self._call("getFile", {"file_id": file_id})["file_path"])
        return bytes(_run(self._download(path), UPLOAD_SECONDS))

    def _call(
        self,
        method: str,
        fields: dict[str, Any],
        *,
        read_timeout: float = READ_SECONDS,
        stop: StopCheck | None = None,
    ) -> Any:
        given = {name: value for name, value in fields.items() if value is not None}
        return _run(self._post(method, given, read_timeout), read_timeout, stop)

    async def _post(self, method: str, fields: dict[str, Any], read_timeout: float) -> Any:
        from telegram.error import TelegramError

        from telegram_bridge.bot import bot_of_this_process, error_sort

        try:
            # Not `do_api_request`: it warns of each method that PTB has a typed call for.
            return await bot_of_this_process(self._token, self._api_url)._post(
                method, fields, read_timeout=read_timeout
            )
        except TelegramError as error:
            raise error_sort(error, self._token) from None
        except (KeyError, TypeError):
            raise TelegramTransient("Telegram's answer could not be read.", unknown_outcome=True) from None

    async def _download(self, path: str) -> bytes:
        from telegram.error import TelegramError

        from telegram_bridge.bot import bot_of_this_process, error_sort

        bot = bot_of_this_process(self._token, self._api_url)
        try:
            return bytes(await bot.request.retrieve(f"{bot.base_file_url}/{path}", read_timeout=UPLOAD_SECONDS))
        except TelegramError as error:
            raise error_sort(error, self._token) from None


def _run(call: Coroutine[Any, Any, Any], read_timeout: float, stop: StopCheck | None = None) -> Any:
    try:
        answer = background.run(call, stop=stop, timeout=read_timeout + REST_SECONDS)
    except TimeoutError:
        late = TelegramTransient("Telegram did not finish its answer.", unknown_outcome=True)
        LINK.heard(late)
        raise late from None
    except (TelegramTransient, TelegramPermanent) as error:
        LINK.heard(error)
        raise
    LINK.heard(None)
    return answer


def _keyboard(buttons: Buttons | None) -> dict[str, Any] | None:
    if not buttons:
        return None
    return {"inline_keyboard": [[{"text": label, "callback_data": data} for label, data in row] for row in buttons]}


def _place(topic: int | None, reply_to: int | None) -> dict[str, Any]:
    """Where a message goes; the one replied to may be gone by then, which must not lose the reply."""
    reply = {"message_id": reply_to, "allow_sending_without_reply": True} if reply_to is not None else None
    return {"message_thread_id": topic, "reply_parameters": reply}
