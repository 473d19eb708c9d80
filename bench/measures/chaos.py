"""Whether anything is lost, doubled or left in silence, whatever dies: the whole product in a storm of faults.

Many people write and approve, while processes are killed (the supervisor and PostgreSQL included) or stopped beyond
their lease, Telegram answers 429, 5xx or not at all, and the model does the same or breaks off. Then it is left alone
until all is answered, and everything is counted: by the stand-ins and a file, beside the product's own rows.
"""

import argparse
import time
from contextlib import ExitStack
from pathlib import Path

from agent_site.trial import Trial
from bench.support.crowded import CrowdSide
from bench.support.figures import Report
from bench.support.instance import complaints, configured, connect, people
from bench.support.reckoning import After, reckon
from bench.support.storm import Storm
from bench.support.unsteady import Unsteady

PATIENCE_SECONDS = 90.0
PEERS = (
    "three popular chat agents never answered 11, 12 and 80 of 100 messages after one kill -9 in mid-run; one lost all "
    "that was sent while it was down, two lose pending approvals, all three an answer that meets an outage of 20 s"
)
POLICIES = """
from django.db import transaction
from threads.services import thread_find_or_open
with transaction.atomic():
    for chat in range({first}, {first} + {chats}):
        thread = thread_find_or_open(channel="telegram", address=str(chat), kind="private")
        thread.policy = "every_job" if chat % 2 else "risky"
        thread.save(update_fields=["policy"])
"""
# Calls whose process was killed are charged by the sweep once they have expired; that is not waited for.
LAPSE = """
from budget.models import Reservation
from budget.tasks import sweep
from django.utils import timezone
Reservation.objects.filter(state="open").update(expires_at=timezone.now())
sweep()
"""


def main() -> int:
    given = arguments()
    report = Report(f"Chaos, seed {given.seed}: {given.kills} kills, {given.messages} messages, {given.chats} chats")
    with ExitStack() as stack:
        telegram = stack.enter_context(CrowdSide())
        model = stack.enter_context(Unsteady())
        trial = Trial(TELEGRAM_RATE_LIMITS="off")
        chats = people(given.chats)
        configured(trial, telegram=telegram, model_url=model.url, masters=chats, webhook=not given.polling)
        stack.enter_context(trial)
        for chat in chats:
            telegram.call("open_chat", chat_id=chat)
        managed(trial, POLICIES.format(first=chats[0], chats=len(chats)))
        storm = Storm(trial, telegram, model, seed=given.seed, stops=given.stops, tell=given.tell)
        blow(report, storm, telegram, given, chats)
        waiting = left_alone(report, storm, telegram)
        report.must("PostgreSQL runs without anybody's help", storm.population.postmaster() is not None)
        managed(trial, LAPSE)
        verdict(report, storm, telegram, model, waiting, given)
        keep(report, trial, given.keep)
    return report.end()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench/chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of all that is drawn; only the timing is not repeated")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--messages", type=int, default=500)
    parser.add_argument("--chats", type=int, default=24)
    parser.add_argument("--pause", type=float, default=2.5, help="seconds between two kills, in the mean")
    parser.add_argument("--polling", action="store_true", help="long polling in place of the webhook")
    parser.add_argument("--short", action="store_true", help="20 kills, 60 messages: under a minute")
    parser.add_argument("--stops", type=float, default=0.08, help="how many kills have a stopped process beside them")
    parser.add_argument("--times-told", action="store_true", help="times are printed, not held: for a busy machine")
    parser.add_argument("--tell", action="store_true", help="tells each deed as it is done")
    parser.add_argument("--keep", type=Path, help="writes the product's log to this file")
    given = parser.parse_args()
    if given.short:
        given.kills, given.messages, given.chats, given.pause = 20, 60, 12, 1.0
    return given


def managed(trial: Trial, code: str) -> None:
    """Runs code in the product's shell. Raises RuntimeError with what it printed."""
    done = trial.manage("shell", "-c", code)
    if done.returncode:
        raise RuntimeError(f"It could not be prepared: {done.stderr[-2000:]}")


def blow(report: Report, storm: Storm, telegram: CrowdSide, given: argparse.Namespace, chats: list[int]) -> None:
    """The storm, until as many were killed and as much was said as was asked for."""
    began = time.monotonic()
    seconds = 1.2 * given.kills * given.pause  # a little more than the kills take, so that each has messages after it
    telegram.bench("crowd", chats=chats, messages=given.messages, seconds=seconds, seed=given.seed)
    time.sleep(1.0)
    while len(storm.kills) < given.kills:
        storm.blow()
        time.sleep(storm.random.uniform(0.2, 1.8) * given.pause)
    storm.calm()
    report.say(f"The storm lasted {time.monotonic() - began:.0f} s.")
    for told in storm.told():
        report.say(f"  {told}")


def left_alone(report: Report, storm: Storm, telegram: CrowdSide) -> list[str]:
    """Waits until everything said is answered; what is not, when the patience is over."""
    began = time.monotonic()
    answer = telegram.bench("crowd_told")
    while not answer["done"] and time.monotonic() - began < PATIENCE_SECONDS:
        time.sleep(0.2)
        storm.wake_due()
        answer = telegram.bench("crowd_told")
    storm.wake_due(all_of_them=True)
    time.sleep(3.0)  # whatever is sent twice, or written too late, has come by then
    report.say(f"Left alone for {time.monotonic() - began:.0f} s; {answer['spoken']} messages had been said.\n")
    waiting: list[str] = answer["waiting"]
    return waiting


def verdict(
    report: Report, storm: Storm, telegram: CrowdSide, model: Unsteady, waiting: list[str], given: argparse.Namespace
) -> None:
    report.at_least("kills done", len(storm.kills), given.kills, "")
    with connect(storm.trial) as database:
        after = After(
            report=report,
            database=database,
            crowd=telegram.bench("crowd_record"),
            waiting=waiting,
            calls=model.calls(),
            workspace=Path(storm.trial.environment["DATA_DIR"], "workspace"),
            storm=storm,
            times_held=not given.times_told,
            tell=given.tell,
        )
        report.at_least("messages said", len(after.crowd["said"]), given.messages, "")
        reckon(after)
    report.say(f"\n{PEERS}")


def keep(report: Report, trial: Trial, path: Path | None) -> None:
    """The log, where it was asked for; its last complaints, where a limit was missed."""
    if path is not None:
        path.write_bytes(trial.log.read_bytes())
    if report.code:
        for line in complaints(trial, most=8):
            report.say(f"          log: {line}")
