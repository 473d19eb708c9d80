"""The commands as a person runs them: a whole instance on a folder and a port of its own."""

import os
import re
import signal
import socket
import subprocess
import sys

import pytest

from agent_site import boot
from agent_site.env import BASE_DIR


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """A clean environment: an installation without a .env."""
    data = tmp_path_factory.mktemp("up")
    keep = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return keep | {"DATA_DIR": str(data), "PORT": str(free_port()), "PYTHONUNBUFFERED": "1"}


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


@pytest.fixture(scope="module")
def running(environment):
    """What `./run start` said."""
    try:
        yield daemon(environment, "start")
    finally:
        daemon(environment, "stop")


def test_it_starts_in_the_background_and_says_where(running, environment):
    assert running.returncode == 0, running.stdout + running.stderr
    assert f"ready: http://127.0.0.1:{environment['PORT']}/" in running.stdout
    assert daemon(environment, "status").returncode == 0


def test_the_admin_password_is_in_a_file_when_there_is_no_terminal(running, environment):
    path = os.path.join(environment["DATA_DIR"], "admin-password")
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert path in running.stdout
    with open(path) as file:
        assert file.read().strip() not in running.stdout


def test_a_second_instance_is_refused(running, environment):
    done = manage(environment, "up")
    assert done.returncode == 1
    assert re.match(r"It is running already \(process \d+\)", done.stderr)
    assert "It is running already" in daemon(environment, "start").stdout


def test_a_port_in_use_is_said_in_a_sentence(environment, tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        done = manage(environment, "web", PORT=port)
    assert done.returncode == 1
    assert done.stderr.startswith(f"Cannot listen on 127.0.0.1, port {port}")
    assert "Traceback" not in done.stderr


def test_a_bad_setting_is_said_in_a_sentence(environment):
    done = manage(environment, "check", PORT="eighty")
    assert done.returncode == 1
    assert done.stderr.strip().startswith("The setting PORT must be a whole number, but it is 'eighty'.")


def test_one_cluster_drains_by_itself(running, environment):
    command = [sys.executable, "manage.py", "cluster", "work"]
    process = subprocess.Popen(command, env=environment, cwd=BASE_DIR, start_new_session=True)
    while len(children_of(process.pid)) < 4:
        assert process.poll() is None
    os.killpg(process.pid, signal.SIGTERM)
    assert process.wait(30) == 0


def children_of(pid: int) -> list[int]:
    import psutil

    return [child.pid for child in psutil.Process(pid).children()]


def test_it_stops_with_its_database(running, environment):
    assert daemon(environment, "stop").stdout == "Stopped.\n"
    assert daemon(environment, "status").returncode == 1
    assert not os.path.exists(os.path.join(environment["DATA_DIR"], "postgres", "postmaster.pid"))


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
