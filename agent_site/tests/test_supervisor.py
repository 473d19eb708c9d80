"""A real supervisor over small services, forked from the test; they report over pipes."""

import multiprocessing
import os
import select
import signal
import socket
import subprocess
import time
from contextlib import suppress

import psutil
import pytest
from django.db import connections

from agent_site import supervisor, watch
from agent_site.services import Service
from agent_site.supervisor import Supervisor

PATIENCE = 20
fork = multiprocessing.get_context("fork")


class Office:
    """A service that says its pid and what it was told, and may leave a grandchild behind."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()

    def say(self, line: str) -> None:
        os.write(self.writer, f"{line}\n".encode())

    def work(self) -> None:
        signal.signal(signal.SIGTERM, lambda *_: (self.say("stopped"), os._exit(0)))
        self.say(str(os.getpid()))
        while True:
            signal.pause()

    def leave_something_behind(self) -> None:
        self.say(str(subprocess.Popen(["sleep", "600"]).pid))
        self.work()

    def fail(self) -> None:
        self.say(str(os.getpid()))
        raise ValueError("a bug")

    def heard(self) -> str:
        line = b""
        while not line.endswith(b"\n"):
            assert select.select([self.reader], [], [], PATIENCE)[0], "nothing was said in time"
            line += os.read(self.reader, 1)
        return line.decode().strip()


@pytest.fixture
def office():
    return Office()


@pytest.fixture
def start(settings, transactional_db):
    connections.close_all()
    settings.DATABASE_URL = "postgres://elsewhere"  # no embedded server to look after
    started = []

    def start(*table, **options):
        process = fork.Process(target=lambda: Supervisor(list(table), **options).run())
        process.start()
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.join()


def gone(pid):
    try:
        process = psutil.Process(pid)
        deadline = time.monotonic() + PATIENCE
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            if time.monotonic() > deadline:
                return False
    except psutil.NoSuchProcess:
        pass
    return True


def test_a_dead_process_is_started_again_and_what_it_left_is_killed(start, office):
    start(Service(name="office", main=office.leave_something_behind))
    grandchild, first = int(office.heard()), int(office.heard())
    os.kill(first, signal.SIGKILL)
    _, second = office.heard(), int(office.heard())
    assert second != first
    assert gone(grandchild)


def test_a_process_that_fails_at_once_is_started_again_with_pauses(start, office):
    start(Service(name="office", main=office.fail))
    pids = [office.heard() for _ in range(3)]
    assert len(set(pids)) == 3


def test_what_is_not_wanted_is_not_started(start, office):
    table = [
        Service(name="unwanted", main=office.fail, wanted=lambda: False),
        Service(name="office", main=office.work),
    ]
    assert [child.service.name for child in Supervisor(table).children] == ["office"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_signal_reaches_everybody_and_it_ends_well(start, office, number):
    process = start(Service(name="office", main=office.work))
    office.heard()
    os.kill(process.pid, number)
    assert office.heard() == "stopped"
    process.join(PATIENCE)
    assert process.exitcode == 0


def test_the_demo_model_is_stopped_after_those_that_call_it(start, office):
    model = Office()
    table = [Service(name="model", main=model.work, turn_to_stop=2), Service(name="office", main=office.work)]
    model.writer = office.writer
    process = start(*table)
    office.heard(), office.heard()
    children = [child.pid for child in psutil.Process(process.pid).children()]
    os.kill(process.pid, signal.SIGTERM)
    assert [office.heard(), office.heard()] == ["stopped", "stopped"]
    assert all(gone(pid) for pid in children)


def test_a_process_that_will_not_stop_is_killed(start, office, monkeypatch):
    monkeypatch.setattr(supervisor, "STOP_SECONDS", 0.1)

    def deaf():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        office.say(str(os.getpid()))
        while True:
            signal.pause()

    process = start(Service(name="deaf", main=deaf))
    pid = int(office.heard())
    os.kill(process.pid, signal.SIGTERM)
    assert gone(pid)
    process.join(PATIENCE)
    assert process.exitcode == 0


def test_killing_the_supervisor_ends_every_child(start, office):
    process = start(Service(name="office", main=office.work))
    pid = int(office.heard())
    process.kill()
    assert gone(pid)


def test_signals_to_everybody_at_once_and_again_end_it_well(start, office):
    other = Office()
    other.writer = office.writer
    process = start(Service(name="office", main=office.work), Service(name="other", main=other.work))
    pids = [int(office.heard()), int(office.heard())]
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
        for pid in [process.pid, *pids]:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
    process.join(PATIENCE)
    assert process.exitcode == 0
    assert all(gone(pid) for pid in pids)


def test_what_carries_the_answers_is_stopped_after_those_that_make_them(start, office):
    def named(name):
        def main():
            signal.signal(signal.SIGTERM, lambda *_: (office.say(name), os._exit(0)))
            office.say("up")
            while True:
                signal.pause()

        return main

    names = ["model", "bridge", "cluster"]
    turns = {"cluster": 0, "bridge": 1, "model": 2}
    process = start(*(Service(name=name, main=named(name), turn_to_stop=turns[name]) for name in names))
    assert [office.heard() for _ in names] == ["up"] * 3
    process.terminate()
    assert [office.heard() for _ in names] == ["cluster", "bridge", "model"]


def test_a_stuck_process_is_replaced(start, office, monkeypatch):
    """Stopped, so that it neither beats nor hears any signal."""
    monkeypatch.setattr(watch, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(watch, "PATIENCE_SECONDS", 0.3)
    monkeypatch.setattr(supervisor, "CYCLE_SECONDS", 0.05)
    start(Service(name="office", main=office.work))
    first = int(office.heard())
    os.kill(first, signal.SIGSTOP)
    assert int(office.heard()) != first


def test_a_web_server_that_does_not_answer_is_replaced(start, office, monkeypatch):
    monkeypatch.setattr(watch, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(supervisor, "CYCLE_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        start(Service(name="office", main=office.work, probe=watch.Probe(listening.getsockname())))
        assert int(office.heard()) != int(office.heard())


def test_it_counts_how_often_it_starts_each_one_again(settings, db):
    settings.DATABASE_URL = "postgres://elsewhere"
    made = Supervisor([Service(name="office", main=lambda: None)])
    assert made._told() == {"restarts_of": {"office": 0}, "failing": {}}
    made.children[0].restarts = made.children[0].failures = 2
    assert made._told() == {"restarts_of": {"office": 2}, "failing": {"office": 2}}
