"""The pings to a dead man's switch, taken by a server on this machine."""

import logging
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from agent_site import dead_man
from agent_site.dead_man import DeadMan
from ops.heartbeats import beat

pytestmark = pytest.mark.django_db


class Switch(HTTPServer):
    """Counts the calls, and refuses them while it is told to."""

    status = 200

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Call)
        self.calls: list[str] = []


class Call(BaseHTTPRequestHandler):
    server: Switch

    def do_GET(self) -> None:
        self.server.calls.append(self.path)
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def switch(settings, tmp_path):
    with Switch() as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        settings.DEAD_MAN_URL = f"http://127.0.0.1:{server.server_port}/ping/secret"
        settings.DATA_DIR = tmp_path
        yield server
        server.shutdown()


@pytest.fixture
def well(settings, monkeypatch):
    monkeypatch.setattr(dead_man.connections, "close_all", lambda: None)  # the test's transaction lives in one
    settings.ANTHROPIC_API_KEY = "a key"
    beat("cluster.talk")
    beat("cluster.work")


@pytest.fixture
def made():
    """Makes them, and closes their locks in the end."""
    each: list[DeadMan] = []

    def make() -> DeadMan:
        each.append(DeadMan())
        return each[-1]

    yield make
    for one in each:
        one.close()


def test_it_pings_while_all_is_well(switch, well, made):
    assert made().tick()
    assert switch.calls == ["/ping/secret"]


def test_it_is_silent_while_something_is_down(switch, well, made):
    beat("cluster.work", detail={"ended": True})
    assert not made().tick()
    assert switch.calls == []


def test_of_several_processes_one_pings_and_another_takes_over(switch, well, made):
    first, second = made(), made()
    assert first.tick()
    assert not second.tick()
    first.close()  # as if it had died
    assert second.tick()
    assert len(switch.calls) == 2


def test_a_ping_that_fails_is_logged_once(switch, well, made, caplog):
    caplog.set_level(logging.INFO, logger="agent_site.dead_man")
    pulse = made()
    switch.status = 500
    assert [pulse.tick(), pulse.tick(), pulse.tick()] == [False, False, False]
    switch.status = 200
    assert [pulse.tick(), pulse.tick()] == [True, True]
    told = [record.message for record in caplog.records]
    assert len(told) == 2
    assert told[0].startswith("The ping to DEAD_MAN_URL failed")
    assert told[1] == "The ping to DEAD_MAN_URL arrives again."


def test_without_an_address_nothing_is_started(settings, monkeypatch):
    monkeypatch.setattr(dead_man.threading, "Thread", None)
    dead_man.start()
