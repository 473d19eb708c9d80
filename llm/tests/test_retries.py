"""How long is waited before the next try, and when it is given up."""

import pytest

from llm.errors import Cause, ModelUnavailable
from llm.retries import LONGEST_SERIES, LONGEST_WAIT, TRIES, GivenUp, wait_before_next


def fault(cause: Cause = Cause.OVERLOADED, **changes: object) -> ModelUnavailable:
    return ModelUnavailable("The model is overloaded.", cause=cause, **changes)


@pytest.mark.parametrize("cause", list(Cause))
def test_each_cause_has_a_number_of_tries(cause):
    last = TRIES[cause]
    assert wait_before_next(fault(cause), failures={cause: last - 1}, lasting=0.0) > 0
    with pytest.raises(GivenUp, match=f"I tried {last} times"):
        wait_before_next(fault(cause), failures={cause: last}, lasting=0.0)


def test_other_causes_do_not_count():
    assert wait_before_next(fault(), failures={Cause.CUT: 100, Cause.OVERLOADED: 1}, lasting=0.0) > 0


def test_the_waits_have_full_jitter_and_a_cap():
    waits = [wait_before_next(fault(), failures={Cause.OVERLOADED: 15}, lasting=0.0) for _ in range(300)]
    assert max(waits) <= 20.5
    assert max(waits) - min(waits) > 10


@pytest.mark.parametrize("asked", [0.0, 3.0, LONGEST_WAIT])
def test_what_the_provider_asks_for_is_obeyed(asked):
    wait = wait_before_next(fault(retry_after=asked), failures={Cause.OVERLOADED: 1}, lasting=0.0)
    assert asked <= wait <= asked + 1.0


def test_a_pause_beyond_all_measure_is_not_waited_for():
    with pytest.raises(GivenUp, match="asks for a pause of 300 minutes, and I wait for 30 minutes at most"):
        wait_before_next(fault(retry_after=5 * 3600), failures={Cause.OVERLOADED: 1}, lasting=0.0)


def test_a_row_of_failures_has_an_end_whatever_the_causes():
    with pytest.raises(GivenUp, match="tried for 60 minutes"):
        wait_before_next(fault(), failures={Cause.OVERLOADED: 2}, lasting=LONGEST_SERIES)
