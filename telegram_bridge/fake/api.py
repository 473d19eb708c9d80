"""From an HTTP request to a method of the Bot API and back."""

import json
import re
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from telegram_bridge.fake.errors import ApiError, ConnectionCut
from telegram_bridge.fake.faults import Fault, FaultKind
from telegram_bridge.fake.methods import METHODS
from telegram_bridge.fake.params import Params, params_read
from telegram_bridge.fake.updates import Updates
from telegram_bridge.fake.web import Request, Response
from telegram_bridge.fake.world import Json, World

PATH = re.compile(r"/(?P<file>file/)?bot(?P<token>[^/]*)/(?P<rest>.+)")
TOKEN = re.compile(r"\d+:[A-Za-z0-9_-]+")


class BotApi:
    """Answers `/bot<token>/<method>` and `/file/bot<token>/<path>`."""

    def __init__(self, world: World, updates: Updates, *, after_call: Callable[[], None]) -> None:
        self._world = world
        self._updates = updates
        self._after_call = after_call

    def answer(self, request: Request) -> Response:
        found = PATH.fullmatch(request.path)
        try:
            if found is None or not TOKEN.fullmatch(unquote(found["token"])):
                raise ApiError(404, "Not Found")
            if unquote(found["token"]) != self._world.token:
                raise ApiError(401, "Unauthorized")
            return self._file(found["rest"]) if found["file"] else self._call(found["rest"], request)
        except ApiError as error:
            return _refused(error)

    def _call(self, name: str, request: Request) -> Response:
        with self._world.lock:
            self._world.calls[name] += 1
            fault = self._world.faults.take(name)
            pause = self._world.faults.delay(name)
        if pause:
            time.sleep(pause)
        if fault is not None and fault.kind is FaultKind.FAIL:
            raise fault.error()
        if fault is not None and fault.kind is FaultKind.CUT_BEFORE:
            raise ConnectionCut
        params = params_read(request.query, request.headers.get("content-type", ""), request.body)
        return self._done(name, params, fault)

    def _done(self, name: str, params: Params, fault: Fault | None) -> Response:
        with self._world.changed:
            answer = self._run(name.lower(), params)
            self._after_call()
            self._world.changed.notify_all()
        if fault is not None:
            raise ConnectionCut
        return Response(status=200, body=json.dumps({"ok": True} | answer).encode())

    def _run(self, name: str, params: Params) -> Json:
        own: dict[str, Callable[[], Json]] = {
            "getupdates": lambda: {"result": self._updates.poll(params)},
            "setwebhook": lambda: {"result": True, "description": self._updates.set_webhook(params)},
            "deletewebhook": lambda: {"result": True, "description": self._updates.delete_webhook(params)},
            "getwebhookinfo": lambda: {"result": self._updates.webhook_info()},
        }
        if name in own:
            return own[name]()
        if name not in METHODS:
            raise ApiError(404, "Not Found: method not found")
        result: Any = METHODS[name](self._world, params)
        return {"result": result}

    def _file(self, path: str) -> Response:
        parts = unquote(path).split("/")
        with self._world.lock:
            upload = self._world.files.get(parts[1]) if len(parts) == 3 else None
        if upload is None:
            raise ApiError(404, "Not Found")
        return Response(status=200, body=upload.content, content_type="application/octet-stream")


def _refused(error: ApiError) -> Response:
    body: Json = {"ok": False, "error_code": error.code, "description": error.description}
    if error.retry_after is not None:
        body["parameters"] = {"retry_after": error.retry_after}
    return Response(status=error.code, body=json.dumps(body).encode())
