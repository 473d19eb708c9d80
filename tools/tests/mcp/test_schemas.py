"""What the model may be given: names, texts and schemas that the Messages API takes, whatever a server says."""

import re

import pytest

from tools.mcp import schemas

VALID = re.compile(r"[a-zA-Z0-9_-]{1,64}\Z")


@pytest.mark.parametrize("tool", ["echo", "get.sum", "läs fil", "", "x" * 200, "a/b", "a b", "__", "😀"])
def test_every_name_is_one_that_the_messages_api_takes(tool: str) -> None:
    assert VALID.match(schemas.lent_name("a" * 24, tool))


def test_an_ordinary_name_is_kept() -> None:
    assert schemas.lent_name("github", "create_issue") == "github__create_issue"


def test_names_that_would_fall_together_are_kept_apart() -> None:
    names = {schemas.lent_name("s", tool) for tool in ("a.b", "a b", "a/b", "a_b", "x" * 100, "x" * 101)}
    assert len(names) == 6
    assert schemas.lent_name("s", "a", taken=["s__a"]) != "s__a"


@pytest.mark.parametrize(
    "schema",
    [
        None,
        [],
        {},
        {"type": "string"},
        {"type": "object", "properties": []},
        {"type": "object", "properties": {"a b": {}}},
        {"type": "object", "properties": {"a": {"type": "nonsense"}}},
        {"type": "object", "description": "x" * 30_000},
    ],
)
def test_a_schema_that_the_messages_api_would_refuse_is_found(schema: object) -> None:
    assert schemas.complaint(schema).startswith("Its input schema")


def test_a_schema_nested_without_end_is_found() -> None:
    deep: dict[str, object] = {"type": "object"}
    for _ in range(100):
        deep = {"type": "object", "properties": {"a": deep}}
    assert "too deep" in schemas.complaint(deep)


def test_what_the_messages_api_takes_only_further_down_is_left_out_but_still_checked() -> None:
    schema = {"type": "object", "properties": {"a": {}, "b": {}}, "oneOf": [{"required": ["a"]}, {"required": ["b"]}]}
    assert schemas.complaint(schema) == ""
    assert set(schemas.for_the_model(schema)) == {"type", "properties"}
    assert schemas.arguments_complaint(schema, {"a": 1}) is None
    assert schemas.arguments_complaint(schema, {}) is not None


def test_a_pattern_that_would_never_end_is_not_tried() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "pattern": "^(a+)+$"}}}
    assert schemas.arguments_complaint(schema, {"a": "a" * 40 + "!"}) is None


def test_a_reference_to_elsewhere_is_not_followed() -> None:
    schema = {"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1:9/schema.json"}}}
    found = schemas.arguments_complaint(schema, {"a": 1})
    assert found is not None
    assert "can't be used" in found[1]


def test_a_fingerprint_does_not_hang_on_the_order_of_keys() -> None:
    assert schemas.fingerprint({"a": 1, "b": 2}) == schemas.fingerprint({"b": 2, "a": 1})
    assert schemas.fingerprint("a", "bc") != schemas.fingerprint("ab", "c")
