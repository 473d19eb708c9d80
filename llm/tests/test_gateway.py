"""Through the real SDK against the stand-in: answers, the ledger, and what is never done."""

import json
from decimal import Decimal

import pytest
from django.db import transaction

from budget.errors import LimitReached
from budget.models import LedgerEntry, Limit, Reservation
from common.errors import Frozen
from llm.body import input_bound
from llm.errors import ModelOutputInvalid, ModelRejected
from llm.scripted import Reply, call_tool, json_answer, say
from llm.types import Purpose, Scope
from ops.models import Switch

pytestmark = pytest.mark.django_db
SCHEMA = {
    "type": "object",
    "properties": {
        "intent": {"type": "string", "enum": ["question", "command"]},
        "confidence": {"type": "number", "minimum": 0, "maximum": 1},
    },
    "required": ["intent", "confidence"],
}
TOOLS = [{"name": "shell", "description": "Runs a command", "input_schema": {"type": "object", "properties": {}}}]


def only_entry() -> LedgerEntry:
    return LedgerEntry.objects.get()


def equal_to_the_token(entry: LedgerEntry, usage: dict) -> bool:
    split = usage["cache_creation"]
    return (
        entry.input_tokens == usage["input_tokens"]
        and entry.output_tokens == usage["output_tokens"]
        and entry.cache_read_tokens == usage["cache_read_input_tokens"]
        and entry.cache_write_5m_tokens == split["ephemeral_5m_input_tokens"]
        and entry.cache_write_1h_tokens == split["ephemeral_1h_input_tokens"]
    )


def test_an_answer_comes_back_and_is_in_the_ledger_to_the_token(model, ask):
    reply = ask()
    entry = only_entry()
    assert (reply.text, reply.stop_reason, reply.model) == ("Hello there.", "end_turn", "claude-sonnet-5-5")
    assert equal_to_the_token(entry, model.requests[0].usage)
    assert (reply.ledger_id, reply.tokens, reply.cost_usd) == (entry.pk, entry.tokens, entry.cost_usd)
    assert (entry.outcome, entry.request_id) == ("settled", model.requests[0].request_id)
    assert (entry.job_ref, entry.thread_ref, entry.person_ref) == ("job:1", "thread:2", "person:3")
    expected = Decimal(entry.input_tokens * 2 + entry.output_tokens * 10) / 1_000_000
    assert entry.cost_usd == expected
    assert Reservation.objects.get().state == Reservation.State.SETTLED


def test_the_key_goes_as_a_bearer_with_the_version_of_the_sdk(model, ask):
    ask()
    headers = model.requests[0].headers
    assert headers["authorization"] == "Bearer test-key"
    assert headers["anthropic-version"] == "2026-10-21"


def test_a_subscription_token_is_a_bearer_with_its_flag(model, ask, settings):
    settings.ANTHROPIC_API_KEY, settings.CLAUDE_CODE_OAUTH_TOKEN = "", "oat-token"
    ask()
    headers = model.requests[0].headers
    assert headers["authorization"] == "Bearer oat-token"
    assert "oauth-2025-04-20" in headers["anthropic-beta"]


def test_the_small_model_classifies_with_its_own_key(model, ask, settings):
    settings.HAIKU_API_KEY = "small-key"
    ask(purpose=Purpose.CLASSIFY)
    assert model.requests[0].body["model"] == "claude-haiku-5-5"
    assert model.requests[0].headers["authorization"] == "Bearer small-key"


def test_structured_output_is_parsed_and_checked(model, ask):
    model.script = lambda request: json_answer({"intent": "question", "confidence": 0.5})
    reply = ask(purpose=Purpose.CLASSIFY, schema=SCHEMA)
    assert reply.parsed == {"intent": "question", "confidence": 0.5}
    sent = model.requests[0].body["output_config"]["format"]["schema"]
    assert sent["additionalProperties"] is False
    assert sent["properties"]["confidence"] == {"type": "number"}


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ('{"intent": "question", "confidence": 7}', r"\$\.confidence: 7 is greater"),
        ('{"intent": "question"}', "'confidence' is a required"),
        ("Sure! Here it is", "not JSON"),
    ],
)
def test_an_answer_that_breaks_its_schema_is_charged_and_refused(model, ask, answer, why):
    model.script = lambda request: Reply(content=[{"type": "text", "text": answer}], checked=False)
    with pytest.raises(ModelOutputInvalid, match=why) as refused:
        ask(schema=SCHEMA)
    assert refused.value.reply.text == answer
    assert equal_to_the_token(only_entry(), model.requests[0].usage)


def test_a_tool_call_comes_back_fit_to_be_sent_again(model, ask):
    model.script = lambda request: call_tool("shell", {"command": "uptime", "quoted": 'a "b" ü 😀'}, text="Let me see.")
    reply = ask(tools=TOOLS)
    assert reply.stop_reason == "tool_use"
    use = reply.content[1]
    assert use["input"] == {"command": "uptime", "quoted": 'a "b" ü 😀'}
    model.script = lambda request: say("It is up.")
    result = {"type": "tool_result", "tool_use_id": use["id"], "content": "up 3 days"}
    turns = [
        {"role": "user", "content": "Hi."},
        {"role": "assistant", "content": reply.content},
        {"role": "user", "content": [result]},
    ]
    assert ask(tools=TOOLS, messages=turns).text == "It is up."
    assert LedgerEntry.objects.count() == 2


