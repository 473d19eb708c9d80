"""Pause and freeze: rows that work when every worker is busy, each turn on record."""

import pytest

from ops.models import AuditEvent, Switch
from ops.selectors import switches
from ops.switches import is_on, switch_set

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("name", Switch.Name.values)
def test_a_switch_that_was_never_turned_is_off(name):
    assert not is_on(name)
    assert not switches()[name].on


def test_a_switch_stays_as_it_was_turned():
    switch_set(name="freeze", on=True, actor="person:1", reason="holidays")
    assert is_on("freeze")
    assert not is_on("pause")
    switch_set(name="freeze", on=False, actor="person:2")
    assert not is_on("freeze")


def test_turning_it_again_keeps_one_row_with_the_last_word():
    for reason in ("first", "second"):
        switch_set(name="pause", on=True, actor="person:1", reason=reason)
    row = Switch.objects.get()
    assert (row.on, row.reason, row.changed_by) == (True, "second", "person:1")
    assert switches()["pause"] == row


def test_each_turn_is_on_record():
    switch_set(name="freeze", on=True, actor="person:1", reason="holidays")
    switch_set(name="freeze", on=False, actor="user:2")
    assert list(AuditEvent.objects.order_by("pk").values_list("actor", "action", "detail")) == [
        ("person:1", "freeze on", {"reason": "holidays"}),
        ("user:2", "freeze off", {"reason": ""}),
    ]


def test_a_long_reason_is_cut_in_the_row_and_whole_on_record():
    assert switch_set(name="freeze", on=True, actor="person:1", reason="x" * 500).reason == "x" * 200
    assert AuditEvent.objects.get().detail == {"reason": "x" * 500}


def test_there_are_no_other_switches():
    with pytest.raises(ValueError, match="turbo"):
        switch_set(name="turbo", on=True, actor="person:1")
    assert not Switch.objects.exists()
