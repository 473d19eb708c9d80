"""Structured output: the schema as the provider takes it, and the answer checked against the schema as it was meant."""

import json
from typing import Any

import jsonschema

from llm.errors import ModelOutputInvalid

# The API refuses these in a schema (structured outputs, "JSON Schema limitations"); our own check still holds them.
UNSUPPORTED = {
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
    "minLength", "maxLength", "minItems", "maxItems", "uniqueItems",
}  # fmt: skip


def for_wire(schema: dict[str, Any]) -> dict[str, Any]:
    """`schema` without what the API refuses, and with every object closed, as it demands."""
    wired = {key: _wired(key, value) for key, value in schema.items() if key not in UNSUPPORTED}
    if schema.get("type") == "object":
        wired["additionalProperties"] = False
    return wired


def parse(text: str, schema: dict[str, Any]) -> Any:
    """The JSON value in `text`. Raises ModelOutputInvalid, saying where it breaks the schema."""
    try:
        value = json.loads(text)
    except ValueError as error:
        raise ModelOutputInvalid(f"The answer is not JSON: {error}.") from None
    problem = next(iter(jsonschema.Draft202012Validator(schema).iter_errors(value)), None)
    if problem is not None:
        raise ModelOutputInvalid(f"The answer breaks its schema at {problem.json_path}: {problem.message[:300]}.")
    return value


def _wired(key: str, value: Any) -> Any:
    if key in {"properties", "$defs", "definitions"}:
        return {name: for_wire(sub) for name, sub in value.items()}
    if isinstance(value, dict) and key not in {"const", "default"}:
        return for_wire(value)
    if isinstance(value, list) and key in {"anyOf", "allOf", "oneOf", "prefixItems"}:
        return [for_wire(sub) for sub in value]
    return value
