"""What docker/ holds, as far as it can be tried without Docker: the entrypoint against a real database, nginx in front
of it, and the files as the tools that read them see them."""

import http.cookiejar
import os
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import quote, urlencode

import psycopg
import pytest
from django.conf import settings
from django.core.management import get_commands
from django.db import connection

from agent_site.trial import free_port
from tests.test_architecture import LAYERS

ROOT = Path(settings.BASE_DIR)
DOCKER = ROOT / "docker"
COMPOSE = (DOCKER / "compose.yaml").read_text()
PATIENCE = 300
"""Looks of 0.1 s at a process that starts."""


def server() -> dict[str, str]:
    entry = connection.settings_dict
    return {
        "user": entry["USER"],
        "password": entry["PASSWORD"],
        "host": entry["HOST"],
        "port": entry["PORT"] or "5432",
    }


def address_of(name: str) -> str:
    """A DATABASE_URL. A socket's folder can't stand where a host does."""
    at = server()
    query = "?" + urlencode({"host": at["host"], "port": at["port"]}) if at["host"].startswith("/") else ""
    host = "" if query else f"{at['host']}:{at['port']}"
    return f"postgres://{quote(at['user'])}:{quote(at['password'], safe='')}@{host}/{name}{query}"


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """A clean environment, as a container has it, with an empty database of its own."""
    name = f"{settings.DATABASES['default']['TEST']['NAME']}_docker"
    with psycopg.connect(**server(), dbname="postgres", autocommit=True) as admin:
        admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        admin.execute(f'CREATE DATABASE "{name}"')
        folder = tmp_path_factory.mktemp("container")
        yield {
            "PATH": os.environ["PATH"],
            "PYTHON": sys.executable,
            "DATABASE_URL": address_of(name),
            "DATA_DIR": str(folder / "data"),
            "WORKSPACE_DIR": str(folder / "workspace"),
            "PORT": str(free_port()),
        }
        admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def entrypoint(environment, *words):
    command = [DOCKER / "entrypoint.sh", *words]
    return subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, timeout=90, check=False)


def wait_for(url, process):
    """Until it answers; the pause is a look whether the process still lives."""
    for _ in range(PATIENCE):
        try:
            return urllib.request.urlopen(url, timeout=5).close()
        except OSError:
            pass
        try:
            pytest.fail(f"It ended with {process.wait(0.1)}.")
        except subprocess.TimeoutExpired:
            continue
    pytest.fail(f"{url} does not answer.")


@pytest.fixture(scope="module")
def prepared(environment):
    done = entrypoint(environment, "prepare")
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def web(environment, prepared):
    process = subprocess.Popen([DOCKER / "entrypoint.sh", "web"], env=environment, cwd="/")
    url = f"http://127.0.0.1:{environment['PORT']}"
    try:
        wait_for(f"{url}/health/live", process)
        yield url
    finally:
        process.terminate()
        assert process.wait(30) == 0


@pytest.fixture
def nginx_conf(web, tmp_path):
    """The shipped file with a port and folders of the test's own, and web where it really is."""
    if not shutil.which("nginx"):
        pytest.skip("nginx is not installed")
    port = free_port()
    text = (DOCKER / "nginx.conf").read_text()
    for old, new in (("/tmp/", f"{tmp_path}/"), ("listen 8080", f"listen 127.0.0.1:{port}"), ("http://web:8000", web)):
        assert old in text
        text = text.replace(old, new)
    path = tmp_path / "nginx.conf"
    path.write_text(text)
    return path, f"http://127.0.0.1:{port}"


@pytest.fixture
def nginx(nginx_conf, tmp_path):
    path, url = nginx_conf
    process = subprocess.Popen(["nginx", "-p", tmp_path, "-c", path, "-g", "daemon off;"])
    try:
        wait_for(f"{url}/health/live", process)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def test_preparing_makes_the_schema_and_the_first_user_once(environment, prepared):
    password = Path(environment["DATA_DIR"], "admin-password")
    assert password.stat().st_mode & 0o777 == 0o600
    assert str(password) in prepared
    again = entrypoint(environment, "prepare")
    assert again.stdout == "The database is ready.\n", again.stderr


