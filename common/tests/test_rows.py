"""Rows written in one round trip."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.contrib.auth.models import Group
from django.db import DataError, IntegrityError, connection, transaction

from common.rows import insert_new, insert_where

pytestmark = pytest.mark.django_db


def test_a_new_row_gets_its_key(django_assert_num_queries):
    group = Group(name="it's 100% new")
    with django_assert_num_queries(1):
        assert insert_new(group)
    assert Group.objects.get() == group
    assert Group.objects.get().name == "it's 100% new"


def test_an_inserted_row_can_be_saved_again():
    group = Group(name="one")
    insert_new(group)
    group.name = "two"
    group.save()
    assert Group.objects.get().name == "two"


def test_what_is_there_already_stays_as_it_is():
    Group.objects.create(name="one")
    again = Group(name="one")
    assert not insert_new(again)
    assert again.pk is None
    assert Group.objects.count() == 1


def test_a_conflict_does_not_break_the_transaction_around_it():
    with transaction.atomic():
        insert_new(Group(name="one"))
        insert_new(Group(name="one"))
        insert_new(Group(name="two"))
    assert Group.objects.count() == 2


def test_what_is_too_long_is_refused_and_not_cut():
    with pytest.raises(DataError), transaction.atomic():
        insert_new(Group(name="x" * 151))
    with pytest.raises(DataError), transaction.atomic():
        insert_where(Group(name="x" * 151), "SELECT 1", [])
    assert not Group.objects.exists()


def test_only_a_unique_constraint_is_passed_over():
    with pytest.raises(IntegrityError), transaction.atomic():
        insert_new(Group(name=None))


@pytest.mark.parametrize(("key", "made"), [("one", True), ("two", False)])
def test_a_row_is_inserted_where_a_query_finds_something(key, made, django_assert_num_queries):
    Group.objects.create(name="one")
    new = Group(name="new")
    with django_assert_num_queries(1):
        assert insert_where(new, "SELECT 1 FROM auth_group WHERE name = %s", [key]) is made
    assert Group.objects.filter(name="new").exists() is made
    assert (new.pk is not None) is made


@pytest.mark.django_db(transaction=True)
def test_of_two_that_insert_the_same_row_at_once_one_makes_it():
    together = Barrier(2)

    def insert(_: int) -> bool:
        together.wait(5)
        try:
            return insert_new(Group(name="one"))
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(insert, range(2))) == [False, True]
    assert Group.objects.count() == 1
