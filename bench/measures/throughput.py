"""How many messages a second are answered, and whether each is answered exactly once."""

import argparse
import itertools
import time
from collections.abc import Sequence
from typing import Any

from bench.support.figures import Report, spread
from bench.support.instance import Instance, people

LEAST, AIM = 25.0, 50.0
PEERS = "peers, measured the same way: 11.8, 7 and 2.2 a second"
TIMEOUT_SECONDS = 300.0
# Telegram's published limits (https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this).
PERMITTED, SHARE = 30.0, 0.95
BACKLOG_CHATS, BACKLOG_EACH = 60, 5
FILL = """
from django.db import transaction
from threads.services import say, thread_find_or_open
with transaction.atomic():
    threads = [
        thread_find_or_open(channel="telegram", address=str(chat), kind="private")
        for chat in range({first}, {first} + {chats})
    ]
    for number in range(1, {each} + 1):
        for thread in threads:
            say(thread=thread, text=f"Delivery {{thread.address}}-{{number}}")
"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench/throughput", description=__doc__)
    parser.add_argument("--chats", type=int, default=20)
    parser.add_argument("--messages", type=int, default=10, help="in each chat, each after the answer to the former")
    given = parser.parse_args()
    report = Report("Throughput")
    chats = people(given.chats)
    with Instance(masters=chats, APPROVAL_POLICY="risky", TELEGRAM_RATE_LIMITS="off") as it:
        answered(report, it, chats, given.messages)
    with Instance(masters=[], flood=True, TELEGRAM_RATE_LIMITS="on") as it:
        backlog(report, it, people(BACKLOG_CHATS))
    return report.end()


def answered(report: Report, it: Instance, chats: list[int], rounds: int) -> None:
    """Conversations in all chats at once, as fast as they are answered."""
    wanted = len(chats) * rounds
    report.say(
        f"{len(chats)} chats of {rounds} messages, each after the answer to the former; APPROVAL_POLICY=risky, "
        f"TELEGRAM_RATE_LIMITS=off\n{PEERS}"
    )
    before = it.cpu()
    it.telegram.bench("talk", chats=chats, rounds=rounds)
    told = it.telegram.until("talked", timeout=TIMEOUT_SECONDS)
    used, answers = it.cpu() - before, told["answers"]
    time.sleep(1.0)  # whatever is sent twice has come by then
    answers = it.telegram.bench("talked")["answers"]
    report.at_least("messages answered", wanted / told["seconds"], LEAST, "a second")
    report.say(f"          the aim is {AIM:g} a second")
    counted(report, answers, [f"{chat}-{number}" for chat in chats for number in range(1, rounds + 1)])
    for text in told["strays"][:3]:
        report.say(f"          something else was sent: {text}")
    report.say(f"          CPU a message: {used.each(wanted)}")
    busy = used.product + used.database + used.outside
    report.say(f"          {busy / told['seconds']:.2f} cores were busy for {told['seconds']:.1f} s\n")


def counted(report: Report, answers: dict[str, int], wanted: Sequence[str]) -> None:
    """Each question has one answer that names it."""
    lost = [name for name in wanted if name not in answers]
    doubled = [name for name, count in answers.items() if count > 1]
    report.must(f"{len(wanted)} separate answers, none lost", not lost, f"{len(lost)} lost")
    report.must("none doubled", not doubled, f"{len(doubled)} doubled")


def backlog(report: Report, it: Instance, chats: list[int]) -> None:
    """A full outbox, sent within the limits that the stand-in holds."""
    total = len(chats) * BACKLOG_EACH
    report.say(
        f"A backlog of {total} messages for {len(chats)} chats; TELEGRAM_RATE_LIMITS=on, and the stand-in refuses "
        f"with 429 what is over\nTelegram's limits: {PERMITTED:g} a second over all, 1 a second in a chat after a burst"
    )
    for chat in chats:
        it.telegram.call("open_chat", chat_id=chat)
    began = time.monotonic_ns()
    filled = it.trial.manage("shell", "-c", FILL.format(first=chats[0], chats=len(chats), each=BACKLOG_EACH))
    if filled.returncode:
        raise RuntimeError(f"The outbox could not be filled: {filled.stderr[-2000:]}")
    at = _wait(it, began, total)
    counters: dict[str, Any] = it.telegram.call("counters")
    report.at_most("answers 429 from the stand-in", counters["429"], 0, "")
    report.at_least("sent", len(at), total, "messages")
    rate = (len(at) - 1) / (at[-1] - at[0]) * 1e9 if len(at) > 1 else 0.0
    report.at_least(f"steady rate ({SHARE:.0%} of {PERMITTED:g})", rate, SHARE * PERMITTED, "a second")
    gaps = spread([(b - a) / 1e6 for a, b in itertools.pairwise(at)])
    report.say(f"          between two messages, ms: {gaps}")


def _wait(it: Instance, since_ns: int, total: int) -> list[int]:
    """When each message arrived, once all have, or once none has for 10 s."""
    at: list[int] = []
    seen = time.monotonic()
    while len(at) < total and time.monotonic() - seen < 10.0:
        time.sleep(0.5)
        now: list[int] = it.telegram.bench("stamps", since_ns=since_ns)
        seen = time.monotonic() if len(now) > len(at) else seen
        at = now
    return at
