import pytest
from django.db import connection, transaction

from common.bus import Listener, notify


@pytest.fixture
def listener():
    made = Listener("test_bus")
    made.open()
    yield made
    made.close()


@pytest.mark.django_db(transaction=True)
def test_it_hears_a_note_only_after_the_commit(listener):
    with transaction.atomic():
        notify("test_bus", "7")
        assert listener.wait(0) == []
    assert listener.wait(5) == [("test_bus", "7")]


@pytest.mark.django_db(transaction=True)
def test_it_hears_nothing_of_a_rolled_back_transaction(listener):
    with transaction.atomic():
        notify("test_bus", "7")
        transaction.set_rollback(True)
    assert listener.wait(0) == []


@pytest.mark.django_db(transaction=True)
def test_it_connects_again_after_its_connection_was_cut(listener):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE query LIKE 'LISTEN%%' AND pid <> pg_backend_pid() AND datname = current_database()"
        )
    for _ in range(10):  # it takes a wait or two to notice the loss, and one to connect
        notify("test_bus", "again")
        if heard := listener.wait(5):
            break
    assert heard == [("test_bus", "again")]