def test_without_a_database_it_says_what_to_set(environment):
    done = entrypoint(environment | {"DATABASE_URL": ""}, "web")
    assert done.returncode == 1
    assert done.stderr.startswith("DATABASE_URL is not set: name a PostgreSQL server")


def test_the_bridge_without_a_bot_waits_instead_of_ending(environment):
    command = [DOCKER / "entrypoint.sh", "bridge"]
    process = subprocess.Popen(command, env=environment, cwd="/", stdout=subprocess.PIPE, text=True)
    assert "There is no TELEGRAM_BOT_TOKEN" in process.stdout.readline()
    assert process.poll() is None
    process.terminate()
    process.communicate()


def test_nginx_accepts_its_file(nginx_conf, tmp_path):
    done = subprocess.run(
        ["nginx", "-t", "-p", tmp_path, "-c", nginx_conf[0]], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_one_logs_in_through_nginx_and_must_choose_a_password(nginx, environment):
    jar = http.cookiejar.CookieJar()
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    browser.addheaders = [("Origin", nginx)]
    with browser.open(f"{nginx}/admin/login/?next=/chat/") as page:
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.read().decode())[1]
    password = Path(environment["DATA_DIR"], "admin-password").read_text().strip()
    fields = {"csrfmiddlewaretoken": token, "username": "admin", "password": password, "next": "/chat/"}
    with browser.open(f"{nginx}/admin/login/?next=/chat/", urlencode(fields).encode()) as page:
        assert page.url == f"{nginx}/admin/password_change/"


@pytest.mark.parametrize("headers", [{}, {"X-Forwarded-For": "127.0.0.1"}])
def test_monitoring_is_not_for_those_who_come_through_nginx(nginx, headers):
    request = urllib.request.Request(f"{nginx}/health", headers=headers)
    with pytest.raises(urllib.error.HTTPError, match="403") as caught:
        urllib.request.urlopen(request, timeout=5)
    caught.value.close()


def test_compose_reads_its_file(tmp_path):
    shown = ["docker", "compose", "version"]
    if not shutil.which("docker") or subprocess.run(shown, capture_output=True, check=False).returncode:
        pytest.skip("the Docker client with its compose plugin is not installed")
    for name in ("compose.yaml", "nginx.conf", "Dockerfile"):
        shutil.copy(DOCKER / name, tmp_path)
    (tmp_path / ".env").write_text((DOCKER / "example.env").read_text().replace("PASSWORD=", "PASSWORD=secret"))
    command = ["docker", "compose", "--file", str(tmp_path / "compose.yaml"), "config", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_command_of_compose_exists():
    commands = re.findall(r"^    command: \[(\w+)", COMPOSE, re.MULTILINE)
    assert sorted(commands) == ["bridge", "cluster", "cluster", "prepare", "web"]
    assert set(commands) <= set(get_commands())


def test_every_service_is_started_again_by_its_own_policy():
    services = COMPOSE.split("\nservices:\n")[1].split("\nvolumes:\n")[0]
    parts = re.findall(r"^  (\w+):\n((?:    .*\n|\n|  #.*\n)+)", services, re.MULTILINE)
    assert [name for name, _ in parts] == ["postgres", "prepare", "web", "talk", "work", "bridge", "nginx"]
    assert all("<<: *app" in text or "restart: unless-stopped" in text for _, text in parts)


def test_the_image_gets_every_app_and_no_secret():
    lines = (DOCKER / "Dockerfile.dockerignore").read_text().splitlines()
    let_in = {line[1:] for line in lines if line.startswith("!")}
    assert lines[1] == "*"
    assert let_in == {*LAYERS, "manage.py", "requirements.txt", "templates", "docker/entrypoint.sh"}
    assert "**/.env" in lines
