"""/undo and /redo, as somebody gives them in a chat."""

from dataclasses import replace
from pathlib import Path

import pytest

from budget.models import LedgerEntry
from common import commands
from common.commands import Call
from tools import undo
from tools.base import ToolContext
from tools.models import ToolExecution
from tools.registry import all_tools

pytestmark = pytest.mark.django_db


def give(name: str, argument: str = "", thread: str = "thread:1") -> str:
    call = Call(name=name, argument=argument, thread_ref=thread, actor="person:1", may_decide=True, via="web")
    return commands.run(call)


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"thread:1": ["job:1", "job:2"], "thread:2": ["job:3"]}
    monkeypatch.setattr(undo, "jobs_of_thread", lambda ref: known.get(ref, []))


def use(context: ToolContext, job: str, name: str, **arguments: str) -> None:
    all_tools()[name].run(replace(context, job_ref=job, approved=True), arguments)


@pytest.mark.usefixtures("jobs", "bubblewrap")
def test_changes_are_taken_back_one_after_another_and_done_again(context: ToolContext, workspace: Path) -> None:
    use(context, "job:1", "file_write", path="a", content="one")
    use(context, "job:2", "shell", command="echo two > a; echo b > b")
    use(context, "job:3", "file_write", path="c", content="of another thread")
    assert "Taken back: before echo two" in give("undo")
    assert (workspace / "a").read_text() == "one"
    assert not (workspace / "b").exists()
    assert "which had been made, is removed" in give("undo")
    assert not (workspace / "a").exists()
    assert "There is nothing in this chat" in give("undo")
    give("redo")
    assert (workspace / "a").read_text() == "one"
    assert (workspace / "c").exists()


@pytest.mark.usefixtures("jobs")
def test_a_job_is_named_by_its_number(context: ToolContext, workspace: Path) -> None:
    use(context, "job:7", "file_write", path="a", content="x")
    assert "nothing in this chat" in give("undo")
    assert "(job 7)" in give("undo", "7")
    assert "Give the number" in give("undo", "everything")


@pytest.mark.usefixtures("jobs")
def test_nothing_is_taken_back_while_a_command_runs(context: ToolContext, workspace: Path) -> None:
    use(context, "job:1", "file_write", path="a", content="x")
    ToolExecution.objects.create(
        run_ref="run:1", call_id="1", job_ref="job:1", name="shell", started_at="2026-01-01T00:00Z"
    )
    assert "/stop" in give("undo")
    assert (workspace / "a").exists()


def test_the_ledger_knows_a_thread_s_jobs(model, brain, owner, hear, work, press) -> None:  # type: ignore[no-untyped-def]
    job = hear(owner, "hello").job
    work()
    assert LedgerEntry.objects.filter(job_ref=job.ref).exists()
    assert undo.jobs_of_thread(f"thread:{job.thread_id}") == [job.ref]
