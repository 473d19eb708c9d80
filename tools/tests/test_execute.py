"""One row and one effect for each call, whatever ends in the middle of it."""

import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from django.utils import timezone

from approvals.errors import ApprovalRequired
from common.errors import AgentError, Stopped
from tools.confinement import trees
from tools.errors import ExecutionLost
from tools.models import ExecutionState, ToolExecution

pytestmark = pytest.mark.django_db
Execute = Callable[..., ToolExecution]


class LeaseLost(AgentError):
    """Another worker holds this run."""


def lost() -> None:
    raise LeaseLost


def started(name: str, call_id: str = "call-1", **fields: object) -> ToolExecution:
    """What a worker leaves behind that died in the middle of a call."""
    defaults: dict[str, object] = {"run_ref": "run:1", "epoch": 1, "started_at": timezone.now()}
    defaults |= {"name": name, "call_id": call_id, "host": socket.gethostname(), "decision": "ask"}
    return ToolExecution.objects.create(**(defaults | fields))


@pytest.mark.usefixtures("bubblewrap")
def test_an_allowed_command_runs_and_leaves_its_row(execute: Execute) -> None:
    execution = execute("shell", command="echo hello; uptime", epoch=3)
    stored = ToolExecution.objects.get()
    assert execution.pk == stored.pk
    assert (stored.state, stored.exit_code, stored.decision) == (ExecutionState.DONE, 0, "allow")
    assert stored.output.startswith("hello\n")
    assert "load average" in stored.output
    assert stored.arguments == {"command": "echo hello; uptime"}
    assert (stored.run_ref, stored.job_ref, stored.epoch, stored.rule) == ("run:1", "job:1", 3, "shell.read_only")
    assert stored.pid
    assert stored.duration is not None


@pytest.mark.usefixtures("bubblewrap")
def test_it_takes_few_queries(execute: Execute, django_assert_max_num_queries: Callable[..., object]) -> None:
    (execute("file_list"),)  # imports and caches
    with django_assert_max_num_queries(8):  # look-up, rules, insert, settle, and in a test two savepoints each
        execute("file_list", "call-2")


def test_a_call_that_is_to_be_asked_does_nothing_until_it_is_approved(execute: Execute, workspace: Path) -> None:
    with pytest.raises(ApprovalRequired) as asked:
        execute("file_write", path="notes.txt", content="x")
    assert asked.value.calls == [
        {"call_id": "call-1", "name": "file_write", "arguments": {"path": "notes.txt", "content": "x"}}
    ]
    assert asked.value.rule == "file.change"
    assert not ToolExecution.objects.exists()
    assert execute("file_write", path="notes.txt", content="x", approved=True).state == ExecutionState.DONE
    assert (workspace / "notes.txt").read_text() == "x"


def test_what_is_denied_stays_denied_when_it_is_approved(execute: Execute) -> None:
    execution = execute("shell", command="cat /etc/shadow", approved=True)
    assert execution.state == ExecutionState.REFUSED
    assert execution.output == f"Refused: {execution.reason}"


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("launch_rocket", {}, "There is no tool called launch_rocket"),
        ("shell", {}, "'command' is a required property"),
        ("shell", {"command": 3}, "Bad arguments for shell (command)"),
        ("shell", {"command": "ls", "sudo": True}, "'sudo' was unexpected"),
    ],
)
def test_the_model_is_told_what_is_wrong_with_its_call(
    execute: Execute, name: str, arguments: dict[str, object], words: str
) -> None:
    execution = execute(name, **arguments)
    assert execution.state == ExecutionState.FAILED
    assert words in execution.output


def test_a_finished_call_is_returned_as_it_is(execute: Execute, workspace: Path) -> None:
    first = execute("file_write", path="a", content="1", approved=True)
    (workspace / "a").write_text("changed since")
    again = execute("file_write", path="a", content="1", approved=True, epoch=2)
    assert (again.pk, again.epoch) == (first.pk, 1)
    assert (workspace / "a").read_text() == "changed since"


def test_after_a_crash_a_reading_call_runs_again(execute: Execute, workspace: Path) -> None:
    (workspace / "a").write_text("content")
    row = started("file_read", arguments={"path": "a"})
    execution = execute("file_read", path="a", epoch=2, approved=True)
    assert (execution.pk, execution.state, execution.epoch) == (row.pk, ExecutionState.DONE, 2)
    assert execution.output == "content"


@pytest.mark.usefixtures("bubblewrap")
def test_after_a_crash_a_command_that_only_reads_runs_again(execute: Execute) -> None:
    started("shell")
    assert execute("shell", command="echo again", epoch=2).output == "again"


