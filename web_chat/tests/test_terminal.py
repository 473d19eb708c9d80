"""The terminal as a channel. The workers are played by a thread of the test: the command itself waits for them."""

import json

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from approvals.models import Approval
from jobs.models import Job
from llm.scripted import call_tool, say
from ops import heartbeats
from web_chat import terminal
from web_chat.management.commands.chat import printable


@pytest.fixture
def chat(admin, settings, capsys, monkeypatch, work):
    """Runs the command, the workers at work whenever it waits; (exit code, what it printed, what it complained of)."""

    class Working(terminal.Listener):
        def wait(self, timeout):
            work()
            return []

    settings.ADMIN_USERNAME = admin.username
    monkeypatch.setattr(terminal, "Listener", Working)
    heartbeats.beat("cluster.work@here")

    def ran(*args: str):
        try:
            call_command("chat", *args)
            code = 0
        except SystemExit as end:
            code = end.code
        told = capsys.readouterr()
        return code, told.out, told.err

    return ran


@pytest.fixture
def acting(brain, model, workspace):
    brain.classification |= {"summary": "Ask for the uptime", "plan": ["Run uptime"], "commands": ["uptime"]}
    brain.turns = [call_tool("shell", {"command": "uptime"}), say("It has been up for long.")]


def events(text):
    return [json.loads(line) for line in text.splitlines()]


def test_a_message_with_yes_is_answered(chat, acting):
    code, out, _ = chat("what", "is", "the uptime?", "--yes")
    assert code == 0
    assert out.count("Plan for job") == 1
    assert "$ uptime" in out
    assert "Approved via the terminal" in out
    assert out.rstrip().endswith("It has been up for long.")
    assert Approval.objects.get().decided_via == "terminal"


def test_no_cancels_and_fails(chat, acting):
    code, out, _ = chat("uptime?", "--no")
    assert code == 1
    assert "Cancelled via the terminal" in out
    assert Job.objects.get().state == "cancelled"


def test_without_a_terminal_a_card_is_left_to_others(chat, acting):
    code, out, err = chat("uptime?")
    assert code == 1
    assert "Plan for job" in out
    assert f"manage.py approve {Job.objects.get().pk}" in err


@pytest.mark.parametrize(("key", "code"), [("y", 0), ("n", 1)])
def test_a_person_at_a_terminal_is_asked(chat, acting, monkeypatch, key, code):
    answers = iter(["", "what?", "c", " ", key])  # a change without words is no answer
    asked = []
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda prompt: asked.append(prompt) or next(answers))
    assert chat("uptime?")[0] == code
    assert asked[0] == "[y OK, n Cancel, c Change…, a Ask…] "


def test_a_command_is_answered_without_a_job(chat):
    code, out, _ = chat("/help")
    assert code == 0
    assert "/cancel" in out
    assert not Job.objects.exists()


def test_programs_read_events(chat, acting):
    code, out, _ = chat("uptime?", "--yes", "--json")
    told = events(out)
    assert code == 0
    names = [event["event"] for event in told]
    assert {"state", "card", "edited", "said", "end"} == set(names)
    assert told[-1] == {"event": "end", "job": Job.objects.get().pk, "state": "done"}
    assert next(event for event in told if event["event"] == "card")["choices"] == ["ok", "edit", "ask", "cancel"]


def test_a_failure_is_told_and_not_tried_again_by_itself(chat, model, brain):
    brain.turns = [say("", stop_reason="refusal")]
    code, out, _ = chat("do something bad", "--yes")
    assert code == 1
    assert "failed" in out
    assert Job.objects.get().state == "failed"


def test_without_workers_it_says_so_instead_of_hanging(chat):
    heartbeats.Heartbeat.objects.all().delete()
    code, _, err = chat("uptime?")
    assert code == 1
    assert "./run" in err
    assert Job.objects.get().state == "queued"


def test_too_long_a_message_is_refused_in_a_sentence(chat):
    code, _, err = chat("x" * 16_001)
    assert code == 1
    assert "16,000" in err


def test_line_by_line_it_goes_on_after_each_answer(chat, monkeypatch, brain, model):
    lines = iter(["/status", "", "hello"])

    def read(prompt):
        try:
            return next(lines)
        except StopIteration:
            raise EOFError from None

    monkeypatch.setattr("builtins.input", read)
    brain.turns = [say("Hello yourself.")]
    code, out, _ = chat("--yes")
    assert code == 0
    assert "I am listening" in out
    assert "Hello yourself." in out


def test_a_command_that_sets_a_job_to_work_shows_its_answer(chat, acting):
    chat("uptime?")
    code, out, _ = chat(f"/approve {Job.objects.get().pk}")
    assert code == 0
    assert out.rstrip().endswith("It has been up for long.")


def test_a_call_in_mid_run_can_be_refused_with_a_reason(chat, brain, model, workspace, settings, monkeypatch):
    settings.APPROVAL_POLICY = "risky"
    brain.turns = [call_tool("file_write", {"path": "a.txt", "content": "a"}), say("Then not.")]
    answers = iter(["s", "Not that file."])
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda prompt: next(answers))
    code, out, _ = chat("write a.txt")
    assert code == 0
    assert "Then not." in out
    assert Approval.objects.get().note == "Not that file."
    assert not (workspace / "a.txt").exists()


def test_an_interruption_leaves_the_job_at_work(chat, monkeypatch):
    def interrupted(self, timeout):
        raise KeyboardInterrupt

    monkeypatch.setattr(terminal.Listener, "wait", interrupted)
    code, _, err = chat("uptime?")
    assert code == 130
    assert f"manage.py cancel {Job.objects.get().pk}" in err


def test_what_was_said_in_an_earlier_sitting_is_not_told_again(chat):
    chat("/help")
    assert "/cancel" not in chat("/status")[1]


def test_an_unknown_user_is_a_sentence(chat):
    with pytest.raises(CommandError, match="no active staff user"):
        call_command("chat", "hello", "--user", "nobody")


def test_texts_can_not_steer_the_terminal():
    assert printable("a\x1b[2Jb\x07\x9b1m\nc\td") == "a[2Jb1m\nc\td"
