"""The owner's rules over those of the gate: the strictest counts, and no row lifts what is never done."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.utils import timezone

from ops.models import AuditEvent
from tools.base import ToolCall
from tools.catalogue import BUILTIN
from tools.errors import RuleUsedUp
from tools.models import Decision, Match, Origin, Scope, ToolRule
from tools.rules import Context, Verdict, decide
from tools.standing import Kind, kinds_of, rules_use, standing_grant, standing_revoke, standing_rules

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("bubblewrap")]
ALLOW, ASK, DENY = Decision.ALLOW, Decision.ASK, Decision.DENY


def call(name: str, **arguments: Any) -> ToolCall:
    return ToolCall(call_id="c", name=name, arguments=arguments)


def shell(command: str, **context: Any) -> Verdict:
    return decide(call("shell", command=command), context=Context(**context))


def rule(decision: Decision, pattern: str, **fields: Any) -> ToolRule:
    match = fields.pop("match", Match.PROGRAM)
    tool = fields.pop("tool", "shell" if match == Match.PROGRAM else "*")
    row = ToolRule(decision=decision, pattern=pattern, match=match, tool=tool, **fields)
    row.full_clean()
    row.save()
    return row


def builtin(pattern: str) -> ToolRule:
    return ToolRule.objects.get_or_create(
        match=Match.BUILTIN, pattern=pattern, defaults={"decision": BUILTIN[pattern].decision, "origin": Origin.SEEDED}
    )[0]


def grant(kind: Kind, **fields: Any) -> ToolRule:
    given = {
        "scope": Scope.EVERYWHERE,
        "scope_ref": "",
        "expires_in": timedelta(hours=1),
        "max_uses": None,
        "created_by": "person:1",
        "reason": "Because I said so",
    }
    return standing_grant(kind=kind, **(given | fields))


def test_every_rule_of_the_gate_is_seeded_as_a_row() -> None:
    rows = dict(ToolRule.objects.filter(match=Match.BUILTIN).values_list("pattern", "decision"))
    assert rows == {name: each.decision for name, each in BUILTIN.items()}


def test_an_allowed_program_needs_no_asking_and_says_which_rule_it_was() -> None:
    allowed = rule(ALLOW, "systemctl restart nginx", reason="The web server may be restarted")
    verdict = shell("systemctl restart nginx")
    assert (verdict.decision, verdict.rule, verdict.lifted_by) == (ALLOW, f"rule:{allowed.pk}", (allowed.pk,))
    assert verdict.reason == "The web server may be restarted."
    assert not verdict.read_only


@pytest.mark.parametrize(
    "command",
    [
        "systemctl restart postgresql",
        "systemctl restart nginx postgresql",
        "systemctl restart nginx; touch x",
        "systemctl restart nginx && systemctl stop nginx",
        "systemctl restart nginx $(touch x)",
        'systemctl restart "$x"',
        "systemctl restart ngin?",
        "systemctl restart nginx > out",
        "systemctl restart nginx | sh",
        "PATH=. systemctl restart nginx",
        "./systemctl restart nginx",
        "systemctl restart nginx # and more\ntouch x",
        "sudo systemctl restart nginx",
        "sh -c 'systemctl restart nginx'",
        "for i in 1; do touch x; systemctl restart nginx; done",
        "systemctl restart nginx &",
    ],
)
def test_an_allowed_program_takes_nothing_along(command: str) -> None:
    rule(ALLOW, "systemctl restart nginx")
    assert shell(command).decision is ASK


@pytest.mark.parametrize(
    "command",
    ["cat notes && systemctl restart nginx", "timeout 5 systemctl restart nginx", "systemctl restart 'nginx'"],
)
def test_all_parts_of_a_line_must_read_only_or_be_allowed(command: str) -> None:
    rule(ALLOW, "systemctl restart nginx")
    assert shell(command).decision is ALLOW


def test_several_rules_may_allow_a_line_together_and_each_is_used() -> None:
    rows = [rule(ALLOW, "npm run …"), rule(ALLOW, "touch *.txt")]
    verdict = shell("npm run build --quiet && touch done.txt && ls")
    assert verdict.lifted_by == tuple(row.pk for row in rows)
    assert shell("npm install && touch done.txt").decision is ASK


@pytest.mark.parametrize("command", ["rm -rf /", "cat .env", "mkfs.ext4 /dev/sda", "reboot"])
def test_no_row_lifts_what_is_never_done(command: str) -> None:
    rule(ALLOW, "", match=Match.ARGUMENTS, tool="shell", arguments={"command": command})
    assert shell(command).decision is DENY


def test_only_the_setting_turns_a_denial_into_a_question(settings: Any) -> None:
    settings.TOOL_DENY_OVERRIDES = ["deny.power"]
    assert shell("reboot").decision is ASK
    assert shell("reboot; rm -rf /").rule == "deny.delete_root"
    assert shell("reboot; cat .env").rule == "path.protected"


def test_a_stricter_rule_wins_in_whatever_order() -> None:
    rule(DENY, "git push …")
    rule(ALLOW, "git push origin main")
    assert shell("git push origin main").decision is DENY
    assert shell("git -C sub push").decision is DENY
    assert shell("ls && sh -c 'git push'").decision is DENY
    assert shell("git pull").decision is ASK


def test_what_the_gate_allows_can_be_asked_about_or_denied() -> None:
    rule(ASK, "git log")
    rule(DENY, "/var/log", match=Match.PATH)
    assert shell("git log").decision is ASK
    assert shell("git --no-pager log -3").decision is ASK
    assert shell("cat /var/log/syslog").decision is DENY
    assert shell("cd /var && cat log/syslog").decision is DENY
    assert decide(call("file_read", path="/var/log/syslog")).decision is DENY
    assert shell("git status").decision is ALLOW


def test_rules_of_the_gate_can_be_made_stricter_and_looser_only_where_it_is_safe() -> None:
    row = builtin("shell.read_only")
    ToolRule.objects.filter(pk=row.pk).update(decision=ASK)
    assert shell("ls").decision is ASK
    change = builtin("file.change")
    ToolRule.objects.filter(pk=change.pk).update(decision=ALLOW)
    verdict = decide(call("file_write", path="x", content=""))
    assert (verdict.decision, verdict.lifted_by) == (ALLOW, (change.pk,))
    for name in ("deny.power", "shell.unlisted", "path.protected"):
        loose = builtin(name)
        loose.decision = ALLOW
        with pytest.raises(ValidationError):
            loose.full_clean()
        ToolRule.objects.filter(pk=loose.pk).update(decision=ALLOW)
    assert [shell(each).decision for each in ("reboot", "touch x", "cat .env")] == [DENY, ASK, DENY]


def test_files_are_allowed_by_folder_links_followed(workspace: Any) -> None:
    rule(ALLOW, "sub", match=Match.PATH, tool="file_write")
    (workspace / "sub").mkdir()
    (workspace / "sub" / "out").symlink_to("/opt")
    assert decide(call("file_write", path="sub/x", content="")).decision is ALLOW
    assert decide(call("file_delete", path="sub/x")).decision is ASK
    assert decide(call("file_write", path="sub/../x", content="")).decision is ASK
    assert decide(call("file_write", path="sub/out/x", content="")).decision is ASK
    assert decide(call("file_write", path="sub/.env", content="")).decision is DENY


def test_hosts_are_allowed_by_name_and_method() -> None:
    rule(ALLOW, "*.example.com", match=Match.HOST)
    rule(ALLOW, "POST api.example.org", match=Match.HOST)
    get = {"method": "GET"}
    assert decide(call("http_request", url="https://a.example.com/x", **get)).decision is ALLOW
    assert decide(call("http_request", url="https://example.com.evil.net/", **get)).decision is ASK
    assert decide(call("http_request", url="https://a.example.com@evil.net/", **get)).decision is ASK
    assert decide(call("http_request", method="POST", url="https://a.example.com/")).decision is ASK
    assert decide(call("http_request", method="POST", url="https://api.example.org/")).decision is ALLOW
    assert decide(call("http_request", url="http://127.0.0.1/", **get)).decision is DENY


def test_a_rule_holds_in_its_scope_only() -> None:
    rule(ALLOW, "touch x", scope=Scope.JOB, scope_ref="job:7")
    assert shell("touch x", job_ref="job:7").decision is ALLOW
    assert shell("touch x", job_ref="job:8").decision is ASK
    assert shell("touch x").decision is ASK


def test_a_rule_ends_with_its_time_and_its_uses() -> None:
    rule(ALLOW, "touch x", expires_at=timezone.now() - timedelta(seconds=1))
    assert shell("touch x").decision is ASK
    rule(ALLOW, "touch y", max_uses=1, uses=1)
    assert shell("touch y").decision is ASK
    rule(ALLOW, "touch z", active=False)
    assert shell("touch z").decision is ASK


def test_taint_turns_what_acts_sends_or_spends_into_a_question() -> None:
    rule(ALLOW, "touch x")
    rule(ALLOW, "example.com", match=Match.HOST)
    assert shell("touch x", tainted=True).rule == "taint"
    assert shell("ls", tainted=True).decision is ALLOW
    read = call("http_request", method="GET", url="https://example.com/?data")
    assert decide(read).decision is ALLOW
    assert decide(read, context=Context(tainted=True)).rule == "taint"
    named = Context(tainted=True, named_hosts=frozenset(["example.com"]))
    assert decide(read, context=named).decision is ALLOW


def test_a_standing_permission_is_granted_used_up_and_revoked_with_a_trail() -> None:
    (kind,) = kinds_of(call("shell", command="cat notes && systemctl restart nginx"))
    assert kind.pattern == "systemctl restart nginx"
    row = grant(kind, scope=Scope.THREAD, scope_ref="thread:3", max_uses=2)
    assert list(standing_rules()) == [row]
    verdict = shell("systemctl restart nginx", thread_ref="thread:3")
    rules_use(verdict)
    rules_use(verdict)
    with pytest.raises(RuleUsedUp):
        rules_use(verdict)
    assert shell("systemctl restart nginx", thread_ref="thread:3").decision is ASK
    other = grant(Kind(tool="shell", match=Match.PROGRAM, pattern="touch x"))
    standing_revoke(rule_id=other.pk, by="person:1")
    assert shell("touch x").decision is ASK
    assert AuditEvent.objects.filter(subject=f"rule:{other.pk}").count() == 2


def test_uses_are_counted_for_all_rules_of_a_line_or_for_none() -> None:
    first, second = rule(ALLOW, "touch x", max_uses=5), rule(ALLOW, "touch y", max_uses=1)
    verdict = shell("touch x && touch y")
    ToolRule.objects.filter(pk=second.pk).update(uses=1)
    with pytest.raises(RuleUsedUp):
        rules_use(verdict)
    first.refresh_from_db()
    assert first.uses == 0


@pytest.mark.parametrize(
    "command",
    ["rm -rf /", "touch $x", "touch *", "f() { touch x; }; f", "touch x &", "touch 'a b'", "ls", "x=1 touch y"],
)
def test_what_is_denied_known_only_when_it_runs_or_asked_about_never_has_no_kind(command: str) -> None:
    found = kinds_of(call("shell", command=command))
    assert found == () or shell(command).decision is ASK


@pytest.mark.parametrize("pattern", ["bash …", "python3 *", "sudo …", "* x", "/bin/ls x", "touch … x", ""])
def test_a_rule_that_would_allow_everything_is_refused(pattern: str) -> None:
    with pytest.raises(ValidationError):
        rule(ALLOW, pattern)


@pytest.mark.parametrize(
    "fields",
    [
        {"match": Match.TOOL, "tool": "shell"},
        {"match": Match.TOOL, "tool": "*"},
        {"match": Match.PATH, "pattern": "/"},
        {"match": Match.PATH, "pattern": "../secret_key"},
        {"match": Match.HOST, "pattern": "*.com"},
        {"match": Match.HOST, "pattern": "https://example.com"},
        {"match": Match.ARGUMENTS, "tool": "shell"},
        {"pattern": "touch x", "scope": Scope.JOB},
        {"pattern": "touch x", "scope": Scope.JOB, "scope_ref": "thread:1"},
        {"pattern": "touch x", "max_uses": 1, "uses": 2},
        {"match": Match.BUILTIN, "pattern": "no.such"},
    ],
)
def test_nonsense_is_refused_in_words(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        rule(ALLOW, **({"pattern": ""} | fields))


@pytest.mark.parametrize(
    "fields",
    [{"uses": 2, "max_uses": 1}, {"scope": Scope.JOB}, {"scope_ref": "job:1"}, {"origin": Origin.STANDING}],
)
def test_the_database_holds_the_bounds_of_a_rule(fields: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError):
        ToolRule.objects.create(decision=ALLOW, match=Match.PROGRAM, pattern="touch x", **fields)


def test_rules_that_can_not_be_read_let_nothing_through(monkeypatch: pytest.MonkeyPatch) -> None:
    from django.db import OperationalError, connection

    def broken(*args: object, **kwargs: object) -> None:
        raise OperationalError("gone")

    with connection.execute_wrapper(broken):
        assert shell("ls").rule == "gate.error"


def test_a_verdict_costs_one_query(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1):
        shell("uptime")


def test_a_rule_lifts_no_command_into_another_level() -> None:
    rule(ALLOW, "touch x")
    assert decide(call("shell", command="touch x", level="workspace")).decision is ALLOW
    assert decide(call("shell", command="touch x", level="host")).decision is ASK
    assert kinds_of(call("shell", command="touch y", level="host")) == ()


def test_what_a_repository_may_start_gets_no_more_than_reading_beside_an_allowed_command() -> None:
    rule(ALLOW, "touch x")
    assert shell("cat notes && touch x").decision is ALLOW
    assert shell("git status && touch x").decision is ASK
