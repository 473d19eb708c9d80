"""A request as it goes over the wire, with its cache breakpoints, and the most tokens that it can be counted as."""

import json
from typing import Any

from common.text import redact_known
from llm import schema
from llm.errors import Fate, ModelRejected
from llm.types import ModelRequest, Purpose

SIGNED = ("thinking", "redacted_thinking")
BREAKPOINT = {"type": "ephemeral"}

# An image is scaled down by the provider and counted as width x height / 750; no published cap is above this figure.
IMAGE_TOKENS = 5_000
# What the provider adds of its own to a request with tools or a schema: published figures lie between 264 and 804.
ADDED_TOKENS = 1_000
ENVELOPE_TOKENS = 50


def body_of(request: ModelRequest, *, model: str) -> dict[str, Any]:
    """The Messages API's parameters. The prefix (tools, then system) is the same from call to call, and ends in a
    breakpoint; a growing conversation has a second one at its end, so each turn reads what the last one wrote."""
    body: dict[str, Any] = {"model": model, "max_tokens": request.max_tokens}
    if request.tools:
        body["tools"] = [*request.tools]
    if request.system:
        body["system"] = [{"type": "text", "text": request.system, "cache_control": BREAKPOINT}]
    elif request.tools:
        body["tools"][-1] = {**request.tools[-1], "cache_control": BREAKPOINT}
    growing = request.purpose == Purpose.WORK
    messages = without_secrets(request.messages)
    body["messages"] = _with_breakpoint(messages) if growing else messages
    if request.schema is not None:
        body["output_config"] = {"format": {"type": "json_schema", "schema": schema.for_wire(request.schema)}}
    return body


def without_secrets(value: Any) -> Any:
    """The messages without any secret that this process knows, wherever it stands in them: what tools
    say was redacted before it was stored, what a person writes was not. Signed blocks of the model stay as they are."""
    if isinstance(value, str):
        return redact_known(value)
    if isinstance(value, list):
        return [without_secrets(each) for each in value]
    if not isinstance(value, dict) or value.get("type") in SIGNED:
        return value
    return {name: without_secrets(each) for name, each in value.items()}


def input_bound(body: dict[str, Any]) -> int:
    """The most input tokens that `body` can be counted as, never an estimate: a token is at least one byte of text.

    Raises ModelRejected for content that has no such bound (documents by reference or as binary).
    """
    images = _images(body["messages"])
    # A picture's bytes say nothing of its tokens: they are left out, and the formula's maximum is put in.
    skip = sum(len(source.get("data", "")) for source in images)
    size = len(json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()) - skip
    added = ADDED_TOKENS if "tools" in body or "output_config" in body else ENVELOPE_TOKENS
    return size + added + IMAGE_TOKENS * len(images)


def _with_breakpoint(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if not messages:
        return messages
    *earlier, last = messages
    content = last["content"]
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else [*content]
    if not blocks:
        return messages
    blocks[-1] = {**blocks[-1], "cache_control": BREAKPOINT}
    return [*earlier, {**last, "content": blocks}]


def _images(value: Any) -> list[dict[str, Any]]:
    """The `source` of every image, also those inside of tool results."""
    if isinstance(value, list):
        return [source for item in value for source in _images(item)]
    if not isinstance(value, dict):
        return []
    if value.get("type") == "image":
        return [value.get("source", {})]
    if value.get("type") == "document" and value.get("source", {}).get("type") != "text":
        raise ModelRejected("Documents can be sent as text only: their cost has no upper bound.", fate=Fate.NEVER_LEFT)
    # A tool call's input is free JSON, not content blocks: an "image" in it is only text.
    return _images(value.get("content")) if value.get("type") != "tool_use" else []
