"""What a worker leaves behind that could not even write down a pid: it never begins, or it is found by its mark."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import pytest

from tools import sandbox
from tools.confinement import marks, process
from tools.confinement.process import Limits
from tools.tests.conftest import processes_with, seconds_that_mark

pytestmark = pytest.mark.django_db


def run(workspace: Path, command: str, **options: object) -> process.Finished:
    given = {"stop": lambda: False, "limits": Limits(), "on_process": lambda pid, started: None} | options
    return process.run(["/bin/bash", "-c", command], cwd=workspace, env=sandbox.environment(workspace), **given)


def test_a_command_whose_start_can_not_be_written_down_never_begins(workspace: Path) -> None:
    def refuse(pid: int, started: float) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(workspace, "echo x > effect", on_process=refuse)
    assert not (workspace / "effect").exists()


def test_a_command_that_was_ended_before_it_began_has_no_effect(workspace: Path) -> None:
    finished = run(workspace, "echo x > effect", on_process=lambda pid, started: os.kill(pid, signal.SIGKILL))
    assert finished.exit_code == -signal.SIGKILL
    assert not (workspace / "effect").exists()


def test_a_command_whose_worker_dies_before_it_could_write_it_down_never_begins(workspace: Path) -> None:
    mark = seconds_that_mark("dies at the gate")
    worker = textwrap.dedent(
        f"""
        import os, pathlib, signal, sys
        sys.path.insert(0, {str(Path(__file__).resolve().parents[2])!r})
        from tools.confinement import process
        command = ["/bin/bash", "-c", "echo x > effect; sleep {mark}"]
        process.run(command, cwd=pathlib.Path({str(workspace)!r}), env={{}},
                    stop=lambda: False, limits=process.Limits(),
                    on_process=lambda pid, started: os.kill(os.getpid(), signal.SIGKILL))
        """
    )
    assert subprocess.run([sys.executable, "-c", worker]).returncode == -signal.SIGKILL
    assert not psutil.wait_procs(processes_with(mark), timeout=5)[1]
    assert not (workspace / "effect").exists()


def test_what_an_earlier_attempt_left_is_found_by_its_mark(workspace: Path) -> None:
    mark = seconds_that_mark("left behind")
    with marks.marked(7, 1):
        environment = dict(os.environ) | marks.variables()
    command = f"(setsid sleep {mark} &) ; (setsid nohup sleep {mark} >/dev/null 2>&1 &); exec sleep {mark}"
    with subprocess.Popen(["/bin/bash", "-c", command], env=environment) as left:
        while len(processes_with(f"sleep {mark}")) < 3 or processes_with("setsid"):
            assert left.poll() is None
        assert marks.end_marked(7, before=1) == 0  # its own attempt
        assert marks.end_marked(8, before=9) == 0  # another call
        assert marks.end_marked(7, before=2) == 3
        assert not psutil.wait_procs(processes_with(mark), timeout=5)[1]


def test_a_command_carries_its_mark_and_nothing_else_of_ours(workspace: Path) -> None:
    with marks.marked(7, 1):
        assert marks.MARK in run(workspace, "env").output
    assert marks.MARK not in run(workspace, "env").output
