from common import backoff


def test_it_stays_between_zero_and_the_growing_bound():
    for attempt in range(12):
        assert 0 <= backoff.delay(attempt, base=0.2, cap=20) <= min(20, 0.2 * 2**attempt)


def test_it_stands_a_very_large_attempt_number():
    assert backoff.delay(10_000) <= 20
