"""What monitoring is told, and who is told."""

import os
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from django_q.models import OrmQ

from agent_site import health, views, web
from agent_site.bounded import TooLate
from ops.health import Level, Result, report
from ops.heartbeats import beat
from ops.models import Heartbeat
from ops.switches import switch_set

pytestmark = pytest.mark.django_db
PAGES = ["/health", "/stats", "/metrics"]
ELSEWHERE = {"REMOTE_ADDR": "203.0.113.9"}


@pytest.fixture
def alive(settings):
    settings.ANTHROPIC_API_KEY = "a key"
    beat("cluster.talk@here")
    beat("cluster.work@here")


def checks(client) -> dict[str, dict[str, str]]:
    return client.get("/health").json()["checks"]


def test_whether_it_is_alive_is_told_to_everybody(client):
    response = client.get("/health/live", **ELSEWHERE)
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize("page", PAGES)
def test_strangers_are_told_nothing(page, client, django_user_model):
    assert client.get(page, **ELSEWHERE).status_code == 403
    for header in ("x-forwarded-for", "forwarded", "x-real-ip", "via"):
        assert client.get(page, headers={header: "127.0.0.1"}).status_code == 403
    assert client.get(page, REMOTE_ADDR="").status_code == 403
    client.force_login(django_user_model.objects.create_user("visitor"))
    assert client.get(page, **ELSEWHERE).status_code == 403


@pytest.mark.parametrize("page", PAGES)
def test_staff_and_this_machine_are_told(page, alive, client, superuser):
    assert client.get(page).status_code == 200
    assert client.get(page, REMOTE_ADDR="::1").status_code == 200
    client.force_login(superuser)
    assert client.get(page, **ELSEWHERE).status_code == 200


def test_all_is_well_when_both_lanes_beat(alive, client):
    response = client.get("/health")
    body = response.json()
    assert (response.status_code, body["status"]) == (200, "ok"), body
    assert set(body["checks"]) >= {"database", "migrations", "queue", "processes", "disk", "telegram", "model"}


def test_without_workers_it_is_down(client):
    beat("cluster.talk")
    response = client.get("/health")
    assert response.status_code == 503
    assert response.json()["checks"]["processes"]["level"] == "down"


def test_a_process_that_has_gone_silent_is_missed(alive, client):
    beat("bridge")
    Heartbeat.objects.filter(name="bridge").update(alive_at=timezone.now() - timedelta(minutes=1))
    found = checks(client)["processes"]
    assert (found["level"], "bridge" in found["reason"]) == ("degraded", True)


def test_a_task_that_waits_too_long_is_told(alive, client):
    OrmQ.objects.create(key="work", payload="x", lock=timezone.now() - timedelta(seconds=40))
    assert checks(client)["queue"]["level"] == "degraded"
    OrmQ.objects.update(lock=timezone.now() + timedelta(seconds=10))
    assert checks(client)["queue"]["level"] == "ok"


def test_a_full_disk_is_told(alive, client, monkeypatch):
    monkeypatch.setattr(health, "LEAST_FREE_BYTES", 10**18)
    assert checks(client)["disk"]["level"] == "degraded"


def test_telegram_without_its_bridge_is_told(alive, client, settings):
    assert checks(client)["telegram"]["level"] == "ok"
    settings.TELEGRAM_BOT_TOKEN = "1:token"
    assert checks(client)["telegram"]["level"] == "degraded"


def test_a_database_that_does_not_answer_is_told_and_nothing_hangs_on_it(alive, client, monkeypatch):
    monkeypatch.setitem(connection.settings_dict, "PORT", "1")
    response = client.get("/health")
    found = response.json()["checks"]
    assert (response.status_code, found["disk"]["level"]) == (503, "ok")
    assert found["database"]["reason"].startswith("The database does not answer: ")
    assert found["queue"]["reason"] == "Not asked: the database does not answer."


def test_the_worst_level_counts(alive):
    level, results, milliseconds = report()
    assert level == Level.OK
    assert results["database"] == Result(level=Level.OK)
    assert milliseconds > 0


