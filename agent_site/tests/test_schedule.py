from datetime import UTC, datetime

import pytest
from django.utils.module_loading import import_string
from django_q.models import OrmQ, Schedule

from agent_site.schedule import SCHEDULE, functions, schedule_sync
from common.cluster import Cluster, ClusterSettings

pytestmark = pytest.mark.django_db


@pytest.fixture
def guard():
    return Cluster(ClusterSettings(lane="talk", workers=0, time_limit=1, runs_schedule=True))


def test_the_table_is_written_once_and_strangers_are_deleted():
    Schedule.objects.create(name="stranger", func="os.system")
    assert schedule_sync() == 1 + len(SCHEDULE)
    before = list(Schedule.objects.order_by("name").values())
    assert schedule_sync() == 0
    assert list(Schedule.objects.order_by("name").values()) == before


def test_each_scheduled_function_exists_and_takes_no_argument():
    for path in functions():
        assert import_string(path).__code__.co_argcount == 0


def test_a_schedule_may_run_every_few_seconds():
    schedule_sync()
    schedule = Schedule.objects.get(name="jobs.sweep")
    assert (schedule.next_run - datetime.now(UTC)).total_seconds() <= 10
    assert schedule.next_run.second % 10 == 0


@pytest.mark.django_db(transaction=True)  # django-q2's scheduler closes old connections
def test_what_is_due_is_queued_once_on_the_talk_lane_under_its_name(guard):
    schedule_sync()
    Schedule.objects.filter(name="jobs.sweep").update(next_run=datetime(2026, 1, 1, tzinfo=UTC))
    guard.tick()
    guard.tick()
    row = OrmQ.objects.get()
    assert (row.key, row.name(), row.func(), row.args()) == ("talk", "jobs.sweep", "jobs.tasks.sweep", ())


@pytest.mark.django_db(transaction=True)
def test_a_long_outage_is_caught_up_with_one_run(guard):
    schedule_sync()
    Schedule.objects.update(next_run=datetime(2026, 1, 1, tzinfo=UTC))
    guard.tick()
    assert OrmQ.objects.count() == len(SCHEDULE)
    assert Schedule.objects.filter(next_run__gt=datetime.now(UTC)).count() == len(SCHEDULE)
