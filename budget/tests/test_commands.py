import io
import json

import pytest
from django.core.management import call_command

from budget import services
from budget.prices import Usage
from budget.tests.test_services import reserve

pytestmark = pytest.mark.django_db


def priced(monkeypatch, *lines: str) -> list[dict[str, str]]:
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(line + "\n" for line in lines)))
    out = io.StringIO()
    call_command("price", stdout=out)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_price_answers_each_line_in_order(monkeypatch):
    usage = {"input_tokens": 1000, "output_tokens": 500, "cache_read_input_tokens": 3000}
    found = priced(
        monkeypatch,
        json.dumps({"model": "claude-sonnet-5-5", "usage": usage, "at": "2026-11-01"}),
        json.dumps({"model": "claude-sonnet-5-5", "usage": usage, "at": "2026-11-01T10:00:00Z", "batch": True}),
        json.dumps({"model": "claude-opus-4-6", "usage": {"input_tokens": 100}, "geo": "us", "speed": "fast"}),
    )
    assert [line["usd"] for line in found] == ["0.0073", "0.00365", "0.0033"]


def test_price_takes_the_utc_day_of_a_time_with_a_zone(monkeypatch):
    usage = {"cache_read_input_tokens": 1_000_000}
    times = ("2026-10-06T23:00:00-02:00", "2026-10-07T01:00:00+02:00")
    found = priced(monkeypatch, *(json.dumps({"model": "claude-sonnet-5-5", "usage": usage, "at": at}) for at in times))
    assert [line["usd"] for line in found] == ["0.1", "0.2"]


def test_price_answers_null_for_what_it_does_not_know_and_goes_on(monkeypatch):
    found = priced(
        monkeypatch, '{"model": "gpt-9", "usage": {"input_tokens": 1}}', "not json", "[]", '{"model": "demo"}'
    )
    assert [line["usd"] for line in found] == [None, None, None, "0"]


def test_spend_says_what_today_cost():
    services.settle(reservation=reserve(), usage=Usage(input_tokens=1_000_000))
    services.settle(reservation=reserve(model="gpt-9", job_ref=""), usage=Usage(input_tokens=10))
    services.charge_unknown(reservation=reserve(scope="proactive"), error="cut")
    out = io.StringIO()
    call_command("spend", "--json", stdout=out)
    spent = json.loads(out.getvalue())
    assert (spent["total"]["calls"], spent["total"]["unpriced"], spent["total"]["flagged"]) == (3, 1, 1)
    assert {row["name"]: row["calls"] for row in spent["by_job"]} == {"job:1": 2, "(none)": 1}
    assert {row["name"] for row in spent["by_scope"]} == {"reactive", "proactive"}
    assert [limit["used"] for limit in spent["limits"] if limit["unit"] == "tokens"] == ["1500.000000000000"]


def test_spend_reads_well_with_nothing_spent():
    out = io.StringIO()
    call_command("spend", stdout=out)
    assert "0.000000 USD, 0 tokens in 0 calls" in out.getvalue()
