"""A database that refuses connections: said in a sentence, waited out with growing pauses, and nothing is lost."""

import contextlib
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from agent_site import embedded_postgres
from agent_site.trial import BASE_DIR, Trial
from bench.support.hosts import shared_database
from telegram_bridge.fake import FakeTelegram

OWNER = 1000
SECONDS = 60.0


@pytest.fixture
def telegram():
    with FakeTelegram(allow_http=True) as standing_in:
        standing_in.open_chat(OWNER)
        yield standing_in


def refused(url: str) -> str:
    trial = Trial(DATABASE_URL=url, SECRET_KEY="x" * 60)
    done = subprocess.run(
        [sys.executable, "manage.py", "up"],
        cwd=BASE_DIR,
        env=trial.environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    trial.remove()
    assert done.returncode != 0
    assert "Traceback" not in done.stderr, done.stderr[-2000:]
    return done.stdout + done.stderr


def test_a_server_that_is_down_at_the_start_is_said_in_a_sentence():
    assert "The database does not answer" in refused("postgres://agent:secret@127.0.0.1:9/agent")


def test_a_wrong_password_is_said_in_a_sentence_without_the_password():
    with shared_database() as folder:
        host = embedded_postgres.settings(folder)["HOST"]
        told = refused(f"postgres://postgres:wrong-word@/server_agent?host={host}")
    assert "password authentication failed" in told
    assert "wrong-word" not in told


def test_a_server_without_free_connections_is_waited_for(telegram):
    settings = {"TELEGRAM_API_URL": telegram.url, "TELEGRAM_BOT_TOKEN": telegram.token, "MASTER_CHAT_IDS": str(OWNER)}
    with Trial(**settings) as trial, contextlib.ExitStack() as stack:
        entry = embedded_postgres.settings(Path(trial.environment["DATA_DIR"]))
        login = {"host": entry["HOST"], "dbname": entry["NAME"], "user": entry["USER"], "password": entry["PASSWORD"]}
        ours = [stack.enter_context(psycopg.connect(**login, autocommit=True))]
        take_all(ours, stack, login)
        telegram.user_says(OWNER, "what is the uptime of this machine?")
        until = time.monotonic() + SECONDS
        while "too many clients" not in trial.log.read_text() and time.monotonic() < until:
            take_all(ours, stack, login)
        assert "too many clients" in trial.log.read_text()
        assert trial.process is not None
        assert trial.process.poll() is None
        for connection in ours:
            connection.close()
        assert "$ uptime" in telegram.wait_for_sent(1, chat_id=OWNER, timeout=SECONDS)[0].text


def take_all(ours: list[psycopg.Connection], stack: contextlib.ExitStack, login: dict[str, str]) -> None:
    """Cuts the connections of everybody else and takes theirs, until the server refuses any more."""
    kept = [connection.info.backend_pid for connection in ours]
    ours[0].execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE backend_type = 'client backend' AND pid <> ALL(%s)",
        [kept],
    )
    with contextlib.suppress(psycopg.OperationalError):
        while True:
            ours.append(stack.enter_context(psycopg.connect(**login, autocommit=True)))
