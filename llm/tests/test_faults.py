"""Every way in which a call can end badly: the error that the caller gets, and the one entry in the ledger."""

import threading

import pytest

from budget.models import LedgerEntry, Limit, Reservation
from common.errors import Frozen, Stopped
from llm import gateway
from llm.errors import ModelRejected, ModelUnavailable
from llm.scripted import ScriptedModel, say
from llm.scripted.faults import End
from ops.models import Switch

pytestmark = pytest.mark.django_db


def only_entry() -> LedgerEntry:
    return LedgerEntry.objects.get()


def charged_in_full() -> bool:
    entry = LedgerEntry.objects.select_related("reservation").get()
    held = entry.reservation
    limit = Limit.objects.get(name="daily_cost_usd")
    return (
        entry.outcome == "unknown"
        and entry.tokens == held.tokens_bound
        and entry.cost_usd == held.usd_bound == limit.used
        and limit.reserved == 0
    )


@pytest.mark.parametrize("status", [429, 500, 503, 529])
def test_a_server_in_trouble_is_to_be_tried_again_and_costs_nothing(model, ask, status):
    model.fail_next(status)
    with pytest.raises(ModelUnavailable, match=str(status)):
        ask()
    entry = only_entry()
    assert (entry.outcome, entry.tokens, entry.cost_usd) == ("failed", 0, 0)
    assert entry.request_id == model.requests[0].request_id
    assert len(model.requests) == 1
    assert ask().text == "Hello there."


def test_the_wait_that_is_asked_for_is_handed_on(model, ask):
    for asked, told in ((3, 3.0), (9999, 9999.0), (1e12, 7 * 86400.0), (None, None)):
        model.fail_next(429, retry_after=asked)
        with pytest.raises(ModelUnavailable) as failed:
            ask()
        assert failed.value.retry_after == told


@pytest.mark.parametrize(
    ("status", "says"), [(400, "refused the request"), (401, "ANTHROPIC_API_KEY"), (402, "credit"), (403, "rights")]
)
def test_what_would_be_refused_again_says_what_to_do(model, ask, status, says):
    model.fail_next(status)
    with pytest.raises(ModelRejected, match=says):
        ask()
    assert only_entry().outcome == "failed"


def test_a_wrong_key_is_refused(ask, settings):
    settings.ANTHROPIC_API_KEY = "wrong"
    with ScriptedModel(lambda request: say("no"), key="right") as strict:
        settings.ANTHROPIC_BASE_URL = strict.url
        with pytest.raises(ModelRejected, match="key was refused"):
            ask()


def test_an_unknown_model_is_named(model, ask, settings):
    settings.CLAUDE_MODEL = "gpt-9"
    with pytest.raises(ModelRejected, match="does not know the model gpt-9"):
        ask()
    entry = only_entry()
    assert (entry.outcome, entry.cost_usd) == ("failed", None)


def test_a_gateway_timeout_may_have_been_counted(model, ask):
    model.fail_next(504)
    with pytest.raises(ModelUnavailable):
        ask()
    assert charged_in_full()


@pytest.mark.parametrize("end", [End.CUT, End.CLOSED, End.ERROR])
@pytest.mark.parametrize("after", [0, 1, 4])
def test_a_stream_that_breaks_off_is_charged_in_full_and_flagged(model, ask, end, after):
    model.cut_next(after, end=end)
    with pytest.raises(ModelUnavailable, match=r"broke off|broken off"):
        ask()
    assert charged_in_full()
    assert only_entry().tokens >= sum(
        model.requests[0].usage[name] for name in ("input_tokens", "output_tokens", "cache_creation_input_tokens")
    )


def test_a_stream_that_falls_silent_is_cut(model, ask):
    model.cut_next(3, end=End.SILENT)
    with pytest.raises(ModelUnavailable, match="silent"):
        ask(silence_limit=0.2)
    assert charged_in_full()


def test_a_stream_that_never_ends_is_cut_at_the_time_limit(model, ask):
    model.script = lambda request: say("word " * 100, pause=0.1)
    with pytest.raises(ModelUnavailable, match=r"within 0\.4 s"):
        ask(time_limit=0.4)
    assert charged_in_full()


def test_stop_ends_a_stream_and_charges_it(model, ask):
    model.script = lambda request: say("word " * 200, pause=0.1)
    heard: list[str] = []
    with pytest.raises(Stopped) as stopped:
        ask(on_text=heard.append, stop=lambda: bool(heard))
    assert not isinstance(stopped.value, Frozen)
    assert charged_in_full()


def test_freezing_ends_a_stream_that_runs(model, ask, monkeypatch):
    monkeypatch.setattr(gateway, "FREEZE_CHECK_SECONDS", 0.0)
    model.script = lambda request: say("word " * 200, pause=0.1)
    with pytest.raises(Frozen):
        ask(on_text=lambda text: Switch.objects.get_or_create(name="freeze", on=True))
    assert charged_in_full()


def test_a_server_that_is_not_there_costs_nothing_and_leaves_no_entry(ask, settings):
    with ScriptedModel(lambda request: say("")) as gone:
        settings.ANTHROPIC_BASE_URL, settings.ANTHROPIC_API_KEY = gone.url, "key"
    with pytest.raises(ModelUnavailable, match="can't be reached"):
        ask()
    assert not LedgerEntry.objects.exists()
    assert Reservation.objects.get().state == Reservation.State.RELEASED
    assert Limit.objects.get(name="daily_cost_usd").reserved == 0


def test_a_listener_that_breaks_does_not_lose_the_call(model, ask):
    def broken(text: str) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        ask(on_text=broken)
    assert LedgerEntry.objects.count() == 1
    assert only_entry().outcome == "settled"


def test_connections_survive_a_failure(model, ask):
    model.cut_next(2)
    model.fail_next(529)
    for _ in range(2):
        with pytest.raises(ModelUnavailable):
            ask()
    assert [ask().text for _ in range(3)] == ["Hello there."] * 3
    outcomes = list(LedgerEntry.objects.order_by("pk").values_list("outcome", flat=True))
    assert outcomes == ["unknown", "failed", "settled", "settled", "settled"]
    assert len(model.requests) == 5


def test_no_thread_is_left_behind_by_a_closed_stand_in():
    before = threading.active_count()
    with ScriptedModel(lambda request: say("")):
        pass
    assert threading.active_count() == before
