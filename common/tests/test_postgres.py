import pytest
from django.db import OperationalError, close_old_connections, connection

from common.bus import connect

pytestmark = pytest.mark.django_db(transaction=True)


def cut_off() -> None:
    """What a server does to its clients when it is stopped."""
    connection.ensure_connection()
    with connect() as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [connection.connection.info.backend_pid]).fetchone()


def answers() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        return cursor.fetchone() == (1,)


def test_a_request_after_a_restart_of_the_server_gets_a_new_connection():
    cut_off()
    close_old_connections()  # as at the start of each request and task
    assert answers()


def test_a_healthy_connection_is_kept_without_asking_the_server(django_assert_num_queries):
    assert answers()
    kept = connection.connection
    close_old_connections()
    with django_assert_num_queries(1):
        assert answers()
    assert connection.connection is kept


def test_after_an_error_the_server_is_asked():
    with pytest.raises(Exception, match="does not exist"), connection.cursor() as cursor:
        cursor.execute("SELECT nothing_of_the_kind")
    kept = connection.connection
    assert connection.errors_occurred
    close_old_connections()
    assert connection.connection is kept
    assert answers()


def test_a_connection_that_broke_in_the_middle_is_not_usable():
    cut_off()
    with pytest.raises(OperationalError):
        answers()
    assert not connection.is_usable()
    close_old_connections()
    assert answers()


def test_news_that_are_no_good_bye_keep_the_connection():
    connection.ensure_connection()
    kept = connection.connection
    with connection.cursor() as cursor:
        cursor.execute("LISTEN test_postgres")
    with connect() as other:
        other.execute("NOTIFY test_postgres")
    assert connection.is_usable()
    assert connection.connection is kept
    with connection.cursor() as cursor:
        cursor.execute("UNLISTEN *")


def test_statements_are_prepared():
    for _ in range(4):
        answers()
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE statement = 'SELECT 1'")
        assert cursor.fetchone() == (1,)
