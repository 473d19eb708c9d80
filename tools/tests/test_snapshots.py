"""The workspace before a command, and the way back. The command is played by the test itself."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tools import snapshots
from tools.keeping import store
from tools.models import KeptState, Snapshot
from tools.snapshots import CannotUndo, snapshot_close, snapshot_prune, snapshot_restore, snapshot_take

pytestmark = pytest.mark.django_db
Change = Callable[[Callable[[], object]], Snapshot]


@pytest.fixture
def change(workspace: Path) -> Change:
    """A command runs, and does this."""

    def run(command: Callable[[], object]) -> Snapshot:
        row = snapshot_take(workspace=workspace, command="make", level="workspace", job_ref="job:1")
        command()
        snapshot_close(row, workspace=workspace)
        return row

    return run


@pytest.fixture
def back(workspace: Path) -> Callable[[Snapshot], str]:
    return lambda row: snapshot_restore(row, workspace=workspace, actor="user:1")


def contents(folder: Path) -> dict[str, object]:
    return {
        str(path.relative_to(folder)): str(path.readlink())
        if path.is_symlink()
        else path.read_bytes()
        if path.is_file()
        else path.stat().st_mode
        for path in sorted(folder.rglob("*"))
    }


@pytest.fixture
def filled(workspace: Path) -> Path:
    (workspace / "sub/deep").mkdir(parents=True)
    (workspace / "edited").write_text("old")
    (workspace / "deleted").write_text("here")
    (workspace / "sub/deep/moved").write_text("content")
    (workspace / "link").symlink_to("edited")
    (workspace / "becomes-folder").write_text("file")
    (workspace / "becomes-file").mkdir()
    (workspace / "becomes-file/x").write_text("inside")
    (workspace / "script").write_text("#!/bin/sh\n")
    (workspace / "script").chmod(0o755)
    return workspace


def wreck(workspace: Path) -> None:
    with (workspace / "edited").open("r+") as file:  # in place: a hard link would not have kept it
        file.write("NEW")
    (workspace / "deleted").unlink()
    (workspace / "sub/deep/moved").rename(workspace / "moved")
    (workspace / "sub/deep").rmdir()
    (workspace / "link").unlink()
    (workspace / "link").symlink_to("elsewhere")
    (workspace / "becomes-folder").unlink()
    (workspace / "becomes-folder").mkdir()
    (workspace / "becomes-folder/y").write_text("new")
    (workspace / "becomes-file/x").unlink()
    (workspace / "becomes-file").rmdir()
    (workspace / "becomes-file").write_text("now a file")
    (workspace / "script").chmod(0o644)
    (workspace / "made/here").mkdir(parents=True)
    (workspace / "made/here/z").write_text("new")


def test_whatever_a_command_changed_is_as_before_and_again_as_after(
    filled: Path, change: Change, back: Callable[[Snapshot], str]
) -> None:
    before = contents(filled)
    row = change(lambda: wreck(filled))
    after = contents(filled)
    text = back(row)
    assert contents(filled) == before
    assert "Put back: " in text
    assert "made/here/z" in text
    undo = Snapshot.objects.latest("pk")
    assert undo.is_undo
    back(undo)
    assert contents(filled) == after


def test_what_was_changed_again_since_is_kept_in_both_versions(
    filled: Path, change: Change, back: Callable[[Snapshot], str]
) -> None:
    row = change(lambda: wreck(filled))
    (filled / "edited").write_text("newer")
    (filled / "made/here/z").write_text("mine")
    (filled / "unrelated").write_text("mine")
    text = back(row)
    assert (filled / "edited").read_text() == "newer"
    assert (filled / f"edited.before-{row.pk}").read_text() == "old"
    assert (filled / "made/here/z").read_text() == "mine"
    assert (filled / "unrelated").read_text() == "mine"
    assert (filled / "deleted").read_text() == "here"
    assert "Changed again since, so both are kept" in text


def test_a_command_that_changed_nothing_leaves_no_row(filled: Path, change: Change) -> None:
    change(lambda: None)
    assert not Snapshot.objects.exists()
    assert not list(store.folder().glob("*.json.gz"))


def test_a_crash_during_the_command_can_be_taken_back_too(
    filled: Path, workspace: Path, back: Callable[[Snapshot], str]
) -> None:
    before = contents(filled)
    row = snapshot_take(workspace=workspace, command="make", level="workspace")
    wreck(filled)
    back(row)
    assert contents(filled) == before


def test_files_untouched_since_the_last_one_are_not_read_again(
    filled: Path, change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(lambda: (filled / "edited").write_text("new"))
    read: list[str] = []
    put = store._put
    monkeypatch.setattr(store, "_put", lambda root, path: read.append(path) or put(root, path))
    change(lambda: (filled / "edited").write_text("newer"))
    assert read == ["edited"]


def test_a_workspace_that_is_too_large_gets_none_and_the_row_says_so(
    filled: Path, change: Change, back: Callable[[Snapshot], str], settings: Any
) -> None:
    settings.SNAPSHOT_MAX_MB = 1
    (filled / "big").write_bytes(b"x" * 2 * 1024**2)
    row = change(lambda: wreck(filled))
    assert row.state == KeptState.IMPOSSIBLE
    assert "more than 1 MB" in row.note
    assert "can't be undone" in snapshots.forecast(filled)
    with pytest.raises(CannotUndo):
        back(row)


def test_no_file_is_read_or_written_through_a_link(
    filled: Path, change: Change, back: Callable[[Snapshot], str], tmp_path: Path
) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/moved").write_text("secret")

    def swap() -> None:
        (filled / "sub").rename(tmp_path / "gone")
        (filled / "sub").symlink_to(tmp_path / "outside")

    row = change(swap)
    (filled / "sub").unlink()
    (filled / "sub").symlink_to(tmp_path / "outside", target_is_directory=True)
    (tmp_path / "outside/deep").mkdir()
    back(row)
    assert (tmp_path / "outside/moved").read_text() == "secret"
    assert not (tmp_path / "outside/deep/moved").exists()


def test_old_ones_and_their_contents_go_and_their_rows_say_so(filled: Path, change: Change) -> None:
    old = change(lambda: (filled / "edited").write_text("1"))
    Snapshot.objects.filter(pk=old.pk).update(made_at="2020-01-01T00:00Z")
    new = change(lambda: (filled / "edited").write_text("2"))
    assert snapshot_prune() == 1
    old.refresh_from_db()
    assert (old.state, old.note) == (KeptState.PRUNED, "It was too old to be kept.")
    named = {entry.content for entry in store.tree_read(str(new.pk)).values() if entry.kind == "file"}
    assert {path.name for path in (store.folder() / "objects").glob("*/*")} == named


def test_the_store_is_bounded(filled: Path, change: Change, settings: Any) -> None:
    settings.SNAPSHOT_MAX_MB = 1
    for number in range(8):
        change(lambda number=number: (filled / "edited").write_bytes(bytes([number]) * 900_000))  # type: ignore[misc]
    snapshot_prune()
    assert store.clear_away() <= 5 * 1024**2
    assert Snapshot.objects.filter(state=KeptState.PRUNED, note="Newer ones needed its room.").exists()
    assert Snapshot.objects.latest("pk").state == KeptState.KEPT


def test_folders_nested_beyond_all_measure_are_kept_too(workspace: Path, change: Change) -> None:
    def nest() -> None:
        for depth in range(1, 1501):
            os.mkdir(workspace / "/".join(["d"] * depth))

    assert change(nest).changed == 1500
    subprocess.run(["rm", "-r", str(workspace / "d")], check=True)  # Python would not get down there


def test_a_full_disk_keeps_nobody_from_working(filled: Path, change: Change, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(root: Path, tree: object, earlier: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store, "kept", full)
    row = change(lambda: None)
    assert (row.state, row.note) == (KeptState.IMPOSSIBLE, "No snapshot could be made: No space left on device.")
