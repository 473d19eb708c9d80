"""What all tests share. Only loopback can be reached (pytest-socket), and nobody's keys or folders are touched."""

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User

pytest_plugins = ["tests.cast"]

# What starts processes or a browser; `./test -m "not slow"` leaves it out.
SLOW = (
    "tests/flows/",
    "agent_site/tests/test_embedded_postgres.py",
    "agent_site/tests/test_supervisor.py",
    "agent_site/tests/test_up.py",
    "common/tests/test_cluster.py",
    "common/tests/test_lease.py",
    "tools/tests/mcp/test_calls.py",
    "tools/tests/mcp/test_question_flow.py",
    "tools/tests/mcp/test_real_servers.py",
    "tools/tests/test_confinement.py",
    "jobs/tests/test_stop.py",
    "jobs/tests/test_takeover.py",
    "tools/tests/test_process.py",
    "tools/tests/test_sandbox.py",
    "tools/tests/test_shell.py",
)

DEFAULTS: dict[str, Any] = {
    "ANTHROPIC_API_KEY": "",
    "CLAUDE_CODE_OAUTH_TOKEN": "",
    "HAIKU_API_KEY": "",
    "ANTHROPIC_BASE_URL": "",
    "TELEGRAM_BOT_TOKEN": "",
    "TELEGRAM_API_URL": "http://127.0.0.1:9",
    "TELEGRAM_MODE": "auto",
    "TELEGRAM_WEBHOOK_SECRET": "test-webhook-secret",
    "MASTER_CHAT_IDS": [],
    "PUBLIC_URL": "",
    "MONITORING_TOKEN": "",
    "DEAD_MAN_URL": "",
    "APPROVAL_POLICY": "every_job",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.nodeid.startswith(SLOW):
            item.add_marker("slow")


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(autouse=True)
def _own_settings(settings: Any, data_dir: Path) -> None:
    """Settings as they are without an environment: a developer's .env must not reach a test."""
    for name, value in DEFAULTS.items():
        setattr(settings, name, value)
    settings.DATA_DIR = data_dir
    settings.WORKSPACE_DIR = data_dir / "workspace"


@pytest.fixture
def superuser(db: None) -> User:
    """The owner as a Django user. Log in with `client.force_login`; a password is left out because hashing is slow."""
    return get_user_model().objects.create_superuser("owner")
