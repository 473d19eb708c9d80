"""What the model may be given of a tool as its server describes it: a valid name, a bounded text, a schema that holds.

The Messages API refuses a whole request for one bad tool, so whatever it would refuse is found here, and the tool is
left out with a reason.
"""

import functools
import hashlib
import json
import re
from collections.abc import Iterable
from typing import Any

from jsonschema import Draft202012Validator, SchemaError
from jsonschema.protocols import Validator
from jsonschema.validators import extend
from referencing import Registry

MAX_NAME = 64
MAX_DESCRIPTION = 2_000
MAX_SCHEMA = 20_000
MAX_DEPTH = 40
UNFIT_FOR_NAMES = re.compile(r"[^a-zA-Z0-9_-]+")
# What the Messages API takes for the name of a property.
PROPERTY = re.compile(r"[a-zA-Z0-9_.-]{1,64}\Z")
NOT_AT_THE_TOP = ("oneOf", "anyOf", "allOf")

# A pattern of the server's would run on arguments that its own description asks for: backtracking could hang a worker.
_Checker: Any = extend(Draft202012Validator, {"pattern": None, "patternProperties": None})  # type: ignore[no-untyped-call]


def lent_name(server: str, tool: str, taken: Iterable[str] = ()) -> str:
    """`server__tool` within the Messages API's rules; with a few characters of a hash where something had to give."""
    fit = UNFIT_FOR_NAMES.sub("_", tool)
    name = f"{server}__{fit}"
    if fit == tool and tool and len(name) <= MAX_NAME and name not in set(taken):
        return name
    mark = hashlib.sha256(f"{server}\0{tool}".encode()).hexdigest()[:8]
    return f"{name[: MAX_NAME - len(mark) - 1]}_{mark}"


def fingerprint(*parts: Any) -> str:
    """Changes with anything that the model, the gate or the owner goes by."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, ensure_ascii=False, default=str).encode()).hexdigest()


def complaint(schema: Any) -> str:
    """Why the model can't be given a tool with this input schema; empty when it can."""
    if not isinstance(schema, dict) or schema.get("type") != "object":
        return "Its input schema is no object."
    if _depth(schema) > MAX_DEPTH or len(json.dumps(schema)) > MAX_SCHEMA:
        return f"Its input schema is larger than {MAX_SCHEMA:,} characters, or nested too deep."
    properties = schema.get("properties", {})
    if not isinstance(properties, dict) or not all(PROPERTY.match(str(name)) for name in properties):
        return "Its input schema has a property whose name the Messages API does not take."
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        return f"Its input schema is not valid: {error.message[:150]}"
    return ""


def for_the_model(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema as the Messages API takes it. What is left out is still checked before a call."""
    return {name: value for name, value in schema.items() if name not in (*NOT_AT_THE_TOP, "$schema", "$id")}


def arguments_complaint(schema: dict[str, Any], arguments: Any) -> tuple[str, str] | None:
    """Where and what is wrong with the arguments of a call; None when nothing is. Follows no reference to elsewhere."""
    try:
        error = next(iter(_validator(json.dumps(schema)).iter_errors(arguments)), None)
    except Exception as trouble:  # an unresolvable reference, a schema that recurs for ever
        return "", f"the server's schema can't be used ({type(trouble).__name__})"
    if error is None:
        return None
    return ".".join(str(part) for part in error.absolute_path), error.message


@functools.lru_cache(maxsize=256)
def _validator(schema: str) -> Validator:
    made: Validator = _Checker(json.loads(schema), registry=Registry())
    return made


def _depth(value: Any, level: int = 0) -> int:
    if level > MAX_DEPTH or not isinstance(value, dict | list):
        return level
    inner = value.values() if isinstance(value, dict) else value
    return max((_depth(each, level + 1) for each in inner), default=level)
