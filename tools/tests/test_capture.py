"""A long output: its head and tail are shown, all of it lies in a file that the model can read."""

import re
from pathlib import Path

import pytest

from tools.confinement.capture import FILES_KEPT, OUTPUTS, HeadTail


def fed(limit: int, *pieces: bytes) -> tuple[str, bool]:
    kept = HeadTail(limit)
    for piece in pieces:
        kept.feed(piece)
    return kept.text()


def file_named(text: str, workspace: Path) -> Path:
    found = re.search(rf"{OUTPUTS}/\w+\.txt", text)
    assert found is not None
    return workspace / found[0]


def test_what_is_short_is_shown_whole_and_leaves_no_file(workspace: Path) -> None:
    assert fed(100, b"one ", b"two") == ("one two", False)
    assert list(workspace.iterdir()) == []


@pytest.mark.parametrize("size", [300, 1_000, 50_000])
def test_what_is_long_lies_whole_in_a_file(workspace: Path, size: int) -> None:
    whole = b"begin" + b"x" * size + b"end"
    text, cut = fed(100, *(whole[at : at + 64] for at in range(0, len(whole), 64)))
    assert cut
    assert len(text) < 250
    assert text.startswith("begin")
    assert text.endswith("end")
    assert file_named(text, workspace).read_bytes() == whole


def test_only_the_newest_files_stay(workspace: Path) -> None:
    for _ in range(FILES_KEPT + 5):
        fed(10, b"x" * 100)
    assert len(list((workspace / OUTPUTS).iterdir())) == FILES_KEPT


def test_a_link_in_the_folder_s_place_leads_nowhere(workspace: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (workspace / OUTPUTS).symlink_to(tmp_path / "elsewhere")
    assert fed(10, b"x" * 100)[1]
    assert list((tmp_path / "elsewhere").iterdir()) == []
