import pytest
from django.db import connection, transaction
from django_q.models import OrmQ

from common import broker, queue
from common.bus import Listener
from common.queue import Lane, UnknownTask

seen: list[int] = []


@queue.task("test.remember", lane=Lane.WORK)
def remember(row_id: int) -> None:
    seen.append(row_id)


def tick() -> None:
    seen.append(-1)


@pytest.fixture(autouse=True)
def _forget():
    seen.clear()


@pytest.mark.django_db
def test_a_queued_task_is_readable_and_carries_only_an_id(django_assert_num_queries):
    with django_assert_num_queries(1):
        queue.enqueue("test.remember", 17)
    row = OrmQ.objects.get()
    assert (row.key, row.name(), row.func(), row.args()) == (
        "work",
        "test.remember 17",
        f"{__name__}.remember",
        (17,),
    )


@pytest.mark.django_db(transaction=True)
def test_a_task_wakes_its_lane_at_commit():
    listener = Listener(broker.channel(Lane.WORK))
    listener.open()
    with transaction.atomic():
        queue.enqueue("test.remember", 1)
        assert listener.wait(0) == []
    assert listener.wait(5) == [("queue_work", str(OrmQ.objects.get().pk))]
    listener.close()


@pytest.mark.django_db(transaction=True)
def test_a_rolled_back_transaction_queues_nothing():
    with transaction.atomic():
        queue.enqueue("test.remember", 1)
        transaction.set_rollback(True)
    assert not OrmQ.objects.exists()


@pytest.mark.django_db
def test_a_claimed_task_is_not_claimed_again_until_it_is_released():
    queue.enqueue("test.remember", 1)
    claimed = broker.claim("work")
    assert claimed is not None
    assert broker.claim("work") is None
    broker.release("work", claimed[0])
    assert broker.claim("work") == claimed
    broker.acknowledge(claimed[0])
    assert not OrmQ.objects.exists()


@pytest.mark.django_db
def test_the_other_lane_does_not_see_it():
    queue.enqueue("test.remember", 1)
    assert broker.claim("talk") is None


@pytest.mark.django_db
def test_a_claim_that_nobody_renews_lapses():
    queue.enqueue("test.remember", 1)
    assert broker.claim("work")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE django_q_ormq SET lock = now() - interval '1 second'")
    assert broker.claim("work")


def test_it_runs_registered_tasks_and_scheduled_functions_only():
    queue.allow_scheduled([f"{__name__}.tick"])
    queue.execute(f"{__name__}.remember", (5,))
    queue.execute(f"{__name__}.tick", ())
    queue.run_now("test.remember", 6)
    assert seen == [5, -1, 6]


@pytest.mark.parametrize(
    ("path", "args"),
    [("os.system", ("true",)), ("os.getpid", ()), (f"{__name__}.remember", ("5",)), (f"{__name__}.remember", ())],
)
def test_it_refuses_everything_else(path, args):
    with pytest.raises(UnknownTask, match="Refused to run"):
        queue.execute(path, args)


def test_it_refuses_an_unknown_name_and_a_taken_name():
    with pytest.raises(UnknownTask, match=r"No tasks\.py"):
        queue.enqueue("test.unknown", 1)
    with pytest.raises(UnknownTask, match="is taken"):
        queue.task("test.remember", lane=Lane.TALK)(print)