def test_after_a_crash_the_outcome_of_a_change_is_unknown_and_it_is_not_repeated(
    execute: Execute, workspace: Path
) -> None:
    started("file_write")
    execution = execute("file_write", path="a", content="x", approved=True, epoch=2)
    assert execution.state == ExecutionState.UNKNOWN
    assert execution.output.startswith("The outcome of this call is unknown: ")
    assert not (workspace / "a").exists()


def test_after_a_crash_what_is_left_of_the_command_is_killed_first(execute: Execute) -> None:
    with subprocess.Popen(["sleep", "600"]) as left:
        started("shell", pid=left.pid, pid_started=trees.start_time(left.pid))
        assert execute("shell", command="touch x", approved=True, epoch=2).state == ExecutionState.UNKNOWN
        assert left.wait(timeout=5) != 0


@pytest.mark.parametrize("difference", [{"pid_started": 1.0}, {"host": "elsewhere"}])
def test_a_later_process_of_the_same_number_is_left_alone(execute: Execute, difference: dict[str, object]) -> None:
    with subprocess.Popen(["sleep", "600"]) as other:
        fields: dict[str, object] = {"pid": other.pid, "pid_started": trees.start_time(other.pid)}
        started("shell", **(fields | difference))
        execute("shell", command="touch x", approved=True, epoch=2)
        assert psutil.Process(other.pid).is_running()
        other.kill()


def test_a_worker_that_lost_its_lease_starts_nothing(execute: Execute, workspace: Path) -> None:
    with pytest.raises(LeaseLost):
        execute("file_write", path="a", content="x", approved=True, fence=lost)
    assert not (workspace / "a").exists()
    assert not ToolExecution.objects.exists()


def test_a_worker_that_loses_its_lease_meanwhile_settles_nothing(execute: Execute) -> None:
    answers = iter([lambda: None, lost])
    with pytest.raises(LeaseLost):
        execute("file_write", path="a", content="x", approved=True, fence=lambda: next(answers)())
    assert ToolExecution.objects.get().state == ExecutionState.STARTED


def test_a_command_that_is_taken_over_before_its_start_is_written_down_never_begins(
    execute: Execute, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def taken_over_meanwhile(pid: int) -> float:
        ToolExecution.objects.update(epoch=2)
        return trees.start_time(pid)

    monkeypatch.setattr("tools.confinement.process.start_time", taken_over_meanwhile)
    fences = iter([lambda: None, lost])
    with pytest.raises(LeaseLost):
        execute("shell", command="touch a", approved=True, fence=lambda: next(fences)())
    assert not (workspace / "a").exists()
    assert ToolExecution.objects.get().pid is None


def test_what_somebody_else_settled_is_not_overwritten(execute: Execute) -> None:
    def settle_meanwhile() -> bool:
        return bool(ToolExecution.objects.update(state=ExecutionState.UNKNOWN))

    with pytest.raises(ExecutionLost):
        execute("shell", command="sleep 600", approved=True, stop=settle_meanwhile)
    assert ToolExecution.objects.get().state == ExecutionState.UNKNOWN


@pytest.mark.usefixtures("bubblewrap")
def test_a_stopped_command_keeps_what_it_wrote_so_far(execute: Execute) -> None:
    asked = iter([False, True])
    with pytest.raises(Stopped):
        execute("shell", command="echo before; sleep 600", approved=True, stop=lambda: next(asked, True))
    stored = ToolExecution.objects.get()
    assert stored.state == ExecutionState.STOPPED
    assert stored.output == "before\n\n[Stopped on request.]"


def test_nothing_starts_after_a_stop(execute: Execute, workspace: Path) -> None:
    with pytest.raises(Stopped):
        execute("file_write", path="a", content="x", approved=True, stop=lambda: True)
    assert not ToolExecution.objects.exists()


def test_a_tool_s_problem_is_told_to_the_model(execute: Execute) -> None:
    execution = execute("file_read", path="missing", approved=True)
    assert (execution.state, execution.output) == (ExecutionState.FAILED, "There is no file “missing”.")


def test_what_the_database_can_not_hold_and_secrets_are_replaced(execute: Execute, workspace: Path) -> None:
    key = "sk-ant-" + "a1B2" * 10
    (workspace / "a").write_bytes(b"x\0y \xff " + key.encode())
    execution = execute("file_read", path="a", approved=True)
    stored = ToolExecution.objects.get()
    assert stored.output == execution.output == "x�y � [redacted]"
    assert execute("file_write", "call-2", path="b", content="\0\ud800", approved=True).state == ExecutionState.DONE


@pytest.mark.usefixtures("no_bubblewrap")
def test_without_bubblewrap_an_approved_command_still_runs_within_limits(execute: Execute) -> None:
    with pytest.raises(ApprovalRequired):
        execute("shell", command="uptime")
    assert execute("shell", command="ulimit -c; echo $SECRET_KEY", approved=True).output == "0"