def test_a_tool_call_that_was_cut_off_is_never_handed_out(model, ask):
    model.script = lambda request: call_tool("shell", {"command": "rm -rf build " + "x" * 4000})
    with pytest.raises(ModelOutputInvalid, match="cut off"):
        ask(tools=TOOLS, max_tokens=50)
    assert only_entry().stop_reason == "max_tokens"


def test_plain_text_that_was_cut_off_is_handed_out_and_says_so(model, ask):
    model.script = lambda request: say("word " * 400)
    reply = ask(max_tokens=50)
    assert (reply.stop_reason, only_entry().output_tokens) == ("max_tokens", 50)


def test_a_growing_conversation_reads_what_the_turn_before_wrote(model, ask):
    turns = [{"role": "user", "content": "A long story. " * 400}]
    first = ask(messages=turns)
    turns += [{"role": "assistant", "content": first.content}, {"role": "user", "content": "And then?"}]
    ask(messages=turns)
    before, after = (received.usage for received in model.requests)
    assert before["cache_creation_input_tokens"] > 1000
    assert after["cache_read_input_tokens"] == before["cache_creation_input_tokens"]
    entry = LedgerEntry.objects.latest("pk")
    assert equal_to_the_token(entry, after)
    marked = [
        block for turn in model.requests[1].body["messages"] for block in turn["content"] if "cache_control" in block
    ]
    assert [block["text"] for block in marked] == ["And then?"]


def test_the_text_arrives_on_the_way_and_is_whole_at_the_end(model, ask):
    model.script = lambda request: say("One sentence after the other. " * 20, pause=0.02)
    pieces: list[str] = []
    reply = ask(on_text=pieces.append)
    assert len(pieces) > 1
    assert "".join(pieces) == reply.text


def test_the_reservation_is_never_below_what_is_counted(model, ask):
    for text in ("x", "日本語のテキスト " * 200, '\\"\n\t' * 300, "😀" * 500):
        ask(messages=[{"role": "user", "content": text}])
    for entry in LedgerEntry.objects.select_related("reservation"):
        assert entry.reservation.tokens_bound >= entry.tokens
        assert entry.reservation.usd_bound >= entry.cost_usd


def test_a_picture_is_bounded_by_the_formula_and_not_by_its_bytes():
    source = {"type": "base64", "media_type": "image/png", "data": "A" * 900_000}
    picture = {"type": "image", "source": source}
    inside = {"type": "tool_result", "tool_use_id": "t", "content": [picture]}
    body = {"messages": [{"role": "user", "content": [picture, inside]}]}
    assert 10_000 <= input_bound(body) < 11_000


def test_a_document_without_a_bound_is_refused_before_it_leaves(model, ask):
    block = {"type": "document", "source": {"type": "url", "url": "http://example.com/a.pdf"}}
    with pytest.raises(ModelRejected, match="Documents"):
        ask(messages=[{"role": "user", "content": [block]}])
    assert not model.requests
    assert not Reservation.objects.exists()


def test_a_limit_is_held_before_anything_is_sent(model, ask, settings):
    settings.PROACTIVE_DAILY_TOKEN_LIMIT = 100
    with pytest.raises(LimitReached, match="proactive_daily_tokens"):
        ask(scope=Scope.PROACTIVE)
    assert not model.requests
    ask(scope=Scope.REACTIVE)
    assert len(model.requests) == 1


def test_nothing_is_sent_while_everything_is_frozen(model, ask):
    Switch.objects.create(name="freeze", on=True)
    with pytest.raises(Frozen):
        ask()
    assert not model.requests
    assert not Reservation.objects.exists()


def test_a_refusal_of_the_model_is_an_answer(model, ask):
    model.script = lambda request: say("I can't help with that.", stop_reason="refusal")
    assert ask().stop_reason == "refusal"


def test_the_limits_used_equal_the_ledger_after_many_calls(model, ask):
    for number in range(5):
        ask(scope=Scope.PROACTIVE, messages=[{"role": "user", "content": f"Number {number}"}])
    spent = sum(entry.tokens for entry in LedgerEntry.objects.all())
    counted = sum(received.usage["input_tokens"] + received.usage["output_tokens"] for received in model.requests)
    assert Limit.objects.get(name="proactive_daily_tokens").used == spent == counted


def test_it_refuses_to_be_called_inside_a_transaction(model, ask):
    # The tests' own transaction is known as such to Django; one more is not.
    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        ask()
    assert not model.requests


def test_no_key_shows_in_a_route(settings):
    from llm.routing import model_for

    settings.ANTHROPIC_API_KEY = "sk-secret"
    assert "sk-secret" not in repr(model_for(Purpose.WORK))
    assert json.dumps(str(model_for(Purpose.WORK))).count("secret") == 0


def test_what_a_provider_says_it_charged_is_the_cost(model, ask):
    answer = [{"type": "text", "text": "Hello."}]
    model.script = lambda request: Reply(content=answer, usage={"cost": 0.0125})
    assert ask().cost_usd == Decimal("0.0125")


def test_a_proxy_of_the_environment_is_not_asked_for_what_is_local(model, ask, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert ask().text == "Hello there."
