"""Real guards and workers, forked from the test; tasks say what they do over the bus."""

import ctypes
import multiprocessing
import os
import signal
import time

import psutil
import pytest
from django.db import connections, transaction
from django_q.models import Failure, OrmQ

from common import broker, bus, queue
from common.cluster import Cluster, ClusterSettings
from common.queue import Lane
from common.worker import may_last

pytestmark = pytest.mark.django_db(transaction=True)
PATIENCE = 20.0


@queue.task("test.report", lane=Lane.WORK)
def report(row_id: int) -> None:
    bus.notify("test_cluster", f"{row_id} {os.getpid()} {os.getppid()}")


@queue.task("test.hang", lane=Lane.WORK)
def hang(row_id: int) -> None:
    report(row_id)
    signal.pause()


@queue.task("test.park", lane=Lane.WORK)
def park(row_id: int) -> None:
    report(row_id)
    while not queue.draining():
        signal.sigtimedwait([], 0.01)
    report(row_id + 1)


@queue.task("test.raise", lane=Lane.WORK)
def fail(row_id: int) -> None:
    report(row_id)
    raise ValueError("this one always fails")


@queue.task("test.deaf", lane=Lane.WORK)
def deaf(row_id: int) -> None:
    report(row_id)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
    while True:
        signal.sigtimedwait([], 1)


@queue.task("test.spin", lane=Lane.WORK)
def spin(row_id: int) -> None:
    """An endless loop that hears no signal."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGALRM])
    report(row_id)
    while True:
        pass


@queue.task("test.block", lane=Lane.WORK)
def block(row_id: int) -> None:
    """Blocked outside of Python, with Python's lock held: no thread and no handler of this process runs any more."""
    report(row_id)
    ctypes.PyDLL(None).sleep(600)


@queue.task("test.slow", lane=Lane.WORK)
def slow(row_id: int) -> None:
    """Longer than a stuck one may last: once asking now and then, once having said so."""
    report(row_id)
    until = time.monotonic() + 1.5
    while time.monotonic() < until:
        queue.backlog(Lane.WORK)
        signal.sigtimedwait([], 0.1)
    with may_last(5):
        signal.sigtimedwait([], 1.5)
    report(row_id + 1)


class Ear:
    """Hears what tasks report: (row id, worker's pid, guard's pid)."""

    def __init__(self) -> None:
        self.listener = bus.Listener("test_cluster")
        self.listener.open()
        self.heard: list[tuple[int, int, int]] = []

    def next(self) -> tuple[int, int, int]:
        deadline = time.monotonic() + PATIENCE
        while not self.heard:
            assert time.monotonic() < deadline, "no task reported in time"
            for _, payload in self.listener.wait(1):
                row_id, pid, guard = map(int, payload.split())
                self.heard.append((row_id, pid, guard))
        return self.heard.pop(0)


def lead_group_and_run(settings: ClusterSettings) -> None:
    os.setpgid(0, 0)
    Cluster(settings).run()


@pytest.fixture
def ear(transactional_db):
    made = Ear()
    yield made
    made.listener.close()


@pytest.fixture
def start():
    guards = []

    def start(**settings):
        connections.close_all()
        values = {"lane": "work", "workers": 2, "time_limit": 60} | settings
        guard = multiprocessing.get_context("fork").Process(
            target=lead_group_and_run, args=(ClusterSettings(**values),)
        )
        guard.start()
        guards.append(guard)
        return guard

    yield start
    for guard in guards:
        if guard.is_alive():
            guard.kill()
        guard.join()


def ended(process: multiprocessing.Process) -> int | None:
    process.join(PATIENCE)
    return process.exitcode


def gone(pids: list[int]) -> bool:
    """Waits until none of these processes is left."""
    left = []
    for pid in pids:
        try:
            left.append(psutil.Process(pid))
        except psutil.NoSuchProcess:
            continue
    return psutil.wait_procs(left, timeout=PATIENCE)[1] == []


def until(condition):
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        signal.sigtimedwait([], 0.02)
    return found


def test_a_queued_task_runs_once_and_leaves_the_queue(ear, start):
    start()
    queue.enqueue("test.report", 1)
    assert ear.next()[0] == 1
    until(lambda: not OrmQ.objects.exists())
    assert not Failure.objects.exists()


