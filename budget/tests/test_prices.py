"""Against figures that the provider has published: its price tables and the worked examples on its pricing page."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from budget import prices
from budget.models import Price
from budget.prices import Usage, bound_cost, usage_cost, usage_from_api

pytestmark = pytest.mark.django_db
DAY = date(2026, 11, 21)
MILLION = 1_000_000


def cost(model: str, at: date = DAY, **usage: object) -> Decimal | None:
    return usage_cost(model=model, usage=Usage(**usage), at=at)


@pytest.mark.parametrize(
    ("model", "at", "usage", "usd"),
    [
        # A coding session: 50,000 in and 15,000 out; then with 40,000 of them read from the cache.
        ("claude-opus-4-8", DAY, {"input_tokens": 50_000, "output_tokens": 15_000}, "0.625"),
        (
            "claude-opus-4-8",
            DAY,
            {"input_tokens": 10_000, "cache_read_tokens": 40_000, "output_tokens": 15_000},
            "0.445",
        ),
        # The tables, a million of each class.
        ("claude-sonnet-5-5", DAY, {"input_tokens": MILLION}, "2"),
        ("claude-sonnet-5-5", DAY, {"output_tokens": MILLION}, "10"),
        ("claude-sonnet-5-5", DAY, {"cache_write_5m_tokens": MILLION}, "2.5"),
        ("claude-sonnet-5-5", DAY, {"cache_write_1h_tokens": MILLION}, "4"),
        ("claude-sonnet-5-5", DAY, {"cache_read_tokens": MILLION}, "0.1"),
        ("claude-opus-5-5", DAY, {"cache_read_tokens": MILLION}, "0.2"),
        ("claude-haiku-4-5", DAY, {"input_tokens": MILLION, "output_tokens": MILLION}, "6"),
        # The price of a cache read was cut on 2026-10-07.
        ("claude-sonnet-5-5", date(2026, 10, 6), {"cache_read_tokens": MILLION}, "0.2"),
        ("claude-sonnet-5-5", date(2026, 10, 7), {"cache_read_tokens": MILLION}, "0.1"),
        # Two bands by the length of the prompt; only above the threshold, and then for every class.
        ("claude-haiku-5-5", DAY, {"input_tokens": 100_000, "output_tokens": 1_000}, "0.0105"),
        ("claude-haiku-5-5", DAY, {"input_tokens": 100_001, "output_tokens": 1_000}, "0.0525005"),
        ("claude-haiku-5-5", DAY, {"input_tokens": 1, "cache_read_tokens": 100_000}, "0.0050005"),
        ("claude-opus-4-6", date(2026, 3, 12), {"input_tokens": 200_001, "output_tokens": 10_000}, "2.37501"),
        ("claude-opus-4-6", date(2026, 3, 13), {"input_tokens": 200_001, "output_tokens": 10_000}, "1.250005"),
        ("claude-sonnet-4-5", DAY, {"input_tokens": 300_000, "output_tokens": 1_000}, "1.8225"),
        # Batch halves tokens, not searches; 1,000 searches are 10 USD.
        ("claude-sonnet-4-5", DAY, {"input_tokens": 10_000, "output_tokens": 1_000, "batch": True}, "0.0225"),
        ("claude-sonnet-4-5", DAY, {"batch": True, "web_searches": 3}, "0.03"),
        ("claude-sonnet-5-5", DAY, {"web_searches": 1_000}, "10"),
        # US inference costs a tenth more from Opus 4.6 on; older models don't know it.
        ("claude-opus-4-6", DAY, {"input_tokens": MILLION, "geo": "us"}, "5.5"),
        ("claude-opus-4-5", DAY, {"input_tokens": MILLION, "geo": "us"}, "5"),
        ("claude-opus-4-6", DAY, {"input_tokens": MILLION, "geo": "global"}, "5"),
        # Fast mode of Opus 4.6: 30 and 150, cache multipliers on top.
        ("claude-opus-4-6", DAY, {"input_tokens": MILLION, "output_tokens": MILLION, "speed": "fast"}, "180"),
        ("claude-opus-4-6", DAY, {"cache_read_tokens": MILLION, "speed": "fast"}, "3"),
        # One token of the cheapest class is not free.
        ("claude-haiku-5-5", DAY, {"cache_read_tokens": 1}, "0.00000001"),
        ("claude-haiku-4-5-20251001", DAY, {"input_tokens": MILLION}, "1"),
        ("demo", DAY, {"input_tokens": MILLION, "output_tokens": MILLION}, "0"),
    ],
)
def test_it_prices_as_published(model, at, usage, usd):
    assert cost(model, at, **usage) == Decimal(usd)


def test_what_is_not_known_is_unknown_and_never_nothing():
    assert cost("gpt-9", input_tokens=5) is None
    assert cost("claude-sonnet-5-5", date(2026, 9, 24), input_tokens=5) is None
    assert cost("claude-sonnet-5-5", input_tokens=5, speed="fast") is None


def test_cache_writes_without_a_split_are_five_minute_ones():
    usage = usage_from_api({"input_tokens": 1, "output_tokens": 2, "cache_creation_input_tokens": 30})
    assert (usage.cache_write_5m_tokens, usage.cache_write_1h_tokens) == (30, 0)


def test_the_split_of_cache_writes_is_kept():
    split = {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20}
    usage = usage_from_api({"input_tokens": 1, "cache_creation_input_tokens": 30, "cache_creation": split})
    assert (usage.cache_write_5m_tokens, usage.cache_write_1h_tokens, usage.tokens) == (10, 20, 31)


def test_nulls_in_a_usage_count_as_nothing():
    given = {"input_tokens": 7, "output_tokens": None, "cache_creation": None, "server_tool_use": None}
    assert usage_from_api(given) == Usage(input_tokens=7)


def test_what_the_provider_says_it_charged_goes_before_the_table():
    usage = usage_from_api({"input_tokens": 7, "cost": 0.0125})
    assert usage_cost(model="anthropic/claude-sonnet-5.5", usage=usage) == Decimal("0.0125")


def test_a_bound_covers_every_way_of_counting_the_same_bytes():
    for model in ("claude-sonnet-5-5", "claude-haiku-5-5", "claude-sonnet-4-5"):
        for size in (10, 99_999, 100_000, 250_000):
            bound, known = bound_cost(model=model, input_bound=size, output_bound=500)
            ways = ("input_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens", "cache_read_tokens")
            assert known
            assert all(bound >= cost(model, prices.today(), output_tokens=500, **{way: size}) for way in ways)


def test_an_unknown_model_is_held_at_the_dearest_price():
    bound, known = bound_cost(model="gpt-9", input_bound=1000, output_bound=1000)
    assert not known
    assert bound == bound_cost(model="claude-opus-4-1", input_bound=1000, output_bound=1000)[0]


def test_an_edited_price_is_seen_once_the_cache_is_dropped():
    Price.objects.create(
        model="house-model",
        valid_from=prices.today() - timedelta(days=1),
        **dict.fromkeys(("input", "output", "cache_write_5m", "cache_write_1h", "cache_read"), Decimal(3)),
    )
    prices.forget()
    assert cost("house-model", prices.today(), input_tokens=MILLION) == 3
