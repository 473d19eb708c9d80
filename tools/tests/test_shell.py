import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tools.base import ToolContext, ToolResult
from tools.confinement import masks
from tools.confinement.process import Ending, Finished
from tools.errors import ToolProblem, ToolStopped
from tools.models import Snapshot
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


def test_an_approved_call_at_level_host_sees_the_real_machine(approved: ToolContext) -> None:
    assert shell(approved, f"ps -o pid= -p {os.getpid()}", level="host").output.strip() == str(os.getpid())
    assert shell(approved, "echo $HOME", level="host").output == str(Path.home())


def test_a_call_that_was_not_asked_about_only_reads_whatever_level_it_names(context: ToolContext) -> None:
    result = shell(context, "touch made", level="host")
    assert "Read-only file system" in result.output
    assert result.output.endswith("[It ran at level read, not host: it was not asked about.]")


def test_only_a_line_that_does_nothing_but_ask_speaks_to_the_service_manager(
    context: ToolContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "manager").touch()
    monkeypatch.setattr(masks, "SERVICE_MANAGER", (str(tmp_path / "manager"),))
    looked: list[list[str]] = []
    monkeypatch.setattr(
        "tools.builtin.shell.run_argv",
        lambda context, argv, limits: (
            looked.append(argv) or Finished(exit_code=0, output="", truncated=False, ending=Ending.EXITED)
        ),
    )
    for command in (
        "systemctl status nginx | head -5",
        "systemctl status nginx | head notes",
        "systemctl --version; make",
    ):
        shell(context, command)
    assert [str(tmp_path / "manager") in argv for argv in looked] == [True, False, False]


def test_the_workspace_as_it_was_is_kept_before_a_command_changes_it(approved: ToolContext, workspace: Path) -> None:
    shell(approved, "echo x > made")
    row = Snapshot.objects.get()
    assert (row.command, row.level, row.changed) == ("echo x > made", "workspace", 1)
    shell(approved, "ls")
    assert Snapshot.objects.count() == 1
