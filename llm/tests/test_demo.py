"""The demo model: its table of sentences, with the real wire between."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest
from django.conf import settings as project

from llm import routing
from llm.errors import ModelUnavailable
from llm.scripted import ScriptedModel
from llm.scripted.bench import bench_script
from llm.scripted.demo import TABLE, demo_script, understood
from llm.scripted.serve import write_url
from llm.types import Purpose

SCHEMA = {
    "type": "object",
    "properties": {
        "intent": {"type": "string", "enum": ["question", "command", "chat", "task", "other"]},
        "summary": {"type": "string"},
        "plan": {"type": "array", "items": {"type": "string"}},
        "commands": {"type": "array", "items": {"type": "string"}},
        "needs_confirmation": {"type": "boolean"},
        "confidence": {"type": "number"},
    },
    "required": ["intent", "summary", "plan", "commands", "needs_confirmation", "confidence"],
}
NAMES = ("shell", "file_list", "file_read", "file_write", "file_delete", "http_request")
TOOLS = [{"name": name, "description": "", "input_schema": {"type": "object", "properties": {}}} for name in NAMES]


def said(*texts: str) -> list[dict]:
    marked = "\n".join(f"<new_message>\n{text}\n</new_message>" for text in texts)
    return [{"role": "user", "content": f"user: what came before\n{marked}"}]


@pytest.fixture
def demo(settings, tmp_path):
    """The demo model where routing looks for it; no key is set."""
    for name in ("ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN", "HAIKU_API_KEY", "ANTHROPIC_BASE_URL"):
        setattr(settings, name, "")
    settings.DATA_DIR = tmp_path
    with ScriptedModel(demo_script, models=("",)) as standing_in:
        write_url(tmp_path / routing.DEMO_URL_FILE, standing_in.url)
        yield standing_in
        assert not standing_in.errors


@pytest.fixture
def classify(demo, ask) -> Callable[..., dict]:
    return lambda *texts: ask(purpose=Purpose.CLASSIFY, messages=said(*texts), schema=SCHEMA, max_tokens=1024).parsed


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("text", "commands", "confirm"),
    [
        ("what is the uptime of this machine?", ["uptime"], False),
        ("run `uptime`", ["uptime"], False),
        ("Run `rm -rf build`", ["rm -rf build"], True),
        ("list the files", [], False),
        ("write notes.txt: buy milk", [], True),
        ("fetch http://example.com/", [], True),
        ("hello", [], False),
        ("make me rich", [], False),
    ],
)
def test_it_classifies_its_sentences(classify, text, commands, confirm):
    found = classify(text)
    assert (found["commands"], found["needs_confirmation"]) == (commands, confirm)
    assert "demo" in found["summary"]
    assert found["plan"]


@pytest.mark.django_db
def test_several_messages_become_one_plan(classify):
    found = classify("run `uptime`", "list the files")
    assert found["plan"] == ["Run `uptime`", "List the files of the workspace"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("text", "name", "arguments"),
    [
        ("What's the uptime?", "shell", {"command": "uptime"}),
        ("run `ls -la | wc -l`", "shell", {"command": "ls -la | wc -l"}),
        ("run date", "shell", {"command": "date"}),
        ("list the files", "file_list", {"path": "."}),
        ("write notes.txt: buy milk", "file_write", {"path": "notes.txt", "content": "buy milk\n"}),
        ("read notes.txt", "file_read", {"path": "notes.txt"}),
        ("Delete notes.txt.", "file_delete", {"path": "notes.txt"}),
        ("fetch http://example.com/a?b=c", "http_request", {"method": "GET", "url": "http://example.com/a?b=c"}),
    ],
)
def test_it_works_with_the_real_tools_and_quotes_what_they_said(demo, ask, text, name, arguments):
    turns = said(text)
    reply = ask(messages=turns, tools=TOOLS)
    use = reply.content[-1]
    assert (use["name"], use["input"], reply.provider, reply.cost_usd) == (name, arguments, "demo", 0)
    assert "emo model" in reply.text
    result = {"type": "tool_result", "tool_use_id": use["id"], "content": "the real output 42"}
    turns += [{"role": "assistant", "content": reply.content}, {"role": "user", "content": [result]}]
    final = ask(messages=turns, tools=TOOLS)
    assert "the real output 42" in final.text
    assert "emo model" in final.text
    assert final.stop_reason == "end_turn"


@pytest.mark.django_db
def test_a_tool_that_failed_is_said_to_have_failed(demo, ask):
    turns = said("read missing.txt")
    reply = ask(messages=turns, tools=TOOLS)
    result = {
        "type": "tool_result",
        "tool_use_id": reply.content[-1]["id"],
        "content": "no such file",
        "is_error": True,
    }
    turns += [{"role": "assistant", "content": reply.content}, {"role": "user", "content": [result]}]
    assert "did not work:\n```\nno such file" in ask(messages=turns, tools=TOOLS).text


@pytest.mark.django_db
@pytest.mark.parametrize("text", ["make me rich", "hello", "what is 2 + 2?", "", "(no text)"])
def test_anything_else_gets_the_table_and_never_an_answer(demo, ask, text):
    reply = ask(messages=said(text), tools=TOOLS)
    assert TABLE in reply.text
    assert "emo model" in reply.text


@pytest.mark.parametrize("text", ["please run", "read", "running `x`", "write notes.txt", "fetch ftp://x"])
def test_what_only_looks_like_a_sentence_is_not_understood(text):
    assert understood(text) is None


def test_the_benchmark_answers_name_the_message():
    request = {"messages": said("message number 7"), "max_tokens": 10}
    assert bench_script(request).content[0]["text"] == "Benchmark answer to: message number 7"


@pytest.mark.django_db
def test_without_a_running_demo_model_it_says_what_to_start(demo, ask, tmp_path):
    (tmp_path / routing.DEMO_URL_FILE).unlink()
    with pytest.raises(ModelUnavailable, match=r"manage\.py demo_model"):
        ask()


def test_the_command_serves_until_it_is_told_to_end(tmp_path):
    address = tmp_path / routing.DEMO_URL_FILE
    code = (
        "from pathlib import Path; from llm.scripted.serve import serve; "
        f"serve(script='demo', port=0, first_token_delay=0, url_file=Path({str(address)!r}))"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment) as process:
        line = process.stdout.readline()
        assert line.strip() == f"demo model: {address.read_text()}"
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert not address.exists()


def test_it_is_a_demo_only_with_nothing_set(settings):
    names = ("ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN", "HAIKU_API_KEY", "ANTHROPIC_BASE_URL")
    for name in names:
        setattr(settings, name, "")
    assert routing.is_demo()
    for name in names:
        setattr(settings, name, "x")
        assert not routing.is_demo()
        setattr(settings, name, "")
    assert project.HAIKU_MODEL


@pytest.mark.django_db
def test_asked_about_a_card_it_says_that_it_cannot_judge(demo, ask):
    asked = "<new_message>\nrun `date`\n</new_message>\n<card>\nPlan\n</card>\nThe question: is that safe?"
    assert "can't judge a plan" in ask(messages=[{"role": "user", "content": asked}]).text