def test_a_failing_task_is_recorded_and_not_run_again(ear, start):
    start()
    queue.enqueue("test.raise", 1)
    ear.next()
    failure = until(lambda: Failure.objects.first())
    assert failure.name == "test.raise 1"
    assert "this one always fails" in failure.result
    until(lambda: not OrmQ.objects.exists())
    assert ear.heard == []


def test_the_task_of_a_killed_worker_runs_again_at_once(ear, start):
    start()
    queue.enqueue("test.hang", 1)
    _, first, _ = ear.next()
    os.kill(first, signal.SIGKILL)
    _, second, _ = ear.next()
    assert first != second


def test_a_task_that_kills_its_workers_is_given_up(ear, start, monkeypatch):
    monkeypatch.setattr("common.cluster.RELEASE_PAUSE_SECONDS", 0.1)
    start()
    queue.enqueue("test.hang", 1)
    for _ in range(3):
        os.kill(ear.next()[1], signal.SIGKILL)
    failure = until(lambda: Failure.objects.first())
    assert "died 3 times" in failure.result
    until(lambda: not OrmQ.objects.exists())


def test_killing_idle_workers_leaves_the_cluster_working(ear, start):
    start()
    for row_id in range(6):
        queue.enqueue("test.report", row_id)
        _, pid, _ = ear.next()
        until(lambda: not OrmQ.objects.exists())
        os.kill(pid, signal.SIGKILL)
        assert gone([pid])


def test_killing_the_guard_ends_every_worker(ear, start):
    guard = start()
    queue.enqueue("test.hang", 1)
    ear.next()
    workers = [child.pid for child in psutil.Process(guard.pid).children()]
    assert len(workers) == 2
    guard.kill()
    assert gone(workers)


def test_sigterm_to_the_group_drains_and_ends_well(ear, start):
    guard = start()
    queue.enqueue("test.park", 1)
    ear.next()
    queue.enqueue("test.park", 5)
    ear.next()
    queue.enqueue("test.report", 9)  # both workers are busy: this one must stay
    os.killpg(guard.pid, signal.SIGTERM)
    assert sorted([ear.next()[0], ear.next()[0]]) == [2, 6]
    assert ended(guard) == 0
    assert [row.name() for row in OrmQ.objects.all()] == ["test.report 9"]


def test_sigterm_to_the_guard_alone_reaches_running_tasks(ear, start):
    guard = start()
    queue.enqueue("test.park", 1)
    ear.next()
    os.kill(guard.pid, signal.SIGTERM)
    assert ear.next()[0] == 2
    assert ended(guard) == 0


def test_a_task_that_will_not_end_is_killed_and_its_claim_released(ear, start, monkeypatch):
    monkeypatch.setattr("common.cluster.DRAIN_SECONDS", 0.2)
    guard = start()
    queue.enqueue("test.deaf", 1)
    ear.next()
    os.kill(guard.pid, signal.SIGTERM)
    assert ended(guard) == 0
    start()
    assert ear.next()[0] == 1


def test_a_task_over_its_limit_is_recorded_as_failed(ear, start):
    start(time_limit=1)
    queue.enqueue("test.hang", 1)
    ear.next()
    failure = until(lambda: Failure.objects.first())
    assert "maximum timeout" in failure.result


def test_a_task_that_swallows_its_time_limit_is_killed(ear, start, monkeypatch):
    monkeypatch.setattr("common.cluster.KILL_GRACE_SECONDS", 0.1)
    start(time_limit=1)
    queue.enqueue("test.deaf", 1)
    ear.next()
    failure = until(lambda: Failure.objects.first())
    assert "was killed" in failure.result


def test_the_claim_of_a_busy_worker_is_renewed(ear, start, monkeypatch):
    monkeypatch.setattr("common.cluster.RENEW_SECONDS", 0.0)
    start()
    queue.enqueue("test.hang", 1)
    ear.next()
    first = OrmQ.objects.get().lock
    until(lambda: OrmQ.objects.get().lock > first)


def test_the_workers_come_back_after_the_database_cut_them_off(ear, start):
    guard = start()
    queue.enqueue("test.report", 1)
    ear.next()
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid() AND pid <> %s",
            [ear.listener._connection.info.backend_pid],
        )
    queue.enqueue("test.report", 2)
    assert ear.next()[0] == 2
    assert guard.is_alive()


