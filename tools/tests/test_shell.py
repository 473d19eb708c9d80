from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tools.base import ToolContext, ToolResult
from tools.errors import ToolProblem, ToolStopped
from tools.registry import all_tools

pytestmark = [pytest.mark.usefixtures("bubblewrap"), pytest.mark.django_db]


def shell(context: ToolContext, command: str, **arguments: Any) -> ToolResult:
    return all_tools()["shell"].run(context, {"command": command, **arguments})


@pytest.fixture
def approved(context: ToolContext) -> ToolContext:
    return replace(context, approved=True)


def test_output_and_exit_code_are_told(approved: ToolContext) -> None:
    assert shell(approved, "echo out; echo err >&2").output == "out\nerr"
    assert shell(approved, "exit 3").output == "(no output)\n[exit code 3]"
    assert not shell(approved, "exit 3").is_error


def test_an_approved_command_writes_in_the_workspace_and_others_do_not(
    context: ToolContext, approved: ToolContext, workspace: Path
) -> None:
    shell(context, "touch a")
    shell(approved, "touch b")
    assert [path.name for path in workspace.iterdir()] == ["b"]


def test_a_command_over_its_time_says_so(approved: ToolContext) -> None:
    result = shell(approved, "echo begun; sleep 60", timeout=0)
    assert result.output == "begun\n[Stopped: the command ran longer than 1 s.]"
    assert result.is_error


def test_a_flood_says_so(approved: ToolContext) -> None:
    result = shell(approved, "yes")
    assert result.output.endswith("[Stopped: the command flooded its output.]")
    assert result.truncated
    assert len(result.output) < 20_200


def test_a_stopped_command_says_what_it_had_written(approved: ToolContext) -> None:
    with pytest.raises(ToolStopped) as stopped:
        shell(replace(approved, stop=lambda: True), "echo begun; sleep 60")
    assert stopped.value.output == "begun\n\n[Stopped on request.]"


def test_a_command_that_can_not_start_is_a_sentence(approved: ToolContext) -> None:
    with pytest.raises(ToolProblem, match="could not be started"):
        shell(approved, "a" * 200_000)
    with pytest.raises(ToolProblem, match="could not be started"):
        shell(approved, "a\0b")


def test_df_shows_the_root_of_the_real_machine(context: ToolContext) -> None:
    mounts = [line.split()[-1] for line in shell(context, "df -P").output.splitlines()[1:]]
    assert "/" in mounts
    assert "/usr" not in mounts


def test_its_process_is_made_known(context: ToolContext) -> None:
    known: list[tuple[int, float]] = []
    shell(replace(context, on_process=lambda pid, started: known.append((pid, started))), "true")
    assert known[0][0] > 0
    assert known[0][1] > 0
