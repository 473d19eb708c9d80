import threading

import pytest
from django.apps.registry import Apps
from django.db import OperationalError, connection, transaction

from common import lease, processes
from common.lease import Leased, LeaseHeld, LeaseLost


class Thing(Leased):
    """A row to lease; its table exists while these tests run."""

    class Meta:
        app_label = "common"
        apps = Apps()  # a registry of its own: the product has no such table

    def __str__(self):
        return f"thing {self.pk}"


@pytest.fixture
def thing(transactional_db):
    with connection.schema_editor() as editor:
        editor.create_model(Thing)
    yield Thing.objects.create()
    with connection.schema_editor() as editor:
        editor.delete_model(Thing)


def expire():
    with connection.cursor() as cursor:
        cursor.execute("UPDATE common_thing SET lease_expires_at = now() - interval '1 second'")


def belongs_to(owner):
    Thing.objects.update(lease_owner=owner)


def test_a_claim_is_one_statement_and_raises_the_epoch(thing, django_assert_num_queries):
    processes.owner()
    with django_assert_num_queries(1):
        assert lease.claim(thing) == 1
    assert thing.lease_owner == processes.owner()
    lease.release(thing, 1)
    assert lease.claim(thing) == 2


def test_a_second_claim_is_refused(thing):
    lease.claim(thing)
    with pytest.raises(LeaseHeld):
        lease.claim(Thing.objects.get())


def test_a_lapsed_lease_can_be_taken_and_shuts_out_its_former_holder(thing):
    first = lease.claim(thing)
    expire()
    second = lease.claim(Thing.objects.get())
    assert second == first + 1
    with transaction.atomic(), pytest.raises(LeaseLost):
        lease.fence(thing, first)
    with pytest.raises(LeaseLost):
        lease.renew(thing, first)
    lease.release(thing, first)
    with transaction.atomic():
        lease.fence(thing, second)


def test_the_lease_of_a_dead_process_of_this_host_can_be_taken_at_once(thing):
    lease.claim(thing)
    host, pid, _ = processes.owner().split(":")
    belongs_to(f"{host}:{pid}:1.00")
    assert lease.claim(thing) == 2


def test_the_lease_of_another_host_must_lapse_first(thing):
    lease.claim(thing)
    belongs_to("elsewhere:1:1.00")
    with pytest.raises(LeaseHeld):
        lease.claim(thing)


def test_a_fence_lets_a_takeover_wait_for_the_transaction(thing):
    epoch = lease.claim(thing)
    expire()
    taken = []

    def take_over():
        taken.append(lease.claim(Thing.objects.get()))
        connection.close()

    with transaction.atomic():
        lease.fence(thing, epoch)
        rival = threading.Thread(target=take_over)
        rival.start()
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(0.05)")
        assert taken == []
    rival.join()
    assert taken == [epoch + 1]


def test_held_gives_the_lease_back_also_after_an_error(thing):
    with pytest.raises(ZeroDivisionError), lease.held(thing) as epoch:
        assert epoch / 0
    assert Thing.objects.get().lease_epoch == 1
    assert Thing.objects.get().lease_expires_at is None


def test_what_could_not_be_given_back_for_want_of_the_database_is_given_back_later(thing, monkeypatch):
    def away(*_: object) -> None:
        raise OperationalError("server closed the connection unexpectedly")

    with monkeypatch.context() as patch, pytest.raises(OperationalError), lease.held(thing):
        patch.setattr(lease, "release", away)
    with pytest.raises(LeaseHeld):
        lease.claim(Thing.objects.get())
    lease.release_left()
    assert lease.claim(Thing.objects.get()) == 2
    lease.release_left()  # there is nothing left: the new lease stays
    assert Thing.objects.get().lease_expires_at is not None


def test_held_renews_while_the_block_runs(thing, monkeypatch):
    monkeypatch.setattr(lease, "RENEW_SECONDS", 0.0)
    renewed = threading.Event()
    real = lease.renew

    def renew(row, epoch):
        real(row, epoch)
        renewed.set()

    monkeypatch.setattr(lease, "renew", renew)
    with lease.held(thing):
        expire()
        assert renewed.wait(5)
        with pytest.raises(LeaseHeld):
            lease.claim(Thing.objects.get())
    wait_until_asleep()


def wait_until_asleep():
    """The renewer closes its connection when nothing is held; the test database must not be dropped under it."""
    renewer = lease._renewer()
    assert renewer.idle.wait(5)
