"""The made password: good for choosing another one, and for nothing else."""

import pytest
from django.contrib.auth import authenticate
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from agent_site import boot, first_password

pytestmark = pytest.mark.django_db
CHANGE = "/admin/password_change/"
OWN = "a horse of my own"
GATE = "agent_site.first_password.FirstPasswordGate"


@pytest.fixture(autouse=True)
def _quick(settings, tmp_path):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.DATA_DIR, settings.ADMIN_PASSWORD, settings.ADMIN_USERNAME = tmp_path, "", "admin"


@pytest.fixture
def made():
    password = boot.admin_ensure()
    boot.password_tell(password)
    return password


@pytest.fixture
def newcomer(client, made):
    assert client.login(username="admin", password=made)
    return client


def choose(client, old, new):
    return client.post(CHANGE, {"old_password": old, "new_password1": new, "new_password2": new})


@pytest.mark.parametrize("page", ["/admin/", "/admin/jobs/job/", "/chat/", "/admin/auth/user/", "/admin/search/"])
def test_every_page_leads_to_the_choice(newcomer, page):
    for ask in (newcomer.get, newcomer.post):
        answer = ask(page)
        assert (answer.status_code, answer.headers["Location"]) == (302, CHANGE)


@pytest.mark.parametrize("name", ["feed", "send", "decide"])
def test_the_chats_script_is_told_in_a_sentence(newcomer, name):
    answer = newcomer.get(reverse(f"web_chat:{name}"))
    assert answer.status_code == 403
    assert answer.json() == {"error": f"Choose a password of your own first, at {CHANGE}."}


def test_what_needs_no_login_stays_open(newcomer):
    assert newcomer.get("/health/live").status_code == 200
    assert newcomer.head("/static/common/favicon.svg").status_code == 200
    assert newcomer.post("/webhook/telegram").status_code == 403
    assert newcomer.post(reverse("admin:logout")).status_code == 200
    assert newcomer.get(CHANGE).headers["Location"].startswith("/admin/login/")


def test_the_page_says_what_to_do(newcomer, tmp_path):
    text = newcomer.get(CHANGE).content.decode()
    assert "Choose a password of your own" in text
    assert str(tmp_path / "admin-password") in text


def test_choosing_one_opens_everything_and_deletes_the_file(newcomer, made, tmp_path):
    assert (tmp_path / "admin-password").read_text() == f"{made}\n"
    assert choose(newcomer, made, OWN).headers["Location"] == reverse("admin:password_change_done")
    assert not (tmp_path / "admin-password").exists()
    assert newcomer.get("/chat/").status_code == 200  # still logged in
    assert newcomer.get(reverse("web_chat:feed")).status_code == 200
    assert "Choose a password of your own" not in newcomer.get(CHANGE).content.decode()
    assert authenticate(username="admin", password=OWN)


@pytest.mark.parametrize(("old", "new"), [("made", "made"), ("made", "12345678"), ("wrong", OWN)])
def test_the_same_a_common_or_an_unproved_one_is_refused(newcomer, made, old, new, tmp_path):
    answer = choose(newcomer, made if old == "made" else old, made if new == "made" else new)
    assert answer.status_code == 200
    assert newcomer.get("/chat/").headers["Location"] == CHANGE
    assert (tmp_path / "admin-password").exists()


def test_a_change_by_the_shell_counts_too(newcomer, django_user_model):
    user = django_user_model.objects.get()
    assert first_password.must_change(user)
    user.set_password(OWN)
    assert not first_password.must_change(user)


def test_a_password_from_the_settings_may_stay(client, settings):
    settings.ADMIN_PASSWORD = "the owner chose this"
    assert boot.admin_ensure() == ""
    assert client.login(username="admin", password=settings.ADMIN_PASSWORD)
    assert client.get("/chat/").status_code == 200


def test_logging_in_with_the_real_hasher_keeps_the_mark(settings, client, django_user_model):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]
    assert client.login(username="admin", password=boot.admin_ensure())
    assert first_password.must_change(django_user_model.objects.get())


def test_others_pay_no_query_for_it(client, superuser, settings):
    client.force_login(superuser)
    client.get(reverse("web_chat:feed"))  # makes the person and the thread

    def queries():
        with CaptureQueriesContext(connection) as caught:
            assert client.get(reverse("web_chat:feed")).status_code == 200
        return len(caught)

    with_gate = queries()
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if name != GATE]
    client.handler.load_middleware()
    assert queries() == with_gate


def test_the_file_is_the_owners_even_over_an_older_one(tmp_path, made):
    path = tmp_path / "admin-password"
    path.chmod(0o644)
    boot.password_tell("another")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text() == "another\n"
