from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tools.base import ToolContext, ToolResult
from tools.errors import PathRefused, ToolProblem
from tools.registry import all_tools

pytestmark = pytest.mark.django_db


def run(context: ToolContext, name: str, **arguments: Any) -> ToolResult:
    return all_tools()[name].run(context, arguments)


def test_a_file_is_written_read_listed_and_deleted(context: ToolContext, workspace: Path) -> None:
    assert "5 bytes" in run(context, "file_write", path="sub/notes.txt", content="hällo"[:4]).output
    assert run(context, "file_read", path="sub/notes.txt").output == "häll"
    assert run(context, "file_list", path="sub").output.endswith(" notes.txt")
    assert run(context, "file_list").output.endswith(" sub/")
    run(context, "file_delete", path="sub/notes.txt")
    run(context, "file_delete", path="sub")
    assert list(workspace.iterdir()) == []
    assert run(context, "file_list").output == "(empty)"


def test_lines_are_read_from_an_offset(context: ToolContext, workspace: Path) -> None:
    (workspace / "a").write_text("".join(f"{number}\n" for number in range(1, 11)))
    result = run(context, "file_read", path="a", offset=3, limit=2)
    assert result.output == "3\n4\n\n[More lines follow: offset 5.]"
    assert run(context, "file_read", path="a", offset=10).output == "10\n"
    assert run(context, "file_read", path="a", offset=11).output == "(empty)"


def test_a_long_file_is_shown_by_its_head_and_tail(context: ToolContext, workspace: Path) -> None:
    (workspace / "a").write_text("begin" + "x" * 30_000 + "end")
    result = run(context, "file_read", path="a")
    assert result.truncated
    assert len(result.output) < 20_100
    assert result.output.startswith("begin")
    assert result.output.endswith("end")


def test_an_overwritten_file_keeps_its_permissions(context: ToolContext, workspace: Path) -> None:
    (workspace / "script").write_text("old")
    (workspace / "script").chmod(0o750)
    run(context, "file_write", path="script", content="new")
    assert (workspace / "script").stat().st_mode & 0o777 == 0o750
    assert [path.name for path in workspace.iterdir()] == ["script"]


def test_deleting_a_link_keeps_what_it_leads_to(context: ToolContext, workspace: Path) -> None:
    (workspace / "kept").write_text("x")
    (workspace / "link").symlink_to("kept")
    run(context, "file_delete", path="link")
    assert [path.name for path in workspace.iterdir()] == ["kept"]


@pytest.mark.parametrize(
    ("name", "path", "words"),
    [
        ("file_read", "missing", "There is no file"),
        ("file_read", ".", "There is no file"),
        ("file_write", ".", "is a folder"),
        ("file_delete", "missing", "No such file"),
        ("file_delete", "full", "not empty"),
        ("file_list", "missing", "No such file"),
        ("file_read", "a" * 300, "name too long"),
    ],
)
def test_what_can_not_be_done_is_said_in_words(
    context: ToolContext, workspace: Path, name: str, path: str, words: str
) -> None:
    (workspace / "full").mkdir()
    (workspace / "full" / "x").touch()
    arguments = {"content": ""} if name == "file_write" else {}
    with pytest.raises(ToolProblem, match=words):
        run(context, name, path=path, **arguments)


@pytest.mark.parametrize("name", ["file_read", "file_write", "file_delete", "file_list", "file_search"])
def test_no_tool_goes_beyond_the_bounds_by_itself(
    context: ToolContext, workspace: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "x").write_text("x")
    (workspace / "link").symlink_to(tmp_path / "outside")
    arguments = {"file_write": {"content": ""}, "file_search": {"pattern": "x"}}.get(name, {})
    for path in ("../../outside/x", "link/x", str(tmp_path / "outside" / "x")):
        with pytest.raises(PathRefused):
            run(context, name, path=path, **arguments)
    with pytest.raises(PathRefused):
        run(replace(context, approved=True), name, path="../secret_key", **arguments)
    assert (tmp_path / "outside" / "x").read_text() == "x"


def test_an_approved_path_outside_is_read(context: ToolContext, tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("x")
    assert run(replace(context, approved=True), "file_read", path=str(tmp_path / "outside")).output == "x"


def test_lines_are_found_by_regular_expression_or_literally(context: ToolContext, workspace: Path) -> None:
    (workspace / "sub").mkdir()
    (workspace / "sub" / "a").write_text("one\ntwo (2\nthree\n")
    assert run(context, "file_search", pattern="^t.o").output == "./sub/a:2:two (2\n"
    assert run(context, "file_search", pattern="(2", path="sub").output == "sub/a:2:two (2\n"
    assert run(context, "file_search", pattern="-x").output == "No match."
    assert run(context, "file_search", pattern="$(touch made)").output == "No match."
    assert not (workspace / "made").exists()


def test_a_pattern_that_backtracks_without_end_elsewhere_does_not_here(context: ToolContext, workspace: Path) -> None:
    (workspace / "a").write_text("a" * 5000 + "b")
    assert run(context, "file_search", pattern="(a+)+$").output == "No match."
