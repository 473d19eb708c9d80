"""Delivers updates to the webhook: a chat's one after another, several chats at once, again until it says 2xx."""

import http.client
import json
import socket
import ssl
import threading
import time
from urllib.parse import urlsplit

from telegram_bridge.fake.updates import Pending, Updates, Webhook

ANSWER_SECONDS = 60.0
LONGEST_PAUSE_SECONDS = 60.0
REFUSED = (http.client.HTTPException, OSError)


class Pusher:
    """Threads that post updates; one a connection, started as they are needed."""

    def __init__(self, updates: Updates, *, retry_seconds: float, online: threading.Event) -> None:
        self._updates = updates
        self._world = updates.world
        self._retry_seconds = retry_seconds
        self._online = online
        self._work = threading.Condition(self._world.lock)
        self._threads: list[threading.Thread] = []
        self._idle = 0
        self._busy_lanes: set[int] = set()
        self._paused: dict[int, float] = {}
        self._closing = False

    def wake(self) -> None:
        """Call it (with the lock held) when an update was pushed or the webhook changed."""
        if not self._updates.webhook.url:
            return
        if self._idle < len(self._updates.pending) and len(self._threads) < self._updates.webhook.max_connections:
            thread = threading.Thread(target=self._run, name="fake-webhook", daemon=True)
            self._threads.append(thread)
            thread.start()
        self._work.notify()

    def close(self) -> None:
        with self._work:
            self._closing = True
            self._work.notify_all()
        for thread in self._threads:
            thread.join(timeout=2)

    def _run(self) -> None:
        line = _Line()
        while True:
            with self._work:
                waiting = self._take()
                while waiting is None and not self._closing:
                    self._idle += 1
                    self._work.wait(self._next_retry())
                    self._idle -= 1
                    waiting = self._take()
                hook = self._updates.webhook
            if waiting is None or self._closing:
                return line.close()
            trouble = self._post(line, hook, waiting)
            with self._work:
                self._settle(hook, waiting, trouble)

    def _take(self) -> Pending | None:
        """The oldest update whose chat is neither being served nor waiting out a failure; its chat becomes busy."""
        now = time.monotonic()
        if not self._updates.webhook.url or not self._online.is_set():
            return None
        blocked = set(self._busy_lanes)
        for waiting in self._updates.pending.values():
            if waiting.lane not in blocked and self._paused.get(waiting.lane, 0.0) <= now:
                self._busy_lanes.add(waiting.lane)
                return waiting
        return None

    def _next_retry(self) -> float | None:
        """Seconds until a pause ends; a short look round while offline, for ever when nothing waits."""
        if not self._online.is_set():
            return 0.05
        times = [at for lane, at in self._paused.items() if lane not in self._busy_lanes]
        return max(min(times) - time.monotonic(), 0.001) if times and self._updates.pending else None

    def _post(self, line: "_Line", hook: Webhook, waiting: Pending) -> str:
        waiting.attempts += 1
        headers = {"Content-Type": "application/json"}
        if hook.secret:
            headers["X-Telegram-Bot-Api-Secret-Token"] = hook.secret
        try:
            status, reason = line.post(hook.url, json.dumps(waiting.raw).encode(), headers)
        except TimeoutError:
            return "Read timeout expired"
        except ConnectionRefusedError:
            return "Connection refused"
        except REFUSED as error:
            return f"Connection failed: {type(error).__name__}"
        return "" if 200 <= status < 300 else f"Wrong response from the webhook: {status} {reason}"

    def _settle(self, hook: Webhook, waiting: Pending, trouble: str) -> None:
        self._busy_lanes.discard(waiting.lane)
        if trouble:
            hook.last_error, hook.last_error_at = trouble, int(time.time())
            pause = min(self._retry_seconds * 2 ** (waiting.attempts - 1), LONGEST_PAUSE_SECONDS)
            self._paused[waiting.lane] = time.monotonic() + pause
            self._world.changed.notify_all()
        else:
            self._paused.pop(waiting.lane, None)
            self._updates.confirm(waiting.update_id)
        self._work.notify()


class _Line:
    """A kept-alive connection to the webhook."""

    def __init__(self) -> None:
        self._connection: http.client.HTTPConnection | None = None
        self._origin = ""

    def post(self, url: str, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}"
        fresh = self._connection is None or self._origin != origin
        if fresh:
            self.close()
            self._connection, self._origin = _connection(parts.scheme, parts.netloc), origin
        try:
            return self._send(f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}", body, headers)
        except REFUSED as error:
            self.close()
            if fresh or isinstance(error, TimeoutError):
                raise
            return self.post(url, body, headers)  # A kept connection that the server had closed meanwhile.

    def _send(self, target: str, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
        assert self._connection is not None
        self._connection.request("POST", target, body=body, headers=headers)
        response = self._connection.getresponse()
        response.read()
        if response.will_close:
            self.close()
        return response.status, response.reason

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None


def _connection(scheme: str, netloc: str) -> http.client.HTTPConnection:
    if scheme == "https":
        unchecked = ssl.create_default_context()  # Webhooks on one machine have self-signed certificates.
        unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE
        return http.client.HTTPSConnection(netloc, timeout=ANSWER_SECONDS, context=unchecked)
    connection = http.client.HTTPConnection(netloc, timeout=ANSWER_SECONDS)
    connection.connect()
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection
