"""What grows that should not, while people write steadily: memory, connections, files, rows, the log."""

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager

from bench.measures.chaos import POLICIES, managed
from bench.support.crowded import CrowdSide
from bench.support.figures import Report
from bench.support.growth import ROWS, Look, by_process, growth, look
from bench.support.instance import Instance, configured, connect, people
from bench.support.unsteady import Unsteady

LOOKS = 30
PATIENCE_SECONDS = 60.0
CHATS = 20
MEMORY_MB, MEMORY_MB_AN_HOUR = 20.0, 4.0
ROWS_MORE, CONNECTIONS_MORE, FILES_MORE, TEMPORARY_MORE = 10, 3, 12, 2
LOG_MB_AN_HOUR = 1.0
PEERS = "no figures of peers: none of them was measured for so long"


def main() -> int:
    given = arguments()
    seconds = 60 * (given.minutes or 60 * given.hours)
    report = Report(f"Soak: {seconds / 3600:.2f} h, {given.rate:g} messages a minute in {CHATS} chats")
    report.say(f"The first third warms up; growth is from the middle third to the last one. {PEERS}.\n")
    with populated() as it:
        messages = max(1, int(seconds * given.rate / 60))
        it.telegram.bench("crowd", chats=people(CHATS), messages=messages, seconds=seconds, seed=1)
        looks = watched(it, seconds, report)
        answer = it.telegram.until("crowd_told", timeout=PATIENCE_SECONDS)
        report.at_most("messages unanswered", len(answer["waiting"]), 0, "")
        verdict(report, looks, seconds / 3600)
    return report.end()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench/soak", description=__doc__)
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--minutes", type=float, help="in place of hours, for a try")
    parser.add_argument("--rate", type=float, default=30.0, help="messages a minute")
    return parser.parse_args()


class SoakInstance(Instance):
    """An instance whose people write by themselves."""

    telegram: CrowdSide


@contextmanager
def populated() -> Iterator[SoakInstance]:
    with CrowdSide() as telegram, Unsteady() as model:
        it = SoakInstance(masters=people(CHATS), model_url=model.url)
        configured(it.trial, telegram=telegram, model_url=model.url, masters=people(CHATS), webhook=True)
        it.telegram = telegram
        for chat in people(CHATS):
            telegram.call("open_chat", chat_id=chat)
        with it.trial, connect(it.trial) as it.database:
            managed(it.trial, POLICIES.format(first=people(1)[0], chats=CHATS))
            yield it


def watched(it: SoakInstance, seconds: float, report: Report) -> list[Look]:
    """A look at equal times; the last one stands behind the last message."""
    looks, began = [], time.monotonic()
    for number in range(1, LOOKS + 1):
        time.sleep(max(0.0, began + number * seconds / LOOKS - time.monotonic()))
        looks.append(look(it))
        told = looks[-1].figures
        report.say(
            f"  {(looks[-1].at - began) / 60:6.1f} min  {told['PSS of all processes, MB']:6.1f} MB  "
            f"{told['connections to PostgreSQL']:.0f} connections  {told['open files']:.0f} files  "
            f"{told['queued packages']:.0f} queued  log {told['log, MB']:.2f} MB"
        )
    return looks


def verdict(report: Report, looks: list[Look], hours: float) -> None:
    report.say("\n  process (PSS after the warm-up, at the end)")
    for name, (before, after) in sorted(by_process(looks).items()):
        report.say(f"          {name:<28} {before:>8.1f} {after:>8.1f} MB")
    report.say()
    limits: dict[str, float] = dict.fromkeys(ROWS, ROWS_MORE) | {
        "connections to PostgreSQL": CONNECTIONS_MORE,
        "open files": FILES_MORE,
        "processes": 0,
        "temporary files": TEMPORARY_MORE,
        # The third of the time that lies between the middles of the two thirds.
        "PSS of all processes, MB": MEMORY_MB + MEMORY_MB_AN_HOUR * hours / 3,
    }
    for name, limit in limits.items():
        found = growth(looks, name)
        report.at_most(f"growth: {name}", round(found.grown, 1), limit, "")
        report.say(f"          {found.middle:.1f} to {found.last:.1f}, by {found.an_hour:+.1f} an hour")
    report.at_most("growth of the log an hour", growth(looks, "log, MB").an_hour, LOG_MB_AN_HOUR, "MB")
