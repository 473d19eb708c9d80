"""Two sets of processes with different HOST_IDs against one PostgreSQL: what the second one adds, and that nothing is
lost or done twice when one of them is switched off in the middle.

The answers of the model take a while each, so that workers are what is short and not the cores of this machine.
"""

import argparse
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg

from agent_site.trial import Trial
from bench.measures.chaos import LAPSE, POLICIES, left_alone, managed
from bench.support.crowded import CrowdSide
from bench.support.figures import Report
from bench.support.hosts import common_settings, kill_all, shared_database
from bench.support.instance import configured, connect_to, people
from bench.support.reckoning import After, reckon
from bench.support.storm import Kill, Storm
from bench.support.unsteady import Unsteady

PAUSE_SECONDS = 0.25
LAPSE_SECONDS = 35.0
"""The leases of another host must lapse (20 s) and be found so (10 s) before anybody takes them over."""
BY_HOST = "SELECT host, count(*) FROM tools_toolexecution GROUP BY host ORDER BY host"
BEATING = """
SELECT host, count(*) FROM ops_heartbeat WHERE alive_at > now() - interval '12 s' GROUP BY host ORDER BY host
"""


def main() -> int:
    given = arguments()
    report = Report(f"Scale-out: two sets of processes, {given.messages} messages at a time, {given.chats} chats")
    with ExitStack() as stack:
        telegram, model = stack.enter_context(CrowdSide()), stack.enter_context(Unsteady())
        folder = stack.enter_context(shared_database())
        chats = people(3 * given.chats)
        shared = common_settings(folder)
        first, second = (Trial(HOST_ID=name, **shared) for name in ("first", "second"))
        for trial in (first, second):
            configured(trial, telegram=telegram, model_url=model.url, masters=chats, webhook=True)
            trial.environment["PUBLIC_URL"] = second.url  # as behind a proxy: where updates arrive is one address
        for chat in chats:
            telegram.call("open_chat", chat_id=chat)
        if given.short:
            stack.enter_context(first)  # it sends then, and the other one must take that over
        stack.enter_context(second)
        managed(second, POLICIES.format(first=chats[0], chats=len(chats)))
        database = stack.enter_context(connect_to(folder))
        model.order(slow=PAUSE_SECONDS)
        groups = [chats[start : start + given.chats] for start in range(0, len(chats), given.chats)]
        alone = 0.0 if given.short else answered_a_second(telegram, given, groups[0], seed=1)
        if not given.short:
            stack.enter_context(first)
            compare(report, alone, answered_a_second(telegram, given, groups[1], seed=2))
        switched_off(report, first, second, telegram, model, database, folder, given, groups[2])
    return report.end()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench/scale_out", description=__doc__)
    parser.add_argument("--messages", type=int, default=60)
    parser.add_argument("--chats", type=int, default=30)
    parser.add_argument("--short", action="store_true", help="no throughput, 24 messages: under a minute")
    parser.add_argument("--times-told", action="store_true", help="times are printed, not held: for a busy machine")
    given = parser.parse_args()
    if given.short:
        given.messages, given.chats = 24, 12
    return given


def answered_a_second(telegram: CrowdSide, given: argparse.Namespace, chats: list[int], *, seed: int) -> float:
    """All messages at once, as fast as people write: how many are answered in a second."""
    began = time.monotonic()
    telegram.bench("crowd", chats=chats, messages=given.messages, seconds=0.5, seed=seed)
    if not telegram.until("crowd_told", timeout=180.0)["done"]:
        raise TimeoutError("Not everything was answered within three minutes.")
    return float(given.messages / (time.monotonic() - began))


def compare(report: Report, alone: float, both: float) -> None:
    report.say(f"          answered a second by one set {alone:.2f}, by two {both:.2f}\n")
    report.at_least("two sets beside one, in the same run", both / alone, 1.2, "times")


def switched_off(
    report: Report,
    first: Trial,
    second: Trial,
    telegram: CrowdSide,
    model: Unsteady,
    database: psycopg.Connection[Any],
    folder: Path,
    given: argparse.Namespace,
    chats: list[int],
) -> None:
    """The first set loses its power while it works; the second finishes everything."""
    storm = Storm(second, telegram, model, seed=1, stops=0.0, tell=False)
    telegram.bench("crowd", chats=chats, messages=given.messages, seconds=8.0, seed=3)
    beating = database.execute(BEATING).fetchall()
    time.sleep(2.0)
    at_work = in_its_hands(database)
    killed = kill_all(first)
    storm.kills.append(Kill(name="first", at=time.time(), ns=time.monotonic_ns(), in_work=bool(at_work)))
    report.say(f"Switched off the first set: {killed} processes, with {at_work} runs in its hands.")
    waiting = left_alone(report, storm, telegram)
    managed(second, LAPSE)
    report.must("both sets beat before", len(beating) == 2, ", ".join(f"{name} {count}" for name, count in beating))
    after = After(
        report=report,
        database=database,
        crowd=telegram.bench("crowd_record"),
        waiting=waiting,
        calls=model.calls(),
        workspace=folder / "workspace",
        storm=storm,
        times_held=not given.times_told,
        median_limit=LAPSE_SECONDS,
    )
    reckon(after)
    report.say("          tool calls by host: " + ", ".join(f"{name} {count}" for name, count in after.rows(BY_HOST)))


def in_its_hands(database: psycopg.Connection[Any]) -> int:
    """How many runs the first set is at, waited for until there is one."""
    held = "SELECT count(*) FROM agents_run WHERE lease_expires_at > now() AND lease_owner LIKE 'first:%'"
    until = time.monotonic() + 10.0
    while not (found := database.execute(held).fetchall()[0][0]) and time.monotonic() < until:
        time.sleep(0.02)
    return int(found)
