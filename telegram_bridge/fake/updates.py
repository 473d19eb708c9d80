"""Updates on their way to the bot: numbered, kept until confirmed, handed out by polling or left to the webhook."""

import re
import time
from collections import OrderedDict
from dataclasses import dataclass
from urllib.parse import urlsplit

from telegram_bridge.fake.errors import ApiError, BadRequest
from telegram_bridge.fake.params import Params
from telegram_bridge.fake.world import Json, World

ONLY_WHEN_ASKED_FOR = {"chat_member", "message_reaction", "message_reaction_count"}
LONGEST_POLL_SECONDS = 50
SECRET = re.compile(r"[A-Za-z0-9_-]{1,256}")
PORTS = (80, 88, 443, 8443)
WEBHOOK_IS_SET = "can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"
OTHER_POLLER = "terminated by other getUpdates request; make sure that only one bot instance is running"


@dataclass(kw_only=True)
class Pending:
    """An update nobody has confirmed. Those of one `lane` (its chat) are delivered one after another."""

    update_id: int
    lane: int
    raw: Json
    attempts: int = 0


@dataclass(kw_only=True)
class Webhook:
    """Where updates are posted; an empty url: nowhere."""

    url: str = ""
    secret: str = ""
    max_connections: int = 40
    last_error: str = ""
    last_error_at: int = 0


class Updates:
    """The updates of one bot. Guarded by the world's lock."""

    def __init__(self, world: World, *, allow_http: bool) -> None:
        self.world = world
        self.allow_http = allow_http
        self.pending: OrderedDict[int, Pending] = OrderedDict()
        self.confirmed_ns: dict[int, int] = {}
        self.webhook = Webhook()
        self._allowed: set[str] = set()
        self._poll = 0
        self._poll_ended_by = ""

    def push(self, raw: Json, *, lane: int) -> bool:
        """Queues an update, unless its kind is not wanted."""
        kinds = set(raw) - {"update_id"}
        if (kinds & ONLY_WHEN_ASKED_FOR and not self._allowed) or (self._allowed and not kinds & self._allowed):
            return False
        update_id = int(raw["update_id"])
        self.pending[update_id] = Pending(update_id=update_id, lane=lane, raw=raw)
        self.world.changed.notify_all()
        return True

    def confirm(self, update_id: int) -> None:
        if self.pending.pop(update_id, None) is not None:
            self.confirmed_ns[update_id] = time.monotonic_ns()
            self.world.changed.notify_all()

    def poll(self, params: Params) -> list[Json]:
        """getUpdates. The latest caller wins: whoever waited before is sent away with 409."""
        self._refuse_beside_a_webhook()
        self._allow(params)
        turn = self._turn(OTHER_POLLER)
        self._confirm_before(params.integer("offset"))
        timeout = min(max(params.integer("timeout"), 0), LONGEST_POLL_SECONDS)
        self.world.changed.wait_for(lambda: self.pending or self._poll != turn, timeout)
        if self._poll != turn:
            raise ApiError(409, f"Conflict: {self._poll_ended_by}")
        limit = params.integer("limit", 100)
        return [waiting.raw for waiting in list(self.pending.values())[: limit if 1 <= limit <= 100 else 100]]

    def _turn(self, reason: str) -> int:
        self._poll += 1
        self._poll_ended_by = reason
        self.world.changed.notify_all()
        return self._poll

    def _refuse_beside_a_webhook(self) -> None:
        if self.webhook.url:
            raise ApiError(409, f"Conflict: {WEBHOOK_IS_SET}")

    def _confirm_before(self, offset: int) -> None:
        """A negative offset keeps that many of the latest."""
        ids = list(self.pending)
        gone = ids[:offset] if offset < 0 else [update_id for update_id in ids if update_id < offset]
        for update_id in gone:
            self.confirm(update_id)

    def _allow(self, params: Params) -> None:
        allowed = params.parsed("allowed_updates")
        if isinstance(allowed, list):
            self._allowed = set(map(str, allowed))

    def set_webhook(self, params: Params) -> str:
        """Returns Telegram's words for what was done."""
        url, secret = params.text("url"), params.text("secret_token")
        if not url:
            return self.delete_webhook(params)
        self._check_url(url)
        if secret and not SECRET.fullmatch(secret):
            raise BadRequest("secret token contains unallowed characters")
        self._allow(params)
        connections = min(max(params.integer("max_connections", 40), 1), 100)
        self._replace(Webhook(url=url, secret=secret, max_connections=connections), params)
        return "Webhook was set"

    def delete_webhook(self, params: Params) -> str:
        was_set = bool(self.webhook.url)
        self._replace(Webhook(), params)
        return "Webhook was deleted" if was_set else "Webhook is already deleted"

    def _replace(self, webhook: Webhook, params: Params) -> None:
        if params.flag("drop_pending_updates"):
            self.pending.clear()
        self.webhook = webhook
        self._turn("terminated by setWebhook request")

    def _check_url(self, url: str) -> None:
        parts = urlsplit(url)
        if self.allow_http:
            return
        if parts.scheme != "https":
            raise BadRequest("bad webhook: An HTTPS URL must be provided for webhook")
        if (parts.port or 443) not in PORTS:
            raise BadRequest("bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443")

    def webhook_info(self) -> Json:
        hook = self.webhook
        info: Json = {"url": hook.url, "has_custom_certificate": False, "pending_update_count": len(self.pending)}
        if hook.url:
            info["max_connections"] = hook.max_connections
        if hook.last_error:
            info |= {"last_error_date": hook.last_error_at, "last_error_message": hook.last_error}
        if self._allowed:
            info["allowed_updates"] = sorted(self._allowed)
        return info