@queue.task("test.cut", lane=Lane.WORK)
def cut(row_id: int) -> None:
    report(row_id)
    connections["default"].connection.close()
    report(row_id)


def test_two_tasks_of_one_transaction_run_side_by_side(ear, start):
    start()
    queue.enqueue("test.report", 1)
    ear.next()
    until(lambda: not OrmQ.objects.exists())
    with transaction.atomic():
        queue.enqueue("test.hang", 1)
        queue.enqueue("test.hang", 2)
    assert sorted([ear.next()[0], ear.next()[0]]) == [1, 2]


def test_a_package_whose_wake_up_was_lost_is_found(ear, start, monkeypatch):
    monkeypatch.setattr("common.broker.POLL_SECONDS", 0.0)
    monkeypatch.setattr("common.cluster.CYCLE_SECONDS", 0.05)
    monkeypatch.setattr("common.broker.INSERT", broker.INSERT.replace("pg_notify(%s, id::text)", "%s::text"))
    start()
    queue.enqueue("test.report", 1)
    assert ear.next()[0] == 1
    queue.enqueue("test.report", 2)
    assert ear.next()[0] == 2


def test_a_task_that_lost_the_database_runs_again(ear, start, monkeypatch):
    monkeypatch.setattr("common.worker.RETRY_SECONDS", 0.0)
    start(workers=1)
    queue.enqueue("test.cut", 7)
    assert ear.next()[0] == ear.next()[0] == 7
    assert not Failure.objects.exists()


def test_the_guard_beats(ear, start):
    def on_beat(progressed, detail):
        bus.notify("test_cluster", f"{int(progressed)} {detail['workers']} {detail['busy']}")

    start(on_beat=on_beat)
    assert ear.next()[0] == 1


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr("common.cluster.STUCK_SECONDS", 0.7)
    monkeypatch.setattr("common.cluster.CYCLE_SECONDS", 0.05)
    monkeypatch.setattr("common.worker.LOOK_SECONDS", 0.1)


@pytest.mark.parametrize("name", ["test.spin", "test.block"])
def test_a_stuck_worker_is_replaced_and_its_task_runs_again(ear, start, impatient, name):
    start(workers=1)
    queue.enqueue(name, 1)
    first, second = ear.next(), ear.next()
    assert (first[0], second[0]) == (1, 1)
    assert gone([first[1]])


def test_a_task_that_is_always_stuck_is_given_up(ear, start, impatient, monkeypatch):
    monkeypatch.setattr("common.cluster.RELEASE_PAUSE_SECONDS", 0.1)
    start(workers=1)
    queue.enqueue("test.block", 1)
    failure = until(lambda: Failure.objects.first())
    assert "died 3 times" in failure.result
    queue.enqueue("test.report", 9)
    assert [ear.next()[0] for _ in range(4)] == [1, 1, 1, 9]


def test_a_slow_task_that_gets_on_is_left_alone(ear, start, impatient):
    start(workers=1)
    queue.enqueue("test.slow", 1)
    first, last = ear.next(), ear.next()
    assert (last[0], last[1]) == (2, first[1])


def test_a_worker_that_was_stopped_is_replaced(ear, start, impatient):
    start(workers=1)
    queue.enqueue("test.report", 1)
    _, first, _ = ear.next()
    os.kill(first, signal.SIGSTOP)
    assert gone([first])
    queue.enqueue("test.report", 2)
    assert ear.next()[1] != first


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_in_a_row_drain_once_and_end_well(ear, start, number):
    guard = start()
    queue.enqueue("test.park", 1)
    ear.next()
    for _ in range(5):
        os.killpg(guard.pid, number)
    assert ear.next()[0] == 2
    assert ended(guard) == 0


def test_sigterm_to_one_worker_ends_it_after_its_task_and_another_takes_its_place(ear, start):
    guard = start(workers=1)
    queue.enqueue("test.park", 1)
    _, first, _ = ear.next()
    os.kill(first, signal.SIGTERM)
    assert ear.next()[0] == 2
    queue.enqueue("test.report", 9)
    row_id, second, _ = ear.next()
    assert (row_id, second != first, guard.is_alive()) == (9, True, True)
