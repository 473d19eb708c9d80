import importlib
from collections.abc import Iterator

import pytest
from django.apps import apps

from budget import prices


@pytest.fixture(autouse=True)
def _seeded(request) -> Iterator[None]:
    """The prices and limits of the migration: a test that commits may have emptied the tables before."""
    prices.forget()
    if request.node.get_closest_marker("django_db") and "committed" not in request.fixturenames:
        request.getfixturevalue("db")
        importlib.import_module("budget.migrations.0002_seed_prices_and_limits").seed(apps, None)
    yield
    prices.forget()
