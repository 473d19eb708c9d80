"""The stand-in refuses what the real API refuses, counts honestly, and speaks HTTP as it does."""

import http.client
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from llm.scripted import Reply, ScriptedModel, call_tool, json_answer, say
from llm.scripted.counting import PromptCache

HEADERS = {"content-type": "application/json", "x-api-key": "k", "anthropic-version": "2023-06-01"}
USE = {"type": "tool_use", "id": "toolu_1", "name": "shell", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "ok"}
HI = {"role": "user", "content": "Hi."}
ASKED = {"role": "assistant", "content": [USE]}


@pytest.fixture
def stand_in() -> Iterator[ScriptedModel]:
    with ScriptedModel(lambda request: say("Hello there.")) as model:
        yield model


@pytest.fixture
def post(stand_in) -> Iterator[Callable[..., tuple[int, dict[str, Any], str]]]:
    """POSTs over one connection that is kept open; gives status, body and request id."""
    connection = http.client.HTTPConnection(stand_in.url.removeprefix("http://"), timeout=10)

    def send(body: dict[str, Any] | str | None = None, headers: dict[str, str] = HEADERS, **fields: Any):
        whole = {"model": "claude-sonnet-5-5", "max_tokens": 100, "messages": [HI]} | fields
        data = body if isinstance(body, str) else json.dumps(whole if body is None else body)
        connection.request("POST", "/v1/messages", data.encode(), headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read()), response.headers["request-id"]

    yield send
    connection.close()


