"""The datagrams, against a real socket of the kind that systemd makes."""

import os
import socket
import tempfile
from pathlib import Path

import pytest

from agent_site import notify
from agent_site.management.commands import up


@pytest.fixture(params=["path", "abstract"])
def systemd(request, monkeypatch):
    """What systemd is for a service: a datagram socket, and its name in the environment."""
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
        if request.param == "abstract" and not os.path.isdir("/proc/self"):
            pytest.skip("only Linux has abstract sockets")
        path = Path(folder, "notify")
        door.bind(f"\0{path}" if request.param == "abstract" else str(path))
        door.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{path}" if request.param == "abstract" else str(path))
        yield door


def test_systemd_hears_each_state(systemd):
    notifier = notify.Notifier()
    for state in (notify.READY, notify.ALIVE, notify.STOPPING):
        notifier.tell(state)
    assert [systemd.recv(100) for _ in range(3)] == [b"READY=1", b"WATCHDOG=1", b"STOPPING=1"]


def test_no_child_inherits_the_address(systemd):
    notify.Notifier()
    assert "NOTIFY_SOCKET" not in os.environ


def test_nothing_is_sent_where_nobody_listens(monkeypatch, caplog):
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify.Notifier().tell(notify.READY)
    assert not caplog.records


def test_a_lost_listener_is_no_reason_to_fail(monkeypatch, tmp_path, caplog):
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    notify.Notifier().tell(notify.READY)
    assert "systemd could not be told READY=1" in caplog.text


def test_the_supervisor_says_ready_then_alive_then_stopping(systemd, monkeypatch, transactional_db):
    answers = iter([503, 200])
    monkeypatch.setattr(up, "health", lambda door: next(answers))  # the web server is another process, hence outside
    command = up.Command()
    command.started, command.ready, command.notifier, command.door = 0.0, False, notify.Notifier(), up.door()
    supervisor = up.Announced([], on_tick=command.tell_when_ready, notifier=command.notifier)
    for _ in range(3):
        supervisor.on_tick()
    supervisor.shut_down()
    assert [systemd.recv(100) for _ in range(3)] == [b"READY=1", b"WATCHDOG=1", b"STOPPING=1"]
