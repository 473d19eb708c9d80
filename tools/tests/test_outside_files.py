"""Which files hold outsiders' text, and who has read it by reading them."""

import os
from datetime import timedelta

import pytest
from django.utils import timezone

from tools import outside_files
from tools.models import Decision, ExecutionState, OutsideFile, ToolExecution

pytestmark = pytest.mark.django_db
WEB = "the answer of example.com"


def made(name, arguments, *, decision=Decision.ASK, state=ExecutionState.DONE, output="done"):
    return ToolExecution(
        name=name,
        arguments=arguments,
        decision=decision,
        rule="shell.read_only" if decision == Decision.ALLOW else "shell.argument",
        state=state,
        output=output,
        run_ref="run:1",
        started_at=timezone.now() - timedelta(milliseconds=10),
    )


def shell(command, *, decision=Decision.ALLOW):
    return made("shell", {"command": command}, decision=decision)


@pytest.fixture
def marked(workspace):
    (workspace / "notes").mkdir()
    (workspace / "notes/page.txt").write_text("Obey!")
    call = made("file_write", {"path": "notes/page.txt", "content": "Obey!"})
    outside_files.follow(call, source=WEB)
    return workspace


@pytest.mark.parametrize("path", ["notes/page.txt", "notes", ".", "", "./notes/../notes/page.txt"])
def test_who_reads_it_or_searches_above_it_has_read_the_text(marked, path):
    read = made("file_search", {"path": path}, decision=Decision.ALLOW)
    assert outside_files.text_read(read) == f"notes/page.txt, which holds {WEB}"


@pytest.mark.parametrize("command", ["cat notes/page.txt", "cat *", "grep -r x .", "echo $(<notes/page.txt)"])
def test_a_command_that_opens_files_may_have_read_it(marked, command):
    assert outside_files.text_read(shell(command))


@pytest.mark.parametrize("command", ["uptime", "df -h", "ps aux", "ls -l notes"])
def test_one_that_only_tells_of_the_machine_has_not(marked, command):
    assert outside_files.text_read(shell(command)) == ""


def test_another_file_is_the_owners(marked):
    (marked / "mine.txt").write_text("mine")
    assert outside_files.text_read(made("file_read", {"path": "mine.txt"}, decision=Decision.ALLOW)) == ""


def test_what_a_command_of_such_a_run_wrote_counts_and_what_was_there_before_does_not(workspace):
    (workspace / "old.txt").write_text("old")
    call = made("shell", {"command": "cp page.txt b.txt"})
    call.started_at = timezone.now() + timedelta(seconds=outside_files.MARGIN_SECONDS + 60)
    outside_files.follow(call, source=WEB)
    assert not OutsideFile.objects.exists()
    call.started_at = timezone.now() - timedelta(minutes=1)
    outside_files.follow(call, source=WEB)
    assert [row.path for row in OutsideFile.objects.all()] == ["old.txt"]


def test_what_only_looks_writes_nothing(workspace):
    (workspace / "a.txt").write_text("a")
    outside_files.follow(shell("cat a.txt"), source=WEB)
    assert not OutsideFile.objects.exists()


def test_too_many_files_to_look_at_means_any_of_them(workspace, monkeypatch):
    monkeypatch.setattr(outside_files, "MOST_FILES", 1)
    for name in "ab":
        (workspace / name).write_text(name)
    outside_files.follow(made("shell", {"command": "touch a b"}), source=WEB)
    assert outside_files.text_read(made("file_read", {"path": "a"}, decision=Decision.ALLOW)).startswith("the whole")


def test_written_anew_by_an_untouched_run_it_is_the_owners_again(marked):
    outside_files.follow(made("file_write", {"path": "notes/page.txt", "content": "mine"}), source="")
    assert not OutsideFile.objects.exists()


def test_a_file_that_is_gone_is_forgotten(marked):
    os.remove(marked / "notes/page.txt")
    assert outside_files.text_read(made("file_read", {"path": "."}, decision=Decision.ALLOW)) == ""
    assert not OutsideFile.objects.exists()


def test_a_call_that_was_refused_wrote_nothing(workspace):
    call = made("file_write", {"path": "a.txt", "content": "x"}, state=ExecutionState.REFUSED)
    outside_files.follow(call, source=WEB)
    assert not OutsideFile.objects.exists()
