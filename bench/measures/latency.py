"""How long a message waits for us when the model and Telegram cost nothing.

"Received" is the moment in which the Bot API stand-in begins to post the update to the webhook, "sent" the one in which
it has read the sendMessage that results: the stand-ins' own milliseconds are counted as ours.
"""

import argparse
import itertools
import time

from bench.measures import busy, wakeups
from bench.support.exchange import Stamps, press, question, say, took
from bench.support.figures import Report, spread
from bench.support.instance import Instance, people

MEDIAN_MS, P95_MS = 30.0, 80.0
PEERS = "peers, measured the same way: 287, 426 and 799 ms in the median; 85 to 500 ms of CPU a message"


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench/latency", description=__doc__)
    parser.add_argument("--messages", type=int, default=100)
    parser.add_argument("--no-busy", action="store_true", help="leave out the part with every worker in a model call")
    parser.add_argument("--gap-ms", type=float, default=0.0, help="a pause after each answer, in which all goes idle")
    given = parser.parse_args()
    gap = given.gap_ms / 1000
    report = Report("Own latency, both stand-ins at zero latency")
    report.say(
        f"{given.messages} messages one after another, {given.gap_ms:g} ms between an answer and the next message, by "
        f"webhook, each in a chat\nof its own; TELEGRAM_RATE_LIMITS=off, because together they would exceed what "
        f"Telegram allows in a second.\n{PEERS}\n"
    )
    with Instance(masters=people(given.messages + 60), APPROVAL_POLICY="every_job", TELEGRAM_RATE_LIMITS="off") as it:
        with_card(report, it, given.messages, gap)
        wakeups.measure(report, it, people(given.messages + 50)[given.messages :])
        if not given.no_busy:
            busy.measure(report, it, people(given.messages + 60)[given.messages + 50 :])
    with Instance(masters=people(given.messages), APPROVAL_POLICY="risky", TELEGRAM_RATE_LIMITS="off") as it:
        without_card(report, it, given.messages, gap)
    return report.end()


def with_card(report: Report, it: Instance, count: int, gap: float) -> None:
    """Policy every_job: a card, its OK, the answer."""
    cards, answers = list[Stamps](), list[Stamps]()
    before, it_took = it.cpu(), time.monotonic()
    for chat in people(count):
        card = say(it, chat)
        cards.append(card)
        answers.append(press(it, chat, card["message_id"], "OK"))
        time.sleep(gap)
    used, it_took = it.cpu() - before, time.monotonic() - it_took
    asked = {(text, purpose): at for at, purpose, text in it.model.asked()}
    report.say(f"Policy every_job ({it_took:.1f} s)")
    _held(report, "update received to card sent", cards)
    _shares(report, cards, asked, ["classify"])
    _held(report, "OK pressed to answer sent", answers)
    _shares(report, answers, asked, ["work"])
    report.say(f"          CPU a message with its OK: {used.each(count)}\n")


def without_card(report: Report, it: Instance, count: int, gap: float) -> None:
    """Policy risky: two model calls, and the answer."""
    answers = []
    before = it.cpu()
    for chat in people(count):
        answers.append(say(it, chat))
        time.sleep(gap)
    used = it.cpu() - before
    asked = {(text, purpose): at for at, purpose, text in it.model.asked()}
    report.say("Policy risky")
    _held(report, "update received to answer sent, two model calls", answers)
    _shares(report, answers, asked, ["classify", "work"])
    report.say(f"          CPU a message: {used.each(count)}")


def _held(report: Report, name: str, all_stamps: list[Stamps]) -> None:
    found = spread([took(stamps) for stamps in all_stamps])
    report.at_most(f"{name}: median", found.median, MEDIAN_MS, "ms")
    report.at_most(f"{name}: p95", found.p95, P95_MS, "ms")
    report.say(f"          {found}")


def _shares(report: Report, all_stamps: list[Stamps], asked: dict[tuple[str, str], int], purposes: list[str]) -> None:
    """Where the time goes, by the model calls on the way."""
    marks = ["posted", *purposes, "sent"]
    legs: dict[str, list[float]] = {f"{a} → {b}": [] for a, b in itertools.pairwise(marks)}
    for stamps in all_stamps:
        at = stamps | {purpose: asked[question(stamps["chat"]), purpose] for purpose in purposes}
        for a, b in itertools.pairwise(marks):
            legs[f"{a} → {b}"].append((at[b] - at[a]) / 1e6)
    until_200 = spread([(stamps["confirmed"] - stamps["posted"]) / 1e6 for stamps in all_stamps])
    named = {"posted": "received", "classify": "model asked to classify", "work": "model asked to work"}
    for leg, values in legs.items():
        words = " → ".join(named.get(mark, mark) for mark in leg.split(" → "))
        report.say(f"          {words}: median {spread(values).median:.1f} ms")
    report.say(f"          received → 200 acknowledged: median {until_200.median:.1f} ms")
