"""What the file tools take away can be had back."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tools.base import ToolContext
from tools.models import KeptState, TrashItem
from tools.registry import all_tools
from tools.trash import CannotRestore, folder, trash_prune, trash_restore

pytestmark = pytest.mark.django_db
Use = Callable[..., str]


@pytest.fixture
def use(context: ToolContext) -> Use:
    return lambda name, **arguments: all_tools()[name].run(context, arguments).output


def last() -> TrashItem:
    return TrashItem.objects.latest("pk")


def restore(item: TrashItem | None = None) -> str:
    return trash_restore(item or last(), actor="user:1")


def test_a_deleted_file_comes_back_with_its_permissions(use: Use, workspace: Path) -> None:
    (workspace / "a").write_text("x")
    (workspace / "a").chmod(0o750)
    use("file_delete", path="a")
    item = last()
    assert (item.kind, item.size, item.state) == ("deleted", 1, KeptState.KEPT)
    assert not (workspace / "a").exists()
    assert restore() == f"{workspace}/a is as it was before."
    assert (workspace / "a").read_text() == "x"
    assert (workspace / "a").stat().st_mode & 0o777 == 0o750
    item.refresh_from_db()
    assert item.state == KeptState.RESTORED
    assert item.restored_at is not None


def test_an_overwritten_file_has_its_old_content_again_and_the_new_one_on_a_second_undo(
    use: Use, workspace: Path
) -> None:
    (workspace / "a").write_text("old")
    use("file_write", path="a", content="new")
    restore()
    assert (workspace / "a").read_text() == "old"
    assert last().is_undo
    restore()
    assert (workspace / "a").read_text() == "new"
    assert not last().is_undo


def test_a_file_that_was_made_is_removed_and_made_again(use: Use, workspace: Path) -> None:
    use("file_write", path="sub/a", content="new")
    restore()
    assert not (workspace / "sub/a").exists()
    restore()
    assert (workspace / "sub/a").read_text() == "new"


def test_links_and_empty_folders_come_back(use: Use, workspace: Path) -> None:
    (workspace / "link").symlink_to("nowhere")
    (workspace / "folder").mkdir()
    for name in ("link", "folder"):
        use("file_delete", path=name)
        restore()
    assert (workspace / "link").readlink() == Path("nowhere")
    assert (workspace / "folder").is_dir()


def test_what_was_changed_since_is_kept_beside(use: Use, workspace: Path) -> None:
    (workspace / "a").write_text("old")
    use("file_write", path="a", content="new")
    (workspace / "a").write_text("newer")
    assert "both are kept, the earlier one as a.restored" in restore()
    assert (workspace / "a").read_text() == "newer"
    assert (workspace / "a.restored").read_text() == "old"
    use("file_delete", path="a")
    (workspace / "a").write_text("another")
    assert "both are kept, the earlier one as a.restored1" in restore()


def test_a_file_that_was_made_and_then_changed_stays(use: Use, workspace: Path) -> None:
    use("file_write", path="a", content="new")
    (workspace / "a").write_text("newer")
    with pytest.raises(CannotRestore, match="changed since"):
        restore()
    assert (workspace / "a").read_text() == "newer"
    assert last().state == KeptState.KEPT


def test_it_is_restored_once(use: Use, workspace: Path) -> None:
    (workspace / "a").write_text("x")
    use("file_delete", path="a")
    item = last()
    restore(item)
    with pytest.raises(CannotRestore, match="restored already"):
        restore(item)


def test_a_folder_that_leads_elsewhere_by_now_is_not_followed(use: Use, workspace: Path, tmp_path: Path) -> None:
    use("file_write", path="sub/a", content="x")
    use("file_delete", path="sub/a")
    (workspace / "sub").rmdir()
    (workspace / "sub").symlink_to(tmp_path)
    with pytest.raises(CannotRestore, match="leads elsewhere"):
        restore()
    assert not (tmp_path / "a").exists()


def test_the_oldest_goes_when_the_trash_is_full_and_its_row_says_so(use: Use, workspace: Path, settings: Any) -> None:
    settings.TRASH_MAX_MB = 1
    for name in ("a", "b"):
        (workspace / name).write_bytes(b"x" * 700_000)
        use("file_delete", path=name)
    first, second = TrashItem.objects.order_by("pk")
    assert (first.state, first.note) == (KeptState.PRUNED, "Newer ones needed its room.")
    assert second.state == KeptState.KEPT
    assert [path.name for path in folder().iterdir()] == [second.kept_as]
    with pytest.raises(CannotRestore, match="pruned already"):
        restore(first)


def test_what_is_larger_than_the_trash_is_gone_and_the_answer_says_so(use: Use, workspace: Path, settings: Any) -> None:
    settings.TRASH_MAX_MB = 0
    (workspace / "a").write_text("x")
    assert "it was not kept" in use("file_delete", path="a")
    assert not (workspace / "a").exists()


def test_what_is_old_goes(use: Use, workspace: Path) -> None:
    (workspace / "a").write_text("x")
    use("file_delete", path="a")
    TrashItem.objects.update(made_at="2020-01-01T00:00Z")
    assert trash_prune() == 1
    assert last().note == "It was too old to be kept."
    assert list(folder().iterdir()) == []
