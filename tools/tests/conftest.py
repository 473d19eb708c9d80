"""A workspace of the test's own, and what every tool test asks for."""

import contextlib
import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tools import paths, sandbox
from tools.base import ToolCall, ToolContext
from tools.models import ToolExecution


@pytest.fixture(autouse=True)
def workspace(settings: Any, tmp_path: Path) -> Path:
    settings.DATA_DIR = tmp_path / "var"
    settings.WORKSPACE_DIR = tmp_path / "var" / "workspace"
    return paths.workspace()


@pytest.fixture
def context(workspace: Path) -> ToolContext:
    return ToolContext(workspace=workspace, stop=lambda: False)


@pytest.fixture
def bubblewrap() -> None:
    if not sandbox.available():
        pytest.skip("bubblewrap does not work here: install it (apt-get install bubblewrap) to run this test")


@pytest.fixture
def no_bubblewrap(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    caches: tuple[Any, ...] = (sandbox.available, sandbox._program, sandbox.network_available, sandbox.in_force)
    with monkeypatch.context() as patched:
        patched.setattr("shutil.which", lambda *args, **kwargs: None)
        for cache in caches:
            cache.cache_clear()
        yield
    for cache in caches:
        cache.cache_clear()


@pytest.fixture
def execute() -> Callable[..., ToolExecution]:
    from tools.execute import tool_execute

    def run(name: str, call_id: str = "call-1", **options: Any) -> ToolExecution:
        known = {"approved", "epoch", "fence", "stop", "run_ref", "job_ref"}
        given = {key: options.pop(key) for key in known & options.keys()}
        defaults: dict[str, Any] = {
            "run_ref": "run:1",
            "job_ref": "job:1",
            "epoch": 1,
            "approved": False,
            "fence": lambda: None,
            "stop": lambda: False,
        }
        call = ToolCall(call_id=call_id, name=name, arguments=options)
        return tool_execute(call=call, **(defaults | given))

    return run


def processes_with(mark: str) -> list[psutil.Process]:
    """Those whose command line holds `mark`."""
    found = []
    for each in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if mark in " ".join(each.cmdline()) and each.status() != psutil.STATUS_ZOMBIE:
                found.append(each)
    return found


@functools.cache
def seconds_that_mark(name: str) -> str:
    """A duration for `sleep` that no other process has, to find it by."""
    return str(100_000 + abs(hash(name)) % 800_000)
