"""The commands as a person runs them: a whole instance on a folder and a port of its own."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from agent_site import boot, web
from agent_site.env import BASE_DIR


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def environment(open_dir):
    """A clean environment: an installation without a .env."""
    keep = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return keep | {"DATA_DIR": str(open_dir / "up"), "PORT": str(free_port()), "PYTHONUNBUFFERED": "1"}


def manage(environment, *words, **changes):
    command = [sys.executable, "manage.py", *words]
    return subprocess.run(
        command, env=environment | changes, cwd=BASE_DIR, capture_output=True, text=True, timeout=60, check=False
    )


def daemon(environment, word):
    command = [sys.executable, "-m", "agent_site.daemon", word]
    return subprocess.run(
        command, env=environment, cwd=BASE_DIR, capture_output=True, text=True, timeout=90, check=False
    )


@pytest.fixture
def stopped_in_the_end(environment):
    yield
    daemon(environment, "stop")


def test_a_life_in_the_background(environment, stopped_in_the_end):
    """One journey, because making an installation takes seconds."""
    data = Path(environment["DATA_DIR"])
    started = daemon(environment, "start")
    assert started.returncode == 0, started.stdout + started.stderr
    assert f"ready: http://127.0.0.1:{environment['PORT']}/" in started.stdout
    assert daemon(environment, "status").returncode == 0

    # the password was not printed, because nobody saw a terminal
    password = data / "admin-password"
    assert password.stat().st_mode & 0o777 == 0o600
    assert str(password) in started.stdout
    assert password.read_text().strip() not in started.stdout

    second = manage(environment, "up")
    assert second.returncode == 1
    assert re.match(r"It is running already \(process \d+\)", second.stderr)

    drains_by_itself(environment)
    answers_while_the_database_hangs(environment)

    assert daemon(environment, "stop").stdout == "Stopped.\n"
    assert daemon(environment, "status").returncode == 1
    assert not (data / "postgres" / "postmaster.pid").exists()


def drains_by_itself(environment):
    """A cluster run by its own command, as systemd or Compose would."""
    command = [sys.executable, "manage.py", "cluster", "work"]
    process = subprocess.Popen(command, env=environment, cwd=BASE_DIR, start_new_session=True)
    while len(psutil.Process(process.pid).children()) < 4:
        assert process.poll() is None
    os.killpg(process.pid, signal.SIGTERM)
    assert process.wait(30) == 0


def answers_while_the_database_hangs(environment):
    """The server takes connections and says nothing: it was stopped. /health answers within 3 s, and says so."""
    postmaster = int(Path(environment["DATA_DIR"], "postgres", "postmaster.pid").read_text().split()[0])
    server = [psutil.Process(postmaster), *psutil.Process(postmaster).children()]
    while health(environment)[0] != 200:  # what was drained before has been replaced, but has not beaten yet
        signal.sigtimedwait([], 0.1)
    for process in server:
        process.suspend()
    try:
        for _ in range(3):
            status, body = health(environment)
            assert (status, body["checks"]["database"]["level"]) == (503, "down")
    finally:
        for process in server:
            process.resume()
    while health(environment)[0] != 200:
        signal.sigtimedwait([], 0.1)


def health(environment):
    connection = http.client.HTTPConnection("127.0.0.1", int(environment["PORT"]), timeout=3)
    try:
        connection.request("GET", "/health")
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def test_told_to_stop_while_it_starts_it_leaves_nothing_behind(environment):
    changes = environment | {"DATA_DIR": f"{environment['DATA_DIR']}-early", "PORT": str(free_port())}
    command = [sys.executable, "manage.py", "up"]
    process = subprocess.Popen(command, env=changes, cwd=BASE_DIR, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "Preparing the database …\n"
    process.terminate()
    assert process.communicate(timeout=60)[0].endswith("Stopped.\n")
    assert process.returncode == 0
    assert not Path(changes["DATA_DIR"], "postgres", "postmaster.pid").exists()


def test_a_port_in_use_is_said_in_a_sentence(settings):
    settings.BIND, settings.PORT = "127.0.0.1", 0
    with web.listen() as other:
        settings.PORT = other.getsockname()[1]
        with pytest.raises(web.PortTaken, match=f"Cannot listen on 127.0.0.1, port {settings.PORT}"):
            web.listen()


def test_a_bad_setting_is_said_in_a_sentence(environment):
    done = manage(environment, "check", PORT="eighty")
    assert done.returncode == 1
    assert done.stderr.strip().startswith("The setting PORT must be a whole number, but it is 'eighty'.")


@pytest.mark.django_db
def test_the_first_user_is_made_once(settings):
    settings.ADMIN_PASSWORD = ""
    assert len(boot.admin_ensure()) >= 12
    assert boot.admin_ensure() == ""


@pytest.mark.django_db
def test_a_password_from_the_settings_is_never_told(settings, django_user_model):
    settings.ADMIN_USERNAME, settings.ADMIN_PASSWORD = "chief", "a long password"
    assert boot.admin_ensure() == ""
    assert django_user_model.objects.get().check_password("a long password")


@pytest.mark.django_db
def test_an_old_database_server_is_refused(monkeypatch):
    monkeypatch.setattr(boot, "LEAST_VERSION", 99)
    with pytest.raises(boot.DatabaseUnusable, match="or later is needed"):
        boot.database_check()
