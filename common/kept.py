"""Secrets that the product makes for itself and keeps in files of its data folder."""

import os
import secrets
from pathlib import Path


def kept_secret(data_dir: Path, name: str) -> str:
    """A secret that is made once and kept in `data_dir`, readable by the owner only. Two processes get the same one."""
    path = data_dir / name
    if not path.exists():
        data_dir.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{name}.{os.getpid()}")
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(48))
        try:
            os.link(draft, path)  # fails when another process was first
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()
