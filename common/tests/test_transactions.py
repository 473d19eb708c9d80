"""Services that call each other share one transaction."""

import pytest
from django.contrib.auth.models import Group
from django.db import connection, transaction

from common.transactions import joined


@joined
def group_make(name: str, *, then: Exception | None = None) -> Group:
    """Make a group."""
    group = Group.objects.create(name=name)
    if then is not None:
        raise then
    return group


@joined
def two_make(*, then: Exception | None = None) -> None:
    group_make("one")
    group_make("two", then=then)


def names() -> list[str]:
    return list(Group.objects.order_by("name").values_list("name", flat=True))


def test_it_keeps_the_services_name_and_words():
    assert (group_make.__name__, group_make.__doc__) == ("group_make", "Make a group.")


@pytest.mark.django_db
def test_within_a_transaction_it_makes_no_savepoint(django_assert_num_queries):
    with django_assert_num_queries(2):
        two_make()


@pytest.mark.django_db(transaction=True)
def test_alone_it_has_a_transaction_of_its_own():
    assert not connection.in_atomic_block
    assert group_make("one").name == "one"
    with pytest.raises(LookupError):
        group_make("two", then=LookupError())
    assert names() == ["one"]
    assert not connection.in_atomic_block


@pytest.mark.django_db(transaction=True)
def test_an_error_of_an_inner_service_undoes_the_outer_one():
    with pytest.raises(LookupError):
        two_make(then=LookupError())
    assert names() == []


@pytest.mark.django_db(transaction=True)
def test_an_error_undoes_what_the_caller_had_done_in_the_same_transaction():
    with pytest.raises(LookupError), transaction.atomic():  # noqa: PT012
        Group.objects.create(name="mine")
        group_make("one", then=LookupError())
    assert names() == []


@pytest.mark.django_db(transaction=True)
def test_who_goes_on_after_an_error_makes_the_savepoint():
    with transaction.atomic():
        Group.objects.create(name="mine")
        with pytest.raises(LookupError), transaction.atomic():
            group_make("one", then=LookupError())
    assert names() == ["mine"]
