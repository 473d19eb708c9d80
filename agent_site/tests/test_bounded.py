import threading

import pytest
from django.db import connection

from agent_site.bounded import Bounded, TooLate

PATIENCE = 10


def fail():
    raise ValueError("a bug")


@pytest.fixture
def patient():
    return Bounded()


@pytest.fixture(autouse=True)
def _no_transaction(transactional_db):
    """A transaction would keep the work on this thread."""


def test_what_is_done_in_time_is_answered(patient):
    assert patient.call(lambda: 1 + 1, seconds=PATIENCE) == 2
    assert patient.call(threading.get_ident, seconds=PATIENCE) != threading.get_ident()


def test_its_errors_are_the_callers(patient):
    with pytest.raises(ValueError, match="a bug"):
        patient.call(fail, seconds=PATIENCE)
    assert patient.call(lambda: "well", seconds=PATIENCE) == "well"


def test_what_hangs_makes_nobody_wait(patient):
    go_on, done = threading.Event(), threading.Event()
    with pytest.raises(TooLate):
        patient.call(go_on.wait, seconds=0.05)
    with pytest.raises(TooLate):  # at once, however much patience the next one has
        patient.call(done.set, seconds=1000)
    go_on.set()
    while patient._late.is_set():
        threading.Event().wait(0.01)
    patient.call(done.set, seconds=PATIENCE)
    assert done.is_set()


def test_inside_a_transaction_it_is_done_by_the_caller(patient, settings):
    from django.db import transaction

    with transaction.atomic():
        assert connection.in_atomic_block
        assert patient.call(threading.get_ident, seconds=PATIENCE) == threading.get_ident()
