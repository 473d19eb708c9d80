import os

from common.kept import kept_secret


def test_a_kept_secret_is_made_once_and_only_its_owner_can_read_it(tmp_path):
    made = kept_secret(tmp_path, "key")
    assert len(made) >= 48
    assert kept_secret(tmp_path, "key") == made
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["key"]
