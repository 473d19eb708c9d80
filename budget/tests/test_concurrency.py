"""Both sides of the race for the last of a limit, on real connections. Cleaned up by hand: a flush takes the seeds."""

import importlib
import threading
from collections.abc import Callable, Iterator

import pytest
from django.apps import apps
from django.db import connection

from budget import services
from budget.errors import LimitReached
from budget.models import LedgerEntry, Limit, Reservation
from budget.prices import Usage
from budget.tests.test_services import reserve

TOKENS = "proactive_daily_tokens"


pytestmark = pytest.mark.django_db


@pytest.fixture
def committed(db) -> Iterator[None]:
    """Rows that other connections see, made and taken away by a thread of their own."""
    in_threads(seed, 1)
    yield
    in_threads(clean, 1)


def seed() -> None:
    importlib.import_module("budget.migrations.0002_seed_prices_and_limits").seed(apps, None)


def clean() -> None:
    LedgerEntry.objects.all().delete()
    Reservation.objects.all().delete()
    Limit.objects.update(used=0, reserved=0)


def in_threads(work: Callable[[], None], count: int) -> None:
    begin = threading.Barrier(count)
    failures: list[BaseException] = []

    def run() -> None:
        try:
            begin.wait(10)
            work()
        except BaseException as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failures


def test_callers_at_the_same_time_never_reserve_more_than_the_limit(committed, settings):
    settings.PROACTIVE_DAILY_TOKEN_LIMIT = 20 * 1500 + 700
    got: list[int] = []

    def grab() -> None:
        for _ in range(10):
            try:
                got.append(reserve(scope="proactive").pk)
            except LimitReached:
                continue

    in_threads(grab, 8)
    limit = Limit.objects.get(name=TOKENS)
    assert len(got) == 20
    assert (limit.reserved, limit.used) == (20 * 1500, 0)


def test_callers_that_also_settle_neither_overshoot_nor_lose_a_token(committed, settings):
    settings.PROACTIVE_DAILY_TOKEN_LIMIT = 60_000
    highest: list[int] = []

    def grab_and_settle() -> None:
        for turn in range(15):
            try:
                held = reserve(scope="proactive" if turn % 3 else "reactive")
            except LimitReached:
                continue
            limit = Limit.objects.get(name=TOKENS)
            highest.append(limit.used + limit.reserved)
            services.settle(reservation=held, usage=Usage(input_tokens=900, output_tokens=400))

    in_threads(grab_and_settle, 6)
    limit = Limit.objects.get(name=TOKENS)
    spent = sum(entry.tokens for entry in LedgerEntry.objects.filter(scope="proactive"))
    assert (limit.used, limit.reserved) == (spent, 0)
    assert max(highest) <= 60_000
    assert Limit.objects.get(name="daily_cost_usd").reserved == 0