def test_it_answers_in_one_piece(post, stand_in):
    status, body, request_id = post()
    assert (status, body["content"]) == (200, [{"type": "text", "text": "Hello there."}])
    assert (body["stop_reason"], body["usage"]["output_tokens"]) == ("end_turn", 3)
    assert request_id == stand_in.requests[0].request_id


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"temperature": 0.5}, "temperature: this parameter is no longer supported"),
        ({"top_p": 0.5}, "top_p"),
        ({"tempo": 1}, "tempo: Extra inputs are not permitted"),
        ({"max_tokens": None}, "max_tokens"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 500_000}, "max_tokens"),
        ({"messages": []}, "at least one message"),
        ({"messages": [{"role": "assistant", "content": "Hi"}]}, "first message must use the user role"),
        ({"messages": [HI, {"role": "assistant", "content": "Well,"}]}, "prefill"),
        ({"messages": [{"role": "system", "content": "x"}]}, "first message"),
        ({"messages": [HI, {"role": "robot", "content": "x"}]}, "role"),
        ({"messages": [HI | {"name": "Olga"}]}, "Extra inputs"),
        ({"messages": [{"role": "user", "content": ""}]}, "non-empty content"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": " "}]}]}, "non-whitespace"),
        ({"messages": [{"role": "user", "content": [USE]}]}, "can't be in a user turn"),
        ({"messages": [HI, {"role": "user", "content": [RESULT]}]}, "unexpected `tool_use_id`"),
        ({"messages": [HI, ASKED, HI]}, "without `tool_result` blocks"),
        ({"messages": [HI, ASKED, {"role": "user", "content": [RESULT, RESULT]}]}, "single result"),
        (
            {"messages": [HI, ASKED, {"role": "user", "content": [{"type": "text", "text": "x"}, RESULT]}]},
            "must come first",
        ),
        ({"tools": [{"name": "a b", "input_schema": {"type": "object"}}]}, "tools.0.name"),
        ({"tools": [{"name": "a", "input_schema": {"type": "string"}}]}, "input_schema"),
        ({"tools": [{"name": "a", "input_schema": {"type": "object"}}] * 2}, "unique"),
        ({"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}}, "additionalProperties"),
        (
            {"output_config": {"format": {"type": "json_schema", "schema": {"type": "number", "minimum": 1}}}},
            "not supported",
        ),
        ({"system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}] * 5}, "maximum of 4"),
    ],
)
def test_it_refuses_what_the_api_refuses(post, fields, says):
    status, body, _ = post(**fields)
    assert (status, body["error"]["type"]) == (400, "invalid_request_error")
    assert says in body["error"]["message"]


def test_max_tokens_must_be_there(post):
    status, body, _ = post({"model": "claude-sonnet-5-5", "messages": [HI]})
    assert (status, body["error"]["message"]) == (400, "max_tokens: Field required")


def test_a_whole_turn_of_tools_passes(post):
    content = [RESULT, {"type": "text", "text": "and now?"}]
    assert post(messages=[HI, ASKED, {"role": "user", "content": content}])[0] == 200


@pytest.mark.parametrize("body", ["not json", "[]", "null"])
def test_a_body_that_is_no_object_is_refused(post, body):
    assert post(body)[0] == 400


def test_key_and_version_are_asked_for(post):
    assert post(headers={"anthropic-version": "2023-06-01"})[0] == 401
    assert post(headers={"authorization": "Bearer k"})[0] == 400
    assert post(headers={"authorization": "Bearer k", "anthropic-version": "2026-10-21"})[0] == 200


def test_an_unknown_model_is_not_found(post):
    assert post(model="gpt-9")[:2][0] == 404


def test_arguments_are_an_object_in_one_piece(post, stand_in):
    stand_in.script = lambda request: call_tool("shell", {"command": "ls"}, text="Let me see.")
    body = post()[1]
    assert body["stop_reason"] == "tool_use"
    assert body["content"][1]["input"] == {"command": "ls"}


def test_a_script_that_breaks_the_schema_is_found_out(post, stand_in):
    schema = {
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "required": ["a"],
        "additionalProperties": False,
    }
    wanted = {"output_config": {"format": {"type": "json_schema", "schema": schema}}}
    stand_in.script = lambda request: json_answer({"b": 1})
    assert post(**wanted)[0] == 500
    assert len(stand_in.errors) == 1
    stand_in.script = lambda request: Reply(content=[{"type": "text", "text": "{}"}], checked=False)
    assert post(**wanted)[0] == 200


def test_faults_come_in_the_order_they_were_asked_for(post, stand_in):
    stand_in.fail_next(529)
    stand_in.fail_next(429, n=2, retry_after=7)
    assert [post()[0] for _ in range(4)] == [529, 429, 429, 200]


class Hours:
    """A clock that is moved by hand, in seconds."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def prompt(*texts: str, mark: int = -1, ttl: str = "5m") -> dict[str, Any]:
    content: list[dict[str, Any]] = [{"type": "text", "text": text} for text in texts]
    content[mark]["cache_control"] = {"type": "ephemeral", "ttl": ttl}
    return {"model": "m", "messages": [{"role": "user", "content": content}]}


STORY = "Once upon a time. " * 400


def counts(usage: dict[str, Any]) -> tuple[int, int, int]:
    return usage["input_tokens"], usage["cache_creation_input_tokens"], usage["cache_read_input_tokens"]


def test_a_prefix_is_written_once_and_read_while_it_lasts():
    clock = Hours()
    cache = PromptCache(clock=clock)
    _, written, read = counts(cache.count(prompt(STORY)))
    assert (written > 1024, read) == (True, 0)
    clock.now = 299
    assert counts(cache.count(prompt(STORY))) == (0, 0, written)
    clock.now = 299 + 299
    assert counts(cache.count(prompt(STORY))) == (0, 0, written)
    clock.now += 301
    assert counts(cache.count(prompt(STORY))) == (0, written, 0)


def test_only_what_is_new_is_written_when_a_conversation_grows():
    cache = PromptCache()
    _, first, _ = counts(cache.count(prompt(STORY)))
    uncached, written, read = counts(cache.count(prompt(STORY, "And then?" * 10, "tail", mark=1)))
    assert read == first
    assert written > 0
    assert uncached > 0


def test_one_changed_byte_makes_a_new_prefix():
    cache = PromptCache()
    cache.count(prompt(STORY))
    assert counts(cache.count(prompt("X" + STORY[1:])))[2] == 0


def test_a_short_prefix_is_not_kept():
    cache = PromptCache()
    assert counts(cache.count(prompt("short")))[1:] == (0, 0)
    assert counts(cache.count(prompt("short")))[1:] == (0, 0)


def test_an_hour_is_counted_as_an_hour():
    clock = Hours()
    cache = PromptCache(clock=clock)
    usage = cache.count(prompt(STORY, ttl="1h"))
    assert usage["cache_creation"]["ephemeral_1h_input_tokens"] == usage["cache_creation_input_tokens"] > 0
    clock.now = 3500
    assert counts(cache.count(prompt(STORY, ttl="1h")))[2] > 0
