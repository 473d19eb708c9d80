"""Which model answers what, where it is, and with which key. With no key and no address, the demo model."""

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings

from llm.errors import Fate, ModelRejected, ModelUnavailable
from llm.types import Purpose

PUBLIC_URL = "https://api.anthropic.com"
DEMO = "demo"
DEMO_URL_FILE = "demo_model.url"
NO_KEY = "none"  # servers such as Ollama want a key to be sent, and take any


@dataclass(frozen=True, kw_only=True)
class Route:
    """A model at an address; one of `api_key` and `auth_token` is set, and both stay out of every repr."""

    model: str
    provider: str
    base_url: str
    api_key: str = field(default="", repr=False)
    auth_token: str = field(default="", repr=False)


def is_demo() -> bool:
    """Whether nothing is configured that a real model could be reached with."""
    names = ("ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN", "HAIKU_API_KEY", "ANTHROPIC_BASE_URL")
    return not any(getattr(settings, name) for name in names)


def model_for(purpose: Purpose) -> Route:
    """The route of `purpose`. Raises ModelUnavailable (the demo model isn't running) or ModelRejected (no key)."""
    if is_demo():
        return Route(model=DEMO, provider=DEMO, base_url=_demo_url(), api_key=DEMO)
    base_url = settings.ANTHROPIC_BASE_URL or PUBLIC_URL
    small = purpose == Purpose.CLASSIFY
    model = settings.HAIKU_MODEL if small else settings.CLAUDE_MODEL
    key = (settings.HAIKU_API_KEY if small else "") or settings.ANTHROPIC_API_KEY
    token = "" if key else settings.CLAUDE_CODE_OAUTH_TOKEN
    if not (key or token):
        if not settings.ANTHROPIC_BASE_URL:
            raise ModelRejected("Set ANTHROPIC_API_KEY or CLAUDE_CODE_OAUTH_TOKEN in .env.", fate=Fate.NEVER_LEFT)
        key = NO_KEY
    return Route(model=model, provider=_provider(base_url), base_url=base_url, api_key=key, auth_token=token)


def _provider(base_url: str) -> str:
    host = urlsplit(base_url).hostname or base_url
    known = {"api.anthropic.com": "anthropic", "openrouter.ai": "openrouter"}
    return known.get(host, host)[:100]


def _demo_url() -> str:
    # Read each time: the demo model takes a new port when it is restarted.
    try:
        return Path(settings.DATA_DIR, DEMO_URL_FILE).read_text().strip()
    except FileNotFoundError:
        raise ModelUnavailable(
            "No key is set and the demo model isn't running: start it with ./run or `manage.py demo_model`, "
            "or set ANTHROPIC_API_KEY in .env.",
            fate=Fate.NEVER_LEFT,
        ) from None
