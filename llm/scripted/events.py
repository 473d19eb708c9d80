"""An answer as the API sends it: a message object, or the events of a stream."""

import json
from typing import Any

from llm.scripted.counting import BYTES_A_TOKEN, tokens_of
from llm.scripted.replies import Reply

CHARS_A_DELTA = 48


def finished(reply: Reply, *, body: dict[str, Any], usage: dict[str, Any], message_id: str) -> dict[str, Any]:
    """The whole message, cut at the request's max_tokens as the real one is."""
    content, output, cut = _within(reply.content, body["max_tokens"])
    uses = any(block["type"] == "tool_use" for block in content)
    stop_reason = "max_tokens" if cut else reply.stop_reason or ("tool_use" if uses else "end_turn")
    return {
        "id": message_id,
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": content,
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": {**usage, "output_tokens": output, "service_tier": "standard", **reply.usage},
    }


def stream(message: dict[str, Any]) -> list[bytes]:
    """The server-sent events of `message`, in order."""
    opening = {**message, "content": [], "stop_reason": None, "usage": {**message["usage"], "output_tokens": 1}}
    events = [_event("message_start", message=opening), _event("ping")]
    for index, block in enumerate(message["content"]):
        events += _block(index, block)
    ending = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    told = {name: value for name, value in message["usage"].items() if name not in {"cache_creation", "service_tier"}}
    return [*events, _event("message_delta", delta=ending, usage=told), _event("message_stop")]


def error_event(kind: str, message: str) -> bytes:
    """An error in the middle of a stream."""
    return _event("error", error={"type": kind, "message": message})


def as_message(message: dict[str, Any]) -> dict[str, Any]:
    """`message` for an answer in one piece: arguments as an object."""
    return {**message, "content": [_whole(block) for block in message["content"]]}


def _whole(block: dict[str, Any]) -> dict[str, Any]:
    if block["type"] != "tool_use":
        return block
    try:
        return {**block, "input": json.loads(block["input"])}
    except ValueError:
        return {**block, "input": {}}


def _event(kind: str, **data: Any) -> bytes:
    payload = json.dumps({"type": kind, **data}, ensure_ascii=False, separators=(",", ":"))
    return f"event: {kind}\ndata: {payload}\n\n".encode()


def _block(index: int, block: dict[str, Any]) -> list[bytes]:
    if block["type"] == "tool_use":
        empty, payload, kind, name = {**block, "input": {}}, block["input"], "input_json_delta", "partial_json"
    else:
        empty, payload, kind, name = {**block, "text": ""}, block["text"], "text_delta", "text"
    pieces = [payload[at : at + CHARS_A_DELTA] for at in range(0, len(payload), CHARS_A_DELTA)]
    deltas = [_event("content_block_delta", index=index, delta={"type": kind, name: piece}) for piece in pieces]
    start = _event("content_block_start", index=index, content_block=empty)
    return [start, *deltas, _event("content_block_stop", index=index)]


def _within(content: list[dict[str, Any]], max_tokens: int) -> tuple[list[dict[str, Any]], int, bool]:
    """The blocks that fit (arguments as JSON text, which may end in the middle), their tokens, whether it was cut."""
    kept: list[dict[str, Any]] = []
    used = 0
    for block in content:
        name = "input" if block["type"] == "tool_use" else "text"
        payload = json.dumps(block["input"], ensure_ascii=False) if name == "input" else block["text"]
        room = max_tokens - used
        cut = tokens_of(payload) > room
        if cut:
            payload = payload.encode()[: room * BYTES_A_TOKEN].decode(errors="ignore")
        kept.append({**block, name: payload})
        used += tokens_of(payload)
        if cut:
            return kept, max(used, 1), True
    return kept, max(used, 1), False
