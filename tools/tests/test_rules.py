from pathlib import Path
from typing import Any

import pytest

from tools.base import ToolCall
from tools.models import Decision
from tools.rules import Verdict, decide
from tools.tests.corpus import ASKS, DENIALS, LOCAL_URLS, READS

pytestmark = pytest.mark.django_db


def judged(name: str, **arguments: object) -> Verdict:
    return decide(ToolCall(call_id="c", name=name, arguments=arguments))


def shell(command: str) -> Verdict:
    return judged("shell", command=command)


@pytest.mark.usefixtures("bubblewrap")
@pytest.mark.parametrize("command", READS.splitlines())
def test_it_allows_what_only_reads(command: str) -> None:
    verdict = shell(command)
    assert (verdict.decision, verdict.read_only) == (Decision.ALLOW, True), verdict.reason


@pytest.mark.parametrize("command", ASKS.split("\n"))
def test_it_asks_about_what_changes_something_or_is_not_understood(command: str) -> None:
    assert shell(command).decision == Decision.ASK, shell(command)


@pytest.mark.parametrize(
    "command",
    ["ls <$ \ntouch x", "ls <\ntouch x", "ls\ntouch x", "ls a\\\ntouch x", "ls #\ntouch x", "ls a\n\\touch x"],
)
def test_a_line_break_ends_a_command_whatever_the_grammar_says(command: str) -> None:
    assert shell(command).decision == Decision.ASK


@pytest.mark.parametrize("command", DENIALS.splitlines())
def test_it_denies_disasters_and_secrets(command: str) -> None:
    assert shell(command).decision == Decision.DENY, shell(command)


@pytest.mark.parametrize("command", [*READS.splitlines(), *DENIALS.splitlines()])
def test_every_verdict_has_a_sentence_and_a_rule(command: str) -> None:
    verdict = shell(command)
    assert verdict.reason.endswith(".")
    assert verdict.rule


@pytest.mark.parametrize(
    "command", ["", "\0", "\ud800", "ls\x0b/x", "ls\u00a0-l", "a" * 20_001, "$(" * 5000, "(" * 19_000]
)
def test_it_never_raises_and_never_allows_odd_input(command: str) -> None:
    assert shell(command).decision in (Decision.ASK, Decision.DENY)


@pytest.mark.parametrize("arguments", [{}, {"command": None}, {"command": 3}, {"command": ["ls"]}])
def test_it_asks_about_malformed_arguments(arguments: dict[str, object]) -> None:
    assert judged("shell", **arguments).decision == Decision.ASK


@pytest.mark.usefixtures("bubblewrap")
def test_a_link_out_of_the_workspace_is_judged_by_where_it_leads(workspace: Path) -> None:
    (workspace / "home").symlink_to("/home")
    (workspace / "keys").symlink_to(workspace.parent)
    (workspace / "mine").write_text("x")
    assert judged("file_read", path="mine").decision == Decision.ALLOW
    assert judged("file_read", path="home/x").decision == Decision.ASK
    assert shell("cat home/x").decision == Decision.ASK
    assert judged("file_read", path="keys/secret_key").decision == Decision.DENY
    assert shell("cat keys/secret_key").decision == Decision.DENY


@pytest.mark.usefixtures("bubblewrap")
@pytest.mark.parametrize(
    ("name", "path", "decision"),
    [
        ("file_read", "notes.txt", Decision.ALLOW),
        ("file_list", "", Decision.ALLOW),
        ("file_search", "sub", Decision.ALLOW),
        ("file_read", "/etc/os-release", Decision.ALLOW),
        ("file_read", "/etc/passwd", Decision.ALLOW),
        ("file_read", "/var/log/syslog", Decision.ALLOW),
        ("file_read", "/opt/x", Decision.ASK),
        ("file_read", "/home/x", Decision.ASK),
        ("file_write", "notes.txt", Decision.ASK),
        ("file_delete", "notes.txt", Decision.ASK),
        ("file_write", "/etc/hosts", Decision.ASK),
        ("file_read", "../secret_key", Decision.DENY),
        ("file_read", "sub/../../secret_key", Decision.DENY),
        ("file_read", ".env", Decision.DENY),
        ("file_read", ".env.production", Decision.DENY),
        ("file_read", ".env.example", Decision.ALLOW),
        ("file_read", "~/.ssh/id_ed25519", Decision.DENY),
        ("file_read", "/proc/self/environ", Decision.DENY),
        ("file_read", "/proc/1/mem", Decision.DENY),
        ("file_read", "server.key", Decision.DENY),
        ("file_read", "/etc/shadow", Decision.DENY),
        ("file_write", "/etc/sudoers.d/x", Decision.DENY),
    ],
)
def test_paths_are_judged_by_where_they_lie(name: str, path: str, decision: Decision) -> None:
    assert judged(name, path=path).decision == decision


@pytest.mark.parametrize(
    "url",
    LOCAL_URLS.split(),
)
def test_requests_to_this_machine_or_network_are_denied(url: str) -> None:
    assert judged("http_request", method="GET", url=url).decision == Decision.DENY


@pytest.mark.parametrize(
    "url", ["https://example.com/x", "http://1.1.1.1/", "http://[2606:4700::1111]/", "https://1e100.net"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_requests_to_public_hosts_are_asked_about(method: str, url: str) -> None:
    verdict = judged("http_request", method=method, url=url)
    assert (verdict.decision, verdict.read_only) == (Decision.ASK, method == "GET")


def test_an_unknown_tool_is_asked_about() -> None:
    assert judged("launch_rocket").decision == Decision.ASK


@pytest.mark.usefixtures("no_bubblewrap")
def test_without_bubblewrap_nothing_is_allowed_without_asking() -> None:
    assert shell("uptime").decision == Decision.ASK
    assert "bubblewrap" in shell("uptime").reason
    assert judged("file_read", path="x").decision == Decision.ASK


@pytest.mark.usefixtures("bubblewrap")
def test_a_file_whose_name_could_be_taken_for_an_option_is_seen(workspace: Path) -> None:
    (workspace / "notes").write_text("x")
    assert shell("sed -n 1p *").decision == Decision.ALLOW
    (workspace / "--in-place").write_text("x")
    assert shell("sed -n 1p *").decision == Decision.ASK
    assert shell("for f in *; do cat $f; done").decision == Decision.ASK


def test_a_hard_link_may_be_a_key(workspace: Path, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("x")
    (workspace / "notes").hardlink_to(tmp_path / "key")
    assert judged("file_read", path="notes").decision == Decision.ASK
    assert shell("cat notes").decision == Decision.ASK


def test_the_product_s_own_code_is_changed_by_no_tool(settings: Any) -> None:
    code = str(settings.BASE_DIR / "manage.py")
    assert judged("file_write", path=code).decision == Decision.DENY
    assert shell(f"rm {code}").decision == Decision.DENY
    assert shell(f"echo x > {code}").decision == Decision.DENY
    assert shell(f"cp {code} copy").decision == Decision.ASK
