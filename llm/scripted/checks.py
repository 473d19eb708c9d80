"""What the real API refuses with a 400, refused in the same way: what passes here, it would take."""

import functools
import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema

FIELDS = {
    "model", "max_tokens", "messages", "system", "tools", "tool_choice", "stream", "metadata", "stop_sequences",
    "thinking", "output_config", "service_tier", "cache_control", "inference_geo", "container", "diagnostics", "speed",
}  # fmt: skip
GONE = ("temperature", "top_p", "top_k")  # refused since API version 2026-10-21
MAX_OUTPUT = 128_000
MAX_BREAKPOINTS = 4
TOOL_NAME = re.compile(r"^[a-zA-Z0-9_-]{1,128}$")
SCHEMA_LIMITS = {"minimum", "maximum", "multipleOf", "minLength", "maxLength", "maxItems", "uniqueItems"}
BLOCKS = {
    "user": {"text", "image", "document", "tool_result", "search_result"},
    "assistant": {"text", "tool_use", "thinking", "redacted_thinking"},
}


class BadRequest(Exception):
    """invalid_request_error"""


def check(body: dict[str, Any]) -> None:
    """Raises BadRequest with the reason that the API would give."""
    for name in GONE:
        _refuse_if(name in body, f"{name}: this parameter is no longer supported")
    unknown = sorted(body.keys() - FIELDS)
    _refuse_if(bool(unknown), f"{', '.join(unknown)}: Extra inputs are not permitted")
    limit = body.get("max_tokens")
    _refuse_if("max_tokens" not in body, "max_tokens: Field required")
    _refuse_if(not isinstance(limit, int) or limit < 1, "max_tokens: Input should be greater than or equal to 1")
    _refuse_if(isinstance(limit, int) and limit > MAX_OUTPUT, f"max_tokens: {limit} > {MAX_OUTPUT}")
    _refuse_if(not isinstance(body.get("model"), str) or not body["model"], "model: Field required")
    _check_system(body.get("system", ""))
    _check_tools(body.get("tools", []))
    _check_messages(body.get("messages"))
    _check_format((body.get("output_config") or {}).get("format"))
    marks = sum(1 for block in blocks(body) if block.get("cache_control"))
    _refuse_if(marks > MAX_BREAKPOINTS, f"A maximum of 4 blocks with cache_control may be provided. Found {marks}.")


