"""What a server's row may say, and what its command may see."""

from pathlib import Path

import pytest

from ops.secrets import SecretError, secret_set
from tools.mcp import plans
from tools.mcp.errors import BadServer
from tools.models import McpServer

HTTP = {"transport": "http", "command": "", "args": [], "url": "https://mcp.example.com/mcp"}


def row(**fields: object) -> McpServer:
    return McpServer(pk=1, **{"name": "one", "command": "npx", "args": ["-y", "server"], **fields})


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"command": " "}, "a command is missing"),
        ({"args": "-y"}, "lists of texts"),
        ({"args": ["a\0b"]}, "lists of texts"),
        ({"variables": ["A"]}, "an object of names and texts"),
        ({"variables": {"A": 1}}, "an object of names and texts"),
        ({"variables": {"A=B": "x"}}, "no name of an environment variable"),
        ({"variables": {"TOKEN": "ghp_" + "a" * 36}}, "Store it under Secrets"),
        ({"inherited": ["ANTHROPIC_API_KEY"]}, "ANTHROPIC_API_KEY can't be inherited"),
        ({"readable": ["relative"]}, "by its full path"),
        ({"readable": ["/root/.ssh"]}, "can't be shown"),
        ({"readable": ["/"]}, "can't be shown"),
        ({"readable": ["/run"]}, "can't be shown"),
        ({**HTTP, "url": "ftp://example.com"}, "must begin with https"),
        ({**HTTP, "url": "https://"}, "must begin with https"),
        ({**HTTP, "url": "https://a:b@example.com"}, "don't belong into the address"),
        ({**HTTP, "url": "https://example.com:99999"}, "not valid"),
        ({**HTTP, "variables": {"Host": "x"}}, "can't be set as a header"),
        ({**HTTP, "variables": {"A\nB": "x"}}, "can't be set as a header"),
    ],
)
def test_a_row_that_makes_no_sense_is_refused_in_a_sentence(fields, words: str) -> None:
    assert words in (plans.complaint(row(**fields)) or "")
    with pytest.raises(BadServer, match="can't be used"):
        plans.plan_of(row(**fields))


def test_its_own_data_is_never_shown_to_a_command(settings, workspace: Path) -> None:
    assert plans.complaint(row(readable=[str(settings.DATA_DIR)])) is not None
    assert plans.complaint(row(readable=[str(settings.DATA_DIR.parent)])) is not None


def test_an_ordinary_row_has_no_complaint() -> None:
    assert plans.complaint(row(variables={"A": "{{secret:x}}"}, inherited=["SSL_CERT_FILE"])) is None
    assert plans.complaint(row(**HTTP, variables={"Authorization": "Bearer {{secret:x}}"})) is None


def test_a_command_sees_only_named_variables(monkeypatch, workspace: Path) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/certs.pem")
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", "123:abc")
    plan = plans.plan_of(row(variables={"A": "b"}, inherited=["SSL_CERT_FILE"]))
    seen = plans.environment(plan, workspace)
    assert set(seen) == {"PATH", "HOME", "LANG", "TERM", "TZ", "A", "SSL_CERT_FILE"}
    assert seen["HOME"] == str(workspace)


@pytest.mark.django_db
def test_secrets_are_filled_in_for_their_host_only() -> None:
    secret_set(name="github", value="a-long-token", hosts=["mcp.example.com"], actor="user:1")
    header = {"Authorization": "Bearer {{secret:github}}"}
    plan = plans.plan_of(row(**HTTP, variables=header))
    assert "a-long-token" not in repr(plan)
    assert plans.resolved(plan).variables == (("Authorization", "Bearer a-long-token"),)
    elsewhere = plans.plan_of(row(**{**HTTP, "url": "https://evil.example"}, variables=header))
    with pytest.raises(SecretError, match="may not be sent to evil"):
        plans.resolved(elsewhere)


@pytest.mark.usefixtures("bubblewrap")
def test_a_command_is_confined_and_not_read_by_a_shell(workspace: Path) -> None:
    argv = plans.command_line(plans.plan_of(row(args=["$(id)", "; rm -rf /"])), workspace)
    assert "--unshare-net" in argv
    assert argv[-3:] == ["npx", "$(id)", "; rm -rf /"]


@pytest.mark.usefixtures("bubblewrap")
def test_a_folder_that_is_named_is_shown(workspace: Path, tmp_path: Path) -> None:
    folder = tmp_path / "node"
    folder.mkdir()
    argv = plans.command_line(plans.plan_of(row(readable=[str(folder)])), workspace)
    at = argv.index(str(folder))
    assert argv[at - 1 : at + 3] == ["--ro-bind-try", str(folder), str(folder), "--"]
