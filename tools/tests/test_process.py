"""Limits, and that nothing is left behind, with bubblewrap and without."""

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tools import sandbox
from tools.confinement import process, trees
from tools.confinement.process import Ending, Finished, Limits
from tools.sandbox import Level
from tools.tests.conftest import processes_with, seconds_that_mark

Run = Callable[..., Finished]


@pytest.fixture(params=[Level.NET, Level.HOST])
def level(request: pytest.FixtureRequest) -> Level:
    if request.param is not Level.HOST:
        request.getfixturevalue("bubblewrap")
    return Level(request.param)


@pytest.fixture
def run(workspace: Path, level: Level) -> Run:
    def run(command: str, *, stop: Callable[[], bool] = lambda: False, **limits: Any) -> Finished:
        argv = sandbox.command_line(command, level=level, workspace=workspace, seconds=60)
        return process.run(
            argv,
            cwd=workspace,
            env=sandbox.environment(workspace),
            stop=stop,
            limits=Limits(**{"seconds": 60, **limits}),
            on_process=lambda pid, started: None,
        )

    return run


def gone(mark: str) -> bool:
    return not psutil.wait_procs(processes_with(mark), timeout=5)[1]


@pytest.fixture
def mark(request: pytest.FixtureRequest) -> Iterator[str]:
    mark = seconds_that_mark(request.node.name)
    yield mark
    assert gone(mark)


# At level host what makes itself a daemon stays: a service that was restarted (test_sandbox.py).
@pytest.mark.parametrize("level", [Level.NET, Level.WORKSPACE], indirect=True)
def test_detached_descendants_die_with_the_command(run: Run, mark: str) -> None:
    found = run(
        f"sleep {mark} & setsid sleep {mark} & "
        f"(setsid nohup bash -c '(sleep {mark} &) ; sleep {mark}' >/dev/null 2>&1 &); echo started"
    )
    assert (found.exit_code, found.output) == (0, "started\n")


def test_a_command_that_hangs_is_ended_at_its_limit(run: Run, mark: str) -> None:
    found = run(f"echo before; (setsid sleep {mark} &); sleep {mark}", seconds=0.3)
    assert (found.ending, found.exit_code) == (Ending.TIME, None)
    assert "before" in found.output


def test_a_command_that_ignores_signals_is_ended_too(run: Run, mark: str) -> None:
    assert run(f"trap '' TERM INT HUP; sleep {mark}; sleep {mark}", seconds=0.3).ending is Ending.TIME


def test_a_flood_is_ended_with_its_head_and_tail_kept(run: Run) -> None:
    found = run("echo first; yes", flood=200_000, shown=1000)
    assert (found.ending, found.truncated) == (Ending.OUTPUT, True)
    assert found.output.startswith("first\n")
    assert len(found.output) < 1100


def test_it_stops_when_told_to(run: Run, mark: str) -> None:
    asked = iter([False, True])
    found = run(f"echo before; sleep {mark}", stop=lambda: next(asked))
    assert found.ending is Ending.STOPPED
    assert found.output == "before\n"


@pytest.mark.parametrize(
    "detached",
    [
        "setsid sleep {mark} &",
        "(nohup setsid sleep {mark} >/dev/null 2>&1 &) &",
        "bash -c '(setsid bash -c \"(sleep {mark} &)\" &)'; sleep {mark} & disown -a",
        "for i in $(seq 20); do (setsid sleep {mark} &); done",
    ],
)
def test_what_has_detached_itself_stops_too(run: Run, mark: str, detached: str) -> None:
    asked = iter([False, False, True])
    command = f"{detached.format(mark=mark)}\nsleep {mark}"
    assert run(command, stop=lambda: next(asked)).ending is Ending.STOPPED
    assert gone(mark)


def test_memory_of_the_whole_tree_is_limited(run: Run) -> None:
    # Neither of the two is over the limit alone. (The echo keeps bash from becoming sleep.)
    hold = 'x=$(head -c 30000000 /dev/zero | tr "\\0" x); sleep 30; echo'
    assert run(f"({hold}) & ({hold})", memory=55_000_000).ending is Ending.MEMORY


def test_the_number_of_processes_is_limited(run: Run, mark: str) -> None:
    assert run(f"for i in $(seq 40); do sleep {mark} & done; wait", processes=20).ending is Ending.PROCESSES


def test_bytes_that_are_no_text_are_replaced(run: Run) -> None:
    assert run(r"printf 'a\377b'").output == "a�b"


def test_there_is_nothing_to_read_on_standard_input(run: Run) -> None:
    assert run("cat; read x || echo nothing").output == "nothing\n"


def test_a_command_that_closes_its_output_is_still_followed(run: Run) -> None:
    assert run("exec >&- 2>&-; exit 3").exit_code == 3


def test_a_command_dies_with_its_worker(level: Level, workspace: Path, mark: str) -> None:
    worker = textwrap.dedent(
        f"""
        import os, pathlib, sys
        sys.path.insert(0, {str(Path(__file__).resolve().parents[2])!r})
        from django.conf import settings
        settings.configure(DATA_DIR=pathlib.Path({str(workspace.parent)!r}), TIME_ZONE="UTC", TOOL_READABLE_DIRS=[])
        from tools import sandbox
        from tools.confinement import process, trees
        workspace = pathlib.Path({str(workspace)!r})
        command = "(setsid sleep {mark} &); echo > started; sleep {mark}"
        argv = sandbox.command_line(command, level=sandbox.Level({level.value!r}), workspace=workspace, seconds=60)
        process.run(argv, cwd=workspace, env=sandbox.environment(workspace), stop=lambda: False,
                    limits=process.Limits(), on_process=lambda pid, started: None)
        """
    )
    with subprocess.Popen([sys.executable, "-c", worker]) as running:
        while not (workspace / "started").exists():
            assert running.poll() is None
        assert processes_with(mark)
        os.kill(running.pid, signal.SIGKILL)
    assert gone(mark)


def test_a_process_is_known_again_by_its_start_time() -> None:
    started = trees.start_time(os.getpid())
    assert trees.is_same(os.getpid(), started)
    assert not trees.is_same(os.getpid(), started - 100)
