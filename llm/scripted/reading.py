"""What scripts read in a request: the new messages, the tool results, and what shape the answer must have."""

import re
from typing import Any

from llm.scripted.checks import as_blocks

NEW_MESSAGE = re.compile(r"<new_message>\n?(.*?)\n?</new_message>", re.DOTALL)
EMPTY: dict[str, Any] = {"string": "", "array": [], "object": {}, "boolean": False, "number": 0, "integer": 0}


def wanted_schema(request: dict[str, Any]) -> dict[str, Any] | None:
    """The schema of the asked-for answer; None when free text is wanted."""
    schema: dict[str, Any] | None = ((request.get("output_config") or {}).get("format") or {}).get("schema")
    return schema


def new_messages(request: dict[str, Any]) -> list[str]:
    """The texts between the markers, in the newest turn of the user's that has any; all of its text if none has."""
    texts = [_text(message) for message in request["messages"] if message["role"] == "user"]
    for text in reversed(texts):
        if found := [piece.strip() for piece in NEW_MESSAGE.findall(text)]:
            return found
    return [next((text.strip() for text in reversed(texts) if text.strip()), "")]


def last_text(request: dict[str, Any]) -> str:
    """All text of the last turn."""
    return _text(request["messages"][-1])


def tool_results(request: dict[str, Any]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Each tool_use of the turn before the last message with its tool_result; empty when the last has no results."""
    results = [block for block in as_blocks(request["messages"][-1]["content"]) if block.get("type") == "tool_result"]
    uses = {
        block["id"]: block
        for message in request["messages"]
        for block in as_blocks(message["content"])
        if block.get("type") == "tool_use"
    }
    return [(uses[result["tool_use_id"]], result) for result in results]


def result_text(result: dict[str, Any]) -> str:
    """The text of a tool_result."""
    return "\n".join(block.get("text", "") for block in as_blocks(result.get("content", "")))


def fit(answer: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """`answer` with the fields that `schema` knows, and an empty value for each that it requires and `answer` lacks."""
    known = schema.get("properties", {})
    fields = {name: answer.get(name, _empty(known[name])) for name in known}
    return {name: _allowed(value, known[name]) for name, value in fields.items()}


def _text(message: dict[str, Any]) -> str:
    return "\n".join(block["text"] for block in as_blocks(message["content"]) if block.get("type") == "text")


def _empty(schema: dict[str, Any]) -> Any:
    kind = schema.get("type", "string")
    return EMPTY.get(kind if isinstance(kind, str) else "null")


def _allowed(value: Any, schema: dict[str, Any]) -> Any:
    choices = schema.get("enum")
    return value if not choices or value in choices else choices[-1]