def blocks(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every tool, system block and message block, in the order that a prompt is made of."""
    yield from body.get("tools", [])
    yield from as_blocks(body.get("system", []))
    for message in body["messages"]:
        yield from as_blocks(message["content"])


def as_blocks(content: Any) -> list[dict[str, Any]]:
    """Content as a list of blocks; a string is one text block."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return content if isinstance(content, list) else []


def _refuse_if(wrong: bool, message: str) -> None:
    if wrong:
        raise BadRequest(message)


def _check_system(system: Any) -> None:
    for index, block in enumerate(as_blocks(system)):
        _refuse_if(block.get("type") != "text", f"system.{index}: Input should be a text block")
        _check_text(block, f"system.{index}")


def _check_text(block: dict[str, Any], where: str) -> None:
    text = block.get("text")
    _refuse_if(not isinstance(text, str) or not text, f"{where}: text content blocks must be non-empty")
    _refuse_if(not str(text).strip(), f"{where}: text content blocks must contain non-whitespace text")


def _check_tools(tools: Any) -> None:
    names = [tool.get("name", "") for tool in tools]
    _refuse_if(len(set(names)) != len(names), "tools: Tool names must be unique.")
    for index, tool in enumerate(tools):
        _refuse_if(not TOOL_NAME.match(tool.get("name", "")), f"tools.{index}.name: String should match {TOOL_NAME}")
        schema = tool.get("input_schema")
        wrong = not isinstance(schema, dict) or schema.get("type") != "object"
        _refuse_if(wrong, f"tools.{index}.input_schema.type: Input should be 'object'")
        extra = tool.keys() - {"name", "description", "input_schema", "cache_control", "type", "strict"}
        _refuse_if(bool(extra), f"tools.{index}.{', '.join(sorted(extra))}: Extra inputs are not permitted")


def _check_messages(messages: Any) -> None:
    _refuse_if(not isinstance(messages, list) or not messages, "messages: at least one message is required")
    _refuse_if(messages[0].get("role") != "user", "messages: first message must use the user role")
    for index, message in enumerate(messages):
        _check_message(index, message)
    prefill = "This model does not support assistant message prefill. The conversation must end with a user message."
    _refuse_if(messages[-1]["role"] == "assistant", prefill)
    for index, message in enumerate(messages):
        _check_pairs(index, message, messages[index - 1] if index else {"content": []})
        answered = index + 1 < len(messages) and messages[index + 1]["role"] == "user"
        uses = _ids(message, "tool_use", "id")
        _refuse_if(bool(uses) and not answered, _unanswered(index, uses))


def _check_message(index: int, message: dict[str, Any]) -> None:
    where = f"messages.{index}"
    role = message.get("role")
    _refuse_if(role not in BLOCKS, f"{where}.role: Input should be 'user' or 'assistant'")
    extra = message.keys() - {"role", "content"}
    _refuse_if(bool(extra), f"{where}.{', '.join(sorted(extra))}: Extra inputs are not permitted")
    content = as_blocks(message.get("content"))
    _refuse_if(not content, f"{where}: all messages must have non-empty content")
    for place, block in enumerate(content):
        kind = block.get("type", "")
        _refuse_if(kind not in BLOCKS[str(role)], f"{where}.content.{place}: {kind} blocks can't be in a {role} turn")
        if kind == "text":
            _check_text(block, f"{where}.content.{place}")
        _refuse_if("parsed_output" in block, f"{where}.content.{place}.parsed_output: Extra inputs are not permitted")


def _check_pairs(index: int, message: dict[str, Any], before: dict[str, Any]) -> None:
    """Each tool_result answers a tool_use of the turn before, all of those are answered, and results come first."""
    uses, results = _ids(before, "tool_use", "id"), _ids(message, "tool_result", "tool_use_id")
    stray = [key for key in results if key not in uses]
    _refuse_if(
        bool(stray),
        f"messages.{index}: unexpected `tool_use_id` found in `tool_result` blocks: {', '.join(stray)}. Each "
        "`tool_result` block must have a corresponding `tool_use` block in the previous message.",
    )
    _refuse_if(len(set(results)) != len(results), f"messages.{index}: each tool_use must have a single result")
    missing = [key for key in uses if key not in results]
    _refuse_if(bool(missing), _unanswered(index - 1, missing))
    kinds = [block.get("type") for block in as_blocks(message["content"])]
    _refuse_if(
        bool(results) and "tool_result" in kinds[len(results) :],
        f"messages.{index}: `tool_result` blocks must come first in the content",
    )


def _unanswered(index: int, ids: list[str]) -> str:
    return (
        f"messages.{index}: `tool_use` ids were found without `tool_result` blocks immediately after: "
        f"{', '.join(ids)}. Each `tool_use` block must have a corresponding `tool_result` block in the next message."
    )


def _ids(message: dict[str, Any], kind: str, key: str) -> list[str]:
    return [str(block.get(key)) for block in as_blocks(message["content"]) if block.get("type") == kind]


def _check_format(wanted: Any) -> None:
    if wanted is None:
        return
    _refuse_if(wanted.get("type") != "json_schema", "output_config.format.type: Input should be 'json_schema'")
    schema = wanted.get("schema")
    _refuse_if(not isinstance(schema, dict), "output_config.format.schema: Field required")
    complaint = _complaint(json.dumps(schema))
    _refuse_if(bool(complaint), f"output_config.format.schema: {complaint}")
    _check_schema(schema, "output_config.format.schema")


@functools.lru_cache(maxsize=64)
def _complaint(schema: str) -> str:
    """What is wrong with a schema as such; kept, as the real API keeps its compiled grammars, because it takes 3 ms."""
    try:
        jsonschema.Draft202012Validator.check_schema(json.loads(schema))
    except jsonschema.SchemaError as error:
        return str(error.message)
    return ""


def _check_schema(schema: dict[str, Any], where: str) -> None:
    if schema.get("type") == "object":
        closed = schema.get("additionalProperties") is False
        _refuse_if(not closed, f"{where}: For 'object' type, 'additionalProperties' must be explicitly set to false")
    limits = sorted(schema.keys() & SCHEMA_LIMITS)
    _refuse_if(bool(limits), f"{where}: For '{schema.get('type')}' type, properties {limits} are not supported")
    for name, sub in (schema.get("properties") or {}).items():
        _check_schema(sub, f"{where}.properties.{name}")
    if isinstance(schema.get("items"), dict):
        _check_schema(schema["items"], f"{where}.items")
