"""What a call costs: the provider's usage against the price that was valid on the day.

Rules: the "rules" of data/claude_prices.json. Amounts are exact decimals, never rounded here: a token of the cheapest
model is a ten-millionth of a dollar, and a rounded one would be free.
"""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from budget.models import Price

MILLION = Decimal(1_000_000)
WEB_SEARCH_USD = Decimal("0.01")  # 10 USD per 1,000, on top of tokens, not discounted in batches
BATCH_FACTOR = Decimal("0.5")
CACHE_SECONDS = 30.0
DATED = re.compile(r"-20\d{6}$")

_known: tuple[float, dict[str, list[Price]]] = (0.0, {})


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What the provider counted for one request; `input_tokens` are those neither written to nor read from a cache."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    cache_read_tokens: int = 0
    web_searches: int = 0
    batch: bool = False
    geo: str = ""
    speed: str = ""
    reported_usd: Decimal | None = None  # OpenRouter states what it charged

    @property
    def prompt_tokens(self) -> int:
        """All input of the request, the measure of the price bands."""
        return self.input_tokens + self.cache_write_5m_tokens + self.cache_write_1h_tokens + self.cache_read_tokens

    @property
    def tokens(self) -> int:
        """Counted tokens: input, output, cache write and cache read."""
        return self.prompt_tokens + self.output_tokens


def usage_from_api(
    usage: Mapping[str, Any], *, batch: bool = False, geo: str | None = None, speed: str | None = None
) -> Usage:
    """The Messages API's `usage` object as a value; what the caller states goes before what the object says.

    Cache writes that the 5m/1h split leaves out (or all, when there is none) count as 5m.
    """
    split = usage.get("cache_creation") or {}
    hour = int(split.get("ephemeral_1h_input_tokens") or 0)
    written = int(usage.get("cache_creation_input_tokens") or 0)
    five = max(written - hour, int(split.get("ephemeral_5m_input_tokens") or 0))
    reported = usage.get("cost")
    return Usage(
        input_tokens=int(usage.get("input_tokens") or 0),
        output_tokens=int(usage.get("output_tokens") or 0),
        cache_write_5m_tokens=five,
        cache_write_1h_tokens=hour,
        cache_read_tokens=int(usage.get("cache_read_input_tokens") or 0),
        web_searches=int((usage.get("server_tool_use") or {}).get("web_search_requests") or 0),
        batch=batch or usage.get("service_tier") == "batch",
        geo=str(geo if geo is not None else usage.get("inference_geo") or ""),
        speed=str(speed if speed is not None else usage.get("speed") or ""),
        reported_usd=None if reported is None else Decimal(str(reported)),
    )


def usage_cost(*, model: str, usage: Usage, at: date | None = None) -> Decimal | None:
    """USD of one request, exact; None when the model, the day or the speed has no known price (never 0 for unknown)."""
    if usage.reported_usd is not None:
        return usage.reported_usd
    price = price_at(model, at or today())
    return None if price is None else _cost(price, usage)


def bound_cost(*, model: str, input_bound: int, output_bound: int) -> tuple[Decimal, bool]:
    """The most that a request of these bounds can cost in USD, and whether the model's price is known.

    An unknown model is held at the dearest known price, so that a limit in USD holds for it too.
    """
    price = price_at(model, today())
    if price is not None:
        return _bound(price, input_bound, output_bound), True
    current = [card for card in map(_latest, _cards().values()) if card is not None]
    return max((_bound(card, input_bound, output_bound) for card in current), default=Decimal(0)), False


def price_at(model: str, day: date) -> Price | None:
    """The card of `model` that is valid on `day`. A dated id (…-20251001) has its model's price."""
    cards = _cards()
    for name in (model, DATED.sub("", model)):
        for card in cards.get(name, []):
            if card.valid_from <= day and (card.valid_to is None or day <= card.valid_to):
                return card
    return None


def today() -> date:
    """The UTC day: limits and prices change at midnight UTC."""
    return datetime.now(UTC).date()


def forget() -> None:
    """Drops the cached prices; an edit in the admin is otherwise seen within 30 s."""
    global _known
    _known = (0.0, {})


def _cards() -> dict[str, list[Price]]:
    global _known
    loaded_at, cards = _known
    if not cards or time.monotonic() - loaded_at > CACHE_SECONDS:
        cards = {}
        for card in Price.objects.order_by("model", "-valid_from"):
            cards.setdefault(card.model, []).append(card)
        _known = (time.monotonic(), cards)
    return cards


def _latest(cards: list[Price]) -> Price | None:
    return next((card for card in cards if card.valid_from <= today()), None)


def _cost(price: Price, usage: Usage) -> Decimal | None:
    factor = _factor(price, usage)
    if factor is None:
        return None
    above = price.threshold_input_tokens is not None and usage.prompt_tokens > price.threshold_input_tokens
    suffix = "_above" if above else ""
    tokens = {
        "input": usage.input_tokens,
        "output": usage.output_tokens,
        "cache_write_5m": usage.cache_write_5m_tokens,
        "cache_write_1h": usage.cache_write_1h_tokens,
        "cache_read": usage.cache_read_tokens,
    }
    total = sum((count * getattr(price, name + suffix) for name, count in tokens.items()), Decimal(0))
    return total * factor / MILLION + usage.web_searches * WEB_SEARCH_USD


def _factor(price: Price, usage: Usage) -> Decimal | None:
    factor = BATCH_FACTOR if usage.batch else Decimal(1)
    if usage.geo.lower() == "us":
        factor *= price.geo_us_factor
    if usage.speed == "fast":
        return None if price.fast_factor is None else factor * price.fast_factor
    return factor


def _bound(price: Price, input_bound: int, output_bound: int) -> Decimal:
    above = price.threshold_input_tokens is not None and input_bound > price.threshold_input_tokens
    suffix = "_above" if above else ""
    # Which part of the input is written to a cache is the provider's to say: all of it, at the dearest class.
    dearest: Decimal = max(getattr(price, name + suffix) for name in ("input", "cache_write_5m", "cache_write_1h"))
    output: Decimal = getattr(price, "output" + suffix)
    return (input_bound * dearest + output_bound * output) / MILLION
