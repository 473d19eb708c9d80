"""Reads the environment and `.env` (the environment wins); a value that makes no sense is refused in a sentence."""

import os
import sys
from pathlib import Path
from zoneinfo import ZoneInfo

import environ

from common.errors import AgentError

BASE_DIR = Path(__file__).resolve().parent.parent
environ.Env.read_env(BASE_DIR / ".env")


class BadSetting(AgentError):
    """A setting has a value that cannot work."""

    def __init__(self, name: str, value: str, wanted: str) -> None:
        super().__init__(f"The setting {name} must be {wanted}, but it is {value!r}. Correct it in .env.")


def program() -> str:
    """What this process was started as: the word after manage.py, else the program's name."""
    name, *words = sys.argv or [""]
    return words[0] if Path(name).name == "manage.py" and words else Path(name).stem or "python"


def text(name: str, default: str = "") -> str:
    """A setting as text; an empty one counts as not set."""
    return os.environ.get(name, "").strip() or default


def secret(name: str) -> str:
    """A key or a token, without the quotes and spaces that copying leaves behind."""
    return text(name).strip("'\" ")


def choice(name: str, default: str, choices: tuple[str, ...]) -> str:
    value = text(name, default)
    if value not in choices:
        raise BadSetting(name, value, f"one of {', '.join(choices)}")
    return value


def whole(name: str, default: int, *, least: int = 0, most: int | None = None) -> int:
    """A whole number from `least` to `most`."""
    value = text(name, str(default))
    try:
        number = int(value)
    except ValueError:
        raise BadSetting(name, value, "a whole number") from None
    if number < least or (most is not None and number > most):
        raise BadSetting(name, value, f"at least {least}" if most is None else f"from {least} to {most}")
    return number


def amount(name: str, default: float) -> float:
    """An amount of money, zero or more."""
    value = text(name, f"{default:g}")
    try:
        number = float(value)
    except ValueError:
        raise BadSetting(name, value, "a number") from None
    if not 0 <= number < float("inf"):
        raise BadSetting(name, value, "zero or more")
    return number


def time_zone(name: str, default: str) -> str:
    value = text(name, default)
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):  # not known, not a name, a folder of zones
        raise BadSetting(name, value, "a time zone such as Europe/Berlin") from None
    return value


def words(name: str, default: str = "") -> list[str]:
    """A list with commas or spaces between its items."""
    return text(name, default).replace(",", " ").split()


def chat_ids(name: str) -> list[int]:
    """Telegram user ids. Groups have negative ids, and a group's id must make nobody master."""
    for word in words(name):
        if not word.isdecimal() or int(word) == 0:
            raise BadSetting(
                name, word, "Telegram user ids (positive numbers; a group's negative id makes nobody master)"
            )
    return [int(word) for word in words(name)]


def url(name: str, default: str = "") -> str:
    """An address that starts with http:// or https://, without a slash at its end."""
    value = text(name, default).rstrip("/")
    if value and not value.startswith(("http://", "https://")):
        raise BadSetting(name, value, "an address that starts with http:// or https://")
    return value


def folder(name: str, default: Path) -> Path:
    """A folder; a relative one starts at the project."""
    return BASE_DIR / Path(text(name, str(default))).expanduser()
