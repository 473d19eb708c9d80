from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from budget import services
from budget.errors import LimitReached
from budget.models import LedgerEntry, Limit, Reservation
from budget.prices import Usage, today

pytestmark = pytest.mark.django_db
COST, TOKENS = "daily_cost_usd", "proactive_daily_tokens"


def reserve(**changes: object) -> Reservation:
    given = {
        "scope": "reactive",
        "purpose": "work",
        "provider": "anthropic",
        "model": "claude-sonnet-5-5",
        "input_bound": 1000,
        "output_bound": 500,
        "job_ref": "job:1",
    }
    return services.reserve(**(given | changes))


def limit(name: str) -> Limit:
    return Limit.objects.get(name=name)


def test_a_reservation_is_held_against_every_limit_that_applies():
    reserve(scope="proactive")
    # The dearest class of input is the one-hour cache write: 1,000 at 4 USD, and 500 of output at 10, a million.
    assert limit(COST).reserved == Decimal("0.009")
    assert limit(TOKENS).reserved == 1500


def test_what_a_person_asks_for_does_not_touch_the_proactive_limit():
    reserve()
    assert limit(TOKENS).reserved == 0
    assert limit(COST).reserved > 0


def test_settling_moves_what_was_used_and_gives_back_the_rest():
    usage = Usage(input_tokens=100, output_tokens=20, cache_read_tokens=300, cache_write_5m_tokens=40)
    entry = services.settle(reservation=reserve(scope="proactive"), usage=usage, request_id="req_1", latency_ms=7)
    assert (limit(TOKENS).used, limit(TOKENS).reserved) == (460, 0)
    assert (limit(COST).used, limit(COST).reserved) == (entry.cost_usd, 0)
    assert entry.cost_usd == Decimal("0.00053")
    entry.refresh_from_db()
    assert (entry.tokens, entry.outcome, entry.job_ref, entry.request_id) == (460, "settled", "job:1", "req_1")


def test_it_refuses_what_does_not_fit_and_holds_nothing(settings):
    settings.DAILY_COST_LIMIT_USD = 0.01
    reserve()
    with pytest.raises(LimitReached, match=r"daily_cost_usd of 0\.0100 USD .* 0\.0010 USD left") as refused:
        reserve()
    assert refused.value.limit_name == COST
    assert refused.value.resets_at.date() == today() + timedelta(days=1)
    assert Reservation.objects.count() == 1


def test_the_amount_of_a_row_goes_before_the_setting(settings):
    settings.PROACTIVE_DAILY_TOKEN_LIMIT = 10
    Limit.objects.filter(name=TOKENS).update(amount=1500)
    reserve(scope="proactive")
    with pytest.raises(LimitReached, match="proactive_daily_tokens of 1,500 tokens"):
        reserve(scope="proactive", output_bound=1)


def test_a_limit_that_is_off_holds_nothing_up_and_goes_on_counting(settings):
    settings.DAILY_COST_LIMIT_USD = 0
    Limit.objects.filter(name=COST).update(enabled=False)
    services.settle(reservation=reserve(), usage=Usage(input_tokens=1_000_000))
    assert limit(COST).used == 2


def test_a_new_day_begins_with_nothing_used(settings):
    settings.DAILY_COST_LIMIT_USD = 0.01
    Limit.objects.update(day=today() - timedelta(days=1), used=5, reserved=3)
    reserve()
    assert (limit(COST).day, limit(COST).used, limit(COST).reserved) == (today(), 0, Decimal("0.009"))


def test_a_call_that_ends_after_midnight_leaves_the_new_day_alone():
    held = reserve()
    Reservation.objects.update(day=today() - timedelta(days=1))
    entry = services.settle(reservation=held, usage=Usage(input_tokens=5))
    assert entry.day == today() - timedelta(days=1)
    assert limit(COST).used == 0


def test_settling_twice_leaves_one_entry_and_charges_once():
    held = reserve()
    first = services.settle(reservation=held, usage=Usage(input_tokens=100))
    second = services.settle(reservation=held, usage=Usage(input_tokens=900))
    assert (first.pk, second.input_tokens) == (second.pk, 100)
    assert limit(COST).used == first.cost_usd


def test_a_call_of_unknown_end_is_charged_in_full_and_flagged():
    entry = services.charge_unknown(reservation=reserve(scope="proactive"), error="cut")
    assert (entry.outcome, entry.input_tokens, entry.output_tokens) == ("unknown", 1000, 500)
    assert (limit(TOKENS).used, limit(COST).used) == (1500, entry.cost_usd)
    assert entry.cost_usd == Decimal("0.009")


def test_a_released_call_leaves_no_trace_in_the_limits_or_the_ledger():
    held = reserve(scope="proactive")
    assert services.release(reservation_id=held.pk)
    assert not services.release(reservation_id=held.pk)
    assert (limit(TOKENS).reserved, limit(TOKENS).used, limit(COST).reserved) == (0, 0, 0)
    assert not LedgerEntry.objects.exists()


def test_an_unknown_model_has_no_cost_and_still_uses_up_the_limit():
    entry = services.settle(reservation=reserve(model="gpt-9"), usage=Usage(input_tokens=1_000_000))
    assert entry.cost_usd is None
    assert limit(COST).used >= 15


def test_the_model_that_answered_is_in_the_ledger_and_an_alias_is_priced_as_what_was_asked():
    entry = services.settle(reservation=reserve(), usage=Usage(input_tokens=1_000_000), model="sonnet-latest")
    assert (entry.model, entry.cost_usd) == ("sonnet-latest", 2)


def test_a_free_model_passes_a_limit_that_is_reached(settings):
    settings.DAILY_COST_LIMIT_USD = 0
    assert reserve(model="demo").usd_bound == 0


def test_a_limit_made_while_a_call_is_open_does_not_lose_what_it_never_held():
    held = reserve()
    Limit.objects.create(name="tight", unit="usd", amount=1, day=today(), reserved=Decimal("0.5"))
    services.settle(reservation=held, usage=Usage(input_tokens=1))
    assert limit("tight").reserved == Decimal("0.5")


def test_mark_sent_stamps_an_open_reservation():
    held = reserve(sent=False)
    assert held.sent_at is None
    assert services.mark_sent(reservation_id=held.pk)
    assert Reservation.objects.get().sent_at <= timezone.now()
