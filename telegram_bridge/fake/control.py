"""The stand-in's remote control, for benches that run it as a process of its own: POST /control/<name> with JSON.

The body is an object of the arguments of FakeTelegram's method of that name; the answer `{"result": ...}`, or
`{"error": "..."}` with 400 (408 when a wait ran out).
"""

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from telegram_bridge.fake.web import Request, Response
from telegram_bridge.fake.world import Message

if TYPE_CHECKING:
    from telegram_bridge.fake.server import FakeTelegram

TELL = {"open_chat", "user_says", "user_sends", "user_edits", "user_presses", "user_blocks", "raw_update"}
ASK = {"sent", "answers", "drafts", "wait_for_sent", "counters", "confirmed"}
BREAK = {"fail_next", "reset_after", "reset_before", "delay", "offline", "expire_callbacks", "flood"}
NAMES = TELL | ASK | BREAK


def control_answer(fake: "FakeTelegram", request: Request) -> Response:
    name = request.path.removeprefix("/control/")
    if name not in NAMES:
        return _json(404, {"error": f"No such control; there are: {', '.join(sorted(NAMES))}."})
    try:
        result = getattr(fake, name)(**json.loads(request.body or b"{}"))
    except TimeoutError as error:
        return _json(408, {"error": str(error)})
    except (TypeError, ValueError, KeyError) as error:
        return _json(400, {"error": f"{type(error).__name__}: {error}"})
    return _json(200, {"result": result})


def _json(status: int, body: Any) -> Response:
    return Response(status=status, body=json.dumps(body, default=_plain).encode())


def _plain(value: Any) -> Any:
    if isinstance(value, Message):
        return value.as_json()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    raise TypeError(f"{type(value).__name__} has no JSON form.")
