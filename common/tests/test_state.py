"""Compare-and-swap, with its event in the same statement."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.apps.registry import Apps
from django.db import IntegrityError, connection, models, transaction

from common.state import StateConflict, move

pytestmark = pytest.mark.django_db


class Door(models.Model):
    """A row with states; its table exists while these tests run."""

    state = models.CharField(max_length=10, default="open")
    by = models.CharField(max_length=20, blank=True)
    times = models.IntegerField(null=True)
    notes = models.JSONField(default=dict)

    class Meta:
        app_label = "common"
        apps = Apps()  # a registry of its own: the product has no such table

    def __str__(self):
        return self.state


class DoorEvent(models.Model):
    """What happened to a door."""

    what = models.CharField(max_length=20, unique=True)
    detail = models.JSONField(default=dict)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        app_label = "common"
        apps = Apps()  # a registry of its own: the product has no such table

    def __str__(self):
        return self.what


@pytest.fixture
def door(db):
    with connection.schema_editor() as editor:
        editor.create_model(Door)
        editor.create_model(DoorEvent)
    yield Door.objects.create()
    with connection.schema_editor() as editor:
        editor.delete_model(DoorEvent)
        editor.delete_model(Door)


def test_a_move_changes_the_row_and_what_the_caller_holds(door):
    move(door, to="shut", expected=["open"], by="Olga", notes={"why": "wind"}, times=None)
    held = (door.state, door.by, door.notes, door.times)
    door.refresh_from_db()
    assert (door.state, door.by, door.notes, door.times) == held == ("shut", "Olga", {"why": "wind"}, None)


def test_any_of_the_expected_states_will_do(door):
    move(door, to="shut", expected=["ajar", "open"])
    assert Door.objects.get().state == "shut"


@pytest.mark.parametrize("event", [None, "shut"])
def test_a_state_that_is_not_expected_changes_nothing(door, event):
    note = DoorEvent(what=event) if event else None
    with pytest.raises(StateConflict, match="Somebody else has changed this"):
        move(door, to="shut", expected=["ajar"], by="Olga", event=note)
    assert (door.state, door.by) == ("open", "")
    door.refresh_from_db()
    assert (door.state, door.by) == ("open", "")
    assert not DoorEvent.objects.exists()


def test_the_database_decides_not_what_the_caller_holds(door):
    Door.objects.update(state="locked")
    with pytest.raises(StateConflict):
        move(door, to="shut", expected=["open"], event=DoorEvent(what="shut"))
    assert Door.objects.get().state == "locked"
    assert not DoorEvent.objects.exists()


def test_a_row_that_is_gone_is_a_conflict(door):
    Door.objects.all().delete()
    with pytest.raises(StateConflict):
        move(door, to="shut", expected=["open"], event=DoorEvent(what="shut"))
    assert not DoorEvent.objects.exists()


def test_other_rows_are_left_alone(door):
    other = Door.objects.create()
    move(door, to="shut", expected=["open"], event=DoorEvent(what="shut"))
    other.refresh_from_db()
    assert other.state == "open"


def test_the_event_stands_beside_the_move_in_one_statement(door, django_assert_num_queries):
    event = DoorEvent(what="it's 100% shut", detail={"by": "Olga"})
    with django_assert_num_queries(1):
        move(door, to="shut", expected=["open"], by="Olga", event=event)
    door.refresh_from_db()
    assert (door.state, door.by) == ("shut", "Olga")
    kept = DoorEvent.objects.get()
    assert (kept.what, kept.detail) == ("it's 100% shut", {"by": "Olga"})
    assert kept.at is not None


def test_an_event_that_cannot_be_kept_undoes_the_move(door):
    DoorEvent.objects.create(what="shut")
    with pytest.raises(IntegrityError), transaction.atomic():
        move(door, to="shut", expected=["open"], event=DoorEvent(what="shut"))
    assert Door.objects.get().state == "open"


def test_a_guard_must_hold_too(door):
    with pytest.raises(StateConflict):
        move(door, to="shut", expected=["open"], guard={"by": "Olga"})
    move(door, to="shut", expected=["open"], guard={"by": ""}, by="Olga")
    assert Door.objects.get().by == "Olga"


@pytest.mark.django_db(transaction=True)
def test_of_two_that_move_at_once_one_wins(door):
    together = Barrier(2)

    def shut(who: str) -> bool:
        mine = Door.objects.get()
        together.wait(5)
        try:
            move(mine, to="shut", expected=["open"], by=who, event=DoorEvent(what=who))
            return True
        except StateConflict:
            return False
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        won = dict(zip(("Ada", "Bob"), pool.map(shut, ("Ada", "Bob")), strict=True))
    assert sorted(won.values()) == [False, True]
    assert won[Door.objects.get().by]
    assert DoorEvent.objects.get().what == Door.objects.get().by
