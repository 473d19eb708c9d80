import io
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connection
from django.urls import reverse

from common.text import REDACTED, redact
from ops import secrets
from ops.models import AuditEvent, Secret

VALUE = 'a "canary" of 31 letters+signs/'
YES = {"_form_submitted": "on"}

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def own_key(settings, tmp_path):
    settings.DATA_DIR = tmp_path


@pytest.fixture
def github():
    return secrets.secret_set(name="github", value=VALUE, hosts=["api.github.com", ".example.com"], actor="user:1")


def everything_stored():
    with connection.cursor() as cursor:
        cursor.execute("SELECT string_agg(t::text, '') FROM (SELECT * FROM ops_secret) t")
        secret = cursor.fetchone()[0]
        cursor.execute("SELECT string_agg(t::text, '') FROM (SELECT * FROM ops_auditevent) t")
        return secret + cursor.fetchone()[0]


def test_a_secret_is_stored_encrypted_and_put_in_at_the_edge(github):
    assert "canary" not in everything_stored()
    assert VALUE.encode().hex() not in everything_stored()
    assert secrets.fill("token {{secret:github}}", host="api.github.com") == f"token {VALUE}"
    github.refresh_from_db()
    assert github.uses == 1
    assert github.last_used_at is not None


@pytest.mark.parametrize("host", ["API.github.com.", "a.example.com", "a.b.example.com"])
def test_it_goes_to_the_hosts_that_were_listed(github, host):
    assert secrets.fill("{{ secret:github }}", host=host) == VALUE


@pytest.mark.parametrize("host", ["github.com", "example.com", "evil.com", "api.github.com.evil.com", "xexample.com"])
def test_it_goes_to_no_other_host(github, host):
    with pytest.raises(secrets.SecretError, match="may not be sent"):
        secrets.fill("{{secret:github}}", host=host)
    github.refresh_from_db()
    assert github.uses == 0


def test_a_name_that_is_not_there_is_told():
    with pytest.raises(secrets.SecretError, match="no secret called “gitlab”"):
        secrets.fill("{{secret:gitlab}}", host="gitlab.com")


@pytest.mark.parametrize(
    ("name", "value", "hosts", "why"),
    [
        ("a b", VALUE, [], "letters, digits"),
        ("short", "1234567", [], "at least 8"),
        ("web", VALUE, ["https://a.example"], "no host name"),
        ("web", VALUE, ["a b"], "no host name"),
    ],
)
def test_it_refuses_what_cannot_be_kept_safe(name, value, hosts, why):
    with pytest.raises(secrets.SecretError, match=why):
        secrets.secret_set(name=name, value=value, hosts=hosts, actor="user:1")
    assert not Secret.objects.exists()


@pytest.mark.parametrize("form", ["plain", "url", "json", "base64", "hex"])
def test_every_process_redacts_it_however_it_is_written(github, form, monkeypatch):
    import base64
    import json
    from urllib.parse import quote

    from common import text

    monkeypatch.setattr(text, "_remembered", set())  # as in a process that has not stored it
    monkeypatch.setattr(secrets, "_known_at", None)
    text._known_secrets.cache_clear()
    written = {
        "plain": VALUE,
        "url": quote(VALUE, safe=""),
        "json": json.dumps(VALUE),
        "base64": base64.b64encode(VALUE.encode()).decode(),
        "hex": VALUE.encode().hex(),
    }[form]
    secrets.refresh()
    assert "canary" not in redact(f"<{written}>")
    assert REDACTED in redact(f"<{written}>")


def test_a_process_asks_for_what_it_does_not_know_every_5_seconds(github, django_assert_num_queries, monkeypatch):
    monkeypatch.setattr(secrets, "_known_at", None)
    with django_assert_num_queries(1):
        secrets.refresh()
        secrets.refresh()
    monkeypatch.setattr(secrets, "_known_at", secrets.timezone.now() - timedelta(seconds=6))
    with django_assert_num_queries(1):
        secrets.refresh()


def test_without_its_key_a_secret_says_what_is_missing(github, tmp_path, monkeypatch):
    (tmp_path / secrets.KEY_FILE).write_text("another key")
    with pytest.raises(secrets.SecretError, match="stored with another key"):
        secrets.secret_value("github", host="api.github.com")
    monkeypatch.setattr(secrets, "_known_at", None)
    secrets.refresh()  # the others are known all the same


def test_the_key_can_be_renewed_and_the_old_one_opens_nothing(github, tmp_path):
    path = tmp_path / secrets.KEY_FILE
    old, before = path.read_text(), bytes(github.ciphertext)
    assert secrets.key_renew(actor="user:1") == 1
    assert secrets.secret_value("github", host="api.github.com") == VALUE
    assert path.read_text() != old
    assert len(path.read_text().split()) == 1
    assert path.stat().st_mode & 0o777 == 0o600
    github.refresh_from_db()
    assert bytes(github.ciphertext) != before


def test_each_change_is_in_the_audit_trail_without_the_value(github):
    secrets.secret_set(name="github", value=VALUE + "2", hosts=[], actor="user:1")
    secrets.secret_delete(github, actor="user:1")
    assert list(AuditEvent.objects.order_by("pk").values_list("action", flat=True)) == [
        "secret stored",
        "secret replaced",
        "secret deleted",
    ]


def test_the_admin_takes_a_value_and_never_shows_it(superuser, client):
    client.force_login(superuser)
    url = reverse("admin:ops_secret_secret_store")
    given = YES | {"name": "github", "value": VALUE, "hosts": "api.github.com .example.com"}
    client.post(url, given)
    assert secrets.secret_value("github", host="api.github.com") == VALUE
    secret = Secret.objects.get()
    for page in (
        reverse("admin:ops_secret_changelist"),
        reverse("admin:ops_secret_change", args=[secret.pk]),
    ):
        shown = client.get(page)
        assert shown.status_code == 200
        assert "api.github.com" in shown.content.decode()
        assert "canary" not in shown.content.decode()
    client.post(reverse("admin:ops_secret_secret_delete", args=[secret.pk]), YES)
    assert not Secret.objects.exists()


def test_only_the_owner_may_store_one(django_user_model, client):
    from django.contrib.auth.models import Permission

    staff = django_user_model.objects.create_user("staff", password="x", is_staff=True)
    staff.user_permissions.set(Permission.objects.filter(content_type__app_label="ops"))
    client.force_login(staff)
    client.post(reverse("admin:ops_secret_secret_store"), YES | {"name": "github", "value": VALUE, "hosts": ""})
    assert not Secret.objects.exists()


def test_the_command_reads_the_value_from_stdin(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO(VALUE + "\n"))
    call_command("secrets", "set", "github", host=["api.github.com"])
    assert secrets.secret_value("github", host="api.github.com") == VALUE
    call_command("secrets")
    call_command("secrets", "delete", "github")
    shown = capsys.readouterr().out
    assert "github: api.github.com; used 1 times" in shown
    assert "canary" not in shown
    assert not Secret.objects.exists()
