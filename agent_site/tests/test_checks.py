from pathlib import Path

import pytest

from agent_site import checks


def ids():
    return [message.id for message in checks.check_settings()]


def test_the_defaults_fit_together():
    assert ids() == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"TELEGRAM_MODE": "webhook"}, ["agent_site.E001"]),
        (
            {
                "TELEGRAM_MODE": "webhook",
                "PUBLIC_URL": "http://agent.example.org",
                "TELEGRAM_API_URL": "https://api.telegram.org",
            },
            ["agent_site.E002"],
        ),
        ({"TELEGRAM_BOT_TOKEN": "not a token"}, ["agent_site.E003"]),
        ({"TELEGRAM_WEBHOOK_SECRET": "with spaces"}, ["agent_site.E004"]),
        ({"SECRET_KEY": "short"}, ["agent_site.E005"]),
        (
            {"BIND": "0.0.0.0", "ADMIN_PASSWORD": "admin", "PUBLIC_URL": "https://agent.example.org"},
            ["agent_site.E006"],
        ),
        ({"BIND": "0.0.0.0"}, ["agent_site.W001"]),
        ({"WORKSPACE_DIR": Path("/")}, ["agent_site.E007"]),
        ({"DATABASES": {"default": {"ENGINE": "django.db.backends.sqlite3"}}}, ["agent_site.E008"]),
    ],
)
@pytest.mark.filterwarnings("ignore:Overriding setting DATABASES")
def test_it_refuses_what_cannot_work_together(settings, changes, expected):
    for name, value in changes.items():
        setattr(settings, name, value)
    assert ids() == expected
    assert all(message.hint for message in checks.check_settings())