def test_the_numbers_of_an_empty_place_are_zero(client):
    body = client.get("/stats").json()
    assert body["jobs"]["queued"] == 0
    assert body["queue"] == {"talk": 0, "work": 0}
    assert body["spent_today"] == {"usd": "0", "tokens": 0, "calls": 0}
    assert body["switches"] == {"freeze": False, "pause": False}


@pytest.mark.parametrize("page", PAGES)
def test_whoever_brings_the_token_is_told(page, alive, client, settings):
    settings.MONITORING_TOKEN = "a long token"
    for word in ("a long token", "Bearer", "Bearer ", "Bearer another", "Basic a long token"):
        assert client.get(page, headers={"authorization": word}, **ELSEWHERE).status_code == 403
    assert client.get(page, headers={"authorization": "Bearer a long token"}, **ELSEWHERE).status_code == 200
    settings.MONITORING_TOKEN = ""
    assert client.get(page, headers={"authorization": "Bearer "}, **ELSEWHERE).status_code == 403


def test_a_process_that_was_ended_on_purpose_is_not_missed(alive, client):
    beat("bridge", detail={"ended": True})
    Heartbeat.objects.filter(name="bridge").update(alive_at=timezone.now() - timedelta(minutes=1))
    assert checks(client)["processes"]["level"] == "ok"


def test_one_that_dies_again_and_again_is_told(alive, client):
    beat("supervisor", detail={"failing": {"web": 3}})
    found = checks(client)["processes"]
    assert (found["level"], "web has ended 3 times" in found["reason"]) == ("degraded", True)


def test_a_cluster_whose_workers_do_not_get_on_is_told(alive, client):
    beat("cluster.work@here", progressed=True, detail={"busy": 4})
    assert checks(client)["processes"]["level"] == "ok"
    Heartbeat.objects.update(progressed_at=timezone.now() - timedelta(minutes=2))
    found = checks(client)["processes"]
    assert (found["level"], "cluster.work@here are stuck" in found["reason"]) == ("degraded", True)


def test_a_freeze_is_told_and_is_no_fault(alive, client):
    switch_set(name="freeze", on=True, actor="user:1")
    response = client.get("/health")
    assert (response.status_code, response.json()["status"]) == (200, "ok")
    assert "Freeze" in response.json()["checks"]["switches"]["reason"]


def test_it_answers_in_time_when_the_checks_hang(client, monkeypatch):
    monkeypatch.setattr(views.patient, "call", late)
    response = client.get("/health")
    assert response.status_code == 503
    assert "were not done within" in response.json()["checks"]["database"]["reason"]


def late(function, *, seconds):
    raise TooLate


def test_who_can_not_be_looked_up_is_a_stranger(client, monkeypatch):
    monkeypatch.setattr(views.patient, "call", late)
    assert client.get("/health", **ELSEWHERE).status_code == 403


def test_the_numbers_tell_of_the_machinery(alive, client):
    beat("cluster.talk", detail={"workers": 2, "restarts": 1, "usage": {"cpu": 1.5}})
    beat("supervisor", detail={"restarts_of": {"web": 2}})
    body = client.get("/stats").json()
    host = body["host"]
    assert body["restarts"] == {"cluster.talk workers@" + host: 1, f"web@{host}": 2}
    assert body["machine"] == {host: {"cpu": 1.5}}
    assert set(body["versions"]) == {"python", "django", "git"}
    assert sum(body["connections"].values()) >= 1
    assert body["uptime_seconds"] >= 0
    (mine,) = [row for row in body["memory_mb"] if row["pid"] == os.getpid()]
    assert mine["rss"] >= mine.get("pss", 0) > 0


def test_the_web_server_says_that_it_lives_without_asking_django(client):
    said = []

    def application(environ, start_response):
        return [b"django"]

    def start_response(status, headers):
        said.append((status, dict(headers)["Content-Type"]))

    answer = web.alive_before(application)
    body = answer({"PATH_INFO": "/health/live", "REQUEST_METHOD": "GET"}, start_response)
    assert (b"".join(body), said) == (client.get("/health/live").content, [("200 OK", "application/json")])
    for environ in (
        {"PATH_INFO": "/health", "REQUEST_METHOD": "GET"},
        {"PATH_INFO": "/health/live", "REQUEST_METHOD": "POST"},
    ):
        assert answer(environ, start_response) == [b"django"]
