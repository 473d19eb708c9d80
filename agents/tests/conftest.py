"""A run of its own, a clock that only moves when it is told to, and workers that come and go."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from agents import loop, recording
from agents.models import Run, Step
from agents.recording import Held
from agents.services import run_open
from common import lease, queue
from llm.scripted import Reply, call_tool

OPENING = [{"role": "user", "content": [{"type": "text", "text": "Write it down."}]}]


def line(name: str, **arguments: Any) -> dict[str, Any]:
    """A call as a plan lists it: without the id of a call."""
    return {"name": name, "arguments": arguments}


def writing(path: str = "a.txt", content: str = "hi") -> dict[str, Any]:
    """The plan's line of a call that nobody makes without an OK."""
    return line("file_write", path=path, content=content)


def write(path: str = "a.txt", content: str = "hi", *, text: str = "") -> Reply:
    """The model's turn with that call."""
    return call_tool("file_write", {"path": path, "content": content}, text=text)


@pytest.fixture
def open_run(db) -> Callable[..., Run]:
    """A run whose plan permits the given lines."""

    def opened(*permitted: dict[str, Any]) -> Run:
        return run_open(
            job_ref="job:1",
            thread_ref="thread:1",
            person_ref="person:1",
            opening=OPENING,
            permitted_calls=list(permitted),
        )

    return opened


def advance(run: Run) -> Run:
    """One task: what a worker does that has just read the run."""
    return loop.advance(Run.objects.get(pk=run.pk))


def answers(run: Run) -> list[dict[str, Any]]:
    """What the model was told about its calls, in order."""
    return [block for step in run.steps.filter(kind=Step.Kind.TOOL) for block in step.content]


class Clock:
    """Stands still."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch) -> Clock:
    standing_still = Clock()
    monkeypatch.setattr(loop, "time", standing_still)
    monkeypatch.setattr(recording, "time", standing_still)
    return standing_still


@pytest.fixture
def draining(monkeypatch) -> None:
    """The worker was told to stop."""
    monkeypatch.setattr(queue, "_stop_check", lambda: True)


def hold(run: Run) -> Held:
    """A worker that has claimed the run."""
    mine = Run.objects.get(pk=run.pk)
    return Held(run=mine, epoch=lease.claim(mine))


def lapse(run: Run) -> None:
    """The worker has not renewed its lease: it was stopped, or its host is gone."""
    Run.objects.filter(pk=run.pk).update(
        lease_owner="elsewhere:1:1.00", lease_expires_at=timezone.now() - timedelta(seconds=1)
    )
