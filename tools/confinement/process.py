"""Runs one command with limits of time, output, memory and number of processes, and ends all that it started.

A command begins only when its start is known: it waits at a gate (`GATE`) that its worker opens once `on_process` has
written down the pid. A worker that dies before leaves a gate that nobody opens, and the command ends unbegun; one that
was stopped before and taken over finds its row changed, and never opens it. For whatever `on_process` could not write
down, each process carries the call that it belongs to in its environment (marks.py), so that a takeover finds it.
"""

import contextlib
import os
import selectors
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import psutil

from common.errors import StopCheck
from tools.confinement import marks
from tools.confinement.capture import HeadTail
from tools.confinement.trees import descendants, start_time
from tools.confinement.trees import end_tree as end_tree

TICK_SECONDS = 0.25
"""How often `stop` is asked."""
CENSUS_SECONDS = 1.0
# exec keeps the pid, the parent and the environment.
GATE = ["/bin/sh", "-c", 'read -r go || exit 125; exec "$@" < /dev/null', "gate"]


class Ending(StrEnum):
    EXITED = "exited"
    STOPPED = "stopped on request"
    TIME = "time"
    OUTPUT = "output"
    MEMORY = "memory"
    PROCESSES = "processes"


@dataclass(frozen=True, kw_only=True)
class Limits:
    """`shown` is what is kept of the output, in characters; a command that writes more than `flood` bytes is ended."""

    seconds: float = 120.0
    shown: int = 20_000
    flood: int = 20 * 1024 * 1024
    memory: int = 2 * 1024**3
    processes: int = 512


@dataclass(frozen=True, kw_only=True)
class Finished:
    exit_code: int | None
    output: str
    truncated: bool
    ending: Ending


def run(
    argv: list[str],
    *,
    cwd: Path,
    env: dict[str, str],
    stop: StopCheck,
    limits: Limits,
    on_process: Callable[[int, float], None],
) -> Finished:
    """Runs `argv` to its end or to its limit, with stdout and stderr as one. Raises OSError when it can't be started.

    `argv` must be a command that takes its descendants along when it dies: see sandbox.command_line.
    """
    gate, opener = os.pipe()
    try:
        process = _start(argv, gate, cwd=cwd, env=env)
    except BaseException:
        os.close(opener)
        raise
    finally:
        os.close(gate)
    with process:
        try:
            with open(opener, "wb", buffering=0) as opening:
                on_process(process.pid, start_time(process.pid))
                with contextlib.suppress(BrokenPipeError):  # somebody has ended it already
                    opening.write(b"go\n")
            return _Watch(process, stop, limits).until_the_end()
        finally:
            _end(process)


def _start(argv: list[str], gate: int, *, cwd: Path, env: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*GATE, *argv],
        cwd=cwd,
        env=env | marks.variables(),
        stdin=gate,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


class _Watch:
    def __init__(self, process: subprocess.Popen[bytes], stop: StopCheck, limits: Limits) -> None:
        self._process, self._stop, self._limits = process, stop, limits
        self._kept = HeadTail(limits.shown)
        self._started = self._ticked = self._counted = time.monotonic()

    def until_the_end(self) -> Finished:
        ending = self._follow()
        _end(self._process)
        self._drain()
        text, truncated = self._kept.text()
        code = self._process.wait()
        return Finished(
            exit_code=code if ending is Ending.EXITED else None, output=text, truncated=truncated, ending=ending
        )

    def _follow(self) -> Ending:
        pipe = self._pipe()
        os.set_blocking(pipe, False)
        # The pidfd tells of the exit at once, even when something that was left behind keeps the pipe open.
        exit_fd = os.pidfd_open(self._process.pid) if hasattr(os, "pidfd_open") else None
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(pipe, selectors.EVENT_READ)
                if exit_fd is not None:
                    selector.register(exit_fd, selectors.EVENT_READ)
                return self._watch(selector, pipe)
        finally:
            if exit_fd is not None:
                os.close(exit_fd)

    def _watch(self, selector: selectors.BaseSelector, pipe: int) -> Ending:
        while True:
            ready = {key.fd for key, _ in selector.select(TICK_SECONDS)}
            if pipe in ready and not self._read(pipe):
                selector.unregister(pipe)
            if self._process.poll() is not None:
                return Ending.EXITED
            if (verdict := self._over_limit()) is not None:
                return verdict

    def _read(self, pipe: int) -> bool:
        """Whether the pipe is still open."""
        with contextlib.suppress(BlockingIOError):
            data = os.read(pipe, 65536)
            self._kept.feed(data)
            return bool(data)
        return True

    def _over_limit(self) -> Ending | None:
        now = time.monotonic()
        if self._kept.size > self._limits.flood:
            return Ending.OUTPUT
        if now - self._ticked < TICK_SECONDS:
            return None
        self._ticked = now
        if self._stop():
            return Ending.STOPPED
        if now - self._started > self._limits.seconds:
            return Ending.TIME
        return self._census(now)

    def _census(self, now: float) -> Ending | None:
        """Memory and number of the whole tree: rlimits count per process, and the number not at all for root."""
        if now - self._counted < CENSUS_SECONDS:
            return None
        self._counted = now
        tree = descendants(self._process.pid)
        if len(tree) > self._limits.processes:
            return Ending.PROCESSES
        return Ending.MEMORY if sum(map(_resident, tree)) > self._limits.memory else None

    def _drain(self) -> None:
        """What was still in the pipe when the command ended; its size is bounded by the pipe's."""
        pipe = self._pipe()
        with contextlib.suppress(BlockingIOError):
            while (data := os.read(pipe, 65536)) and self._kept.size <= self._limits.flood + 1024**2:
                self._kept.feed(data)

    def _pipe(self) -> int:
        assert self._process.stdout is not None
        return self._process.stdout.fileno()


def _end(process: subprocess.Popen[bytes]) -> None:
    # Once reaped, its number may belong to another process.
    if process.poll() is None:
        end_tree(process.pid)


def _resident(process: psutil.Process) -> int:
    with contextlib.suppress(psutil.Error):
        return int(process.memory_info().rss)
    return 0
