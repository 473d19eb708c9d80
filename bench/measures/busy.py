"""With every worker of the work lane inside a long model call: is a new chat served, do OK and Cancel take effect?"""

import time
from typing import Any

from bench.support.exchange import say, took
from bench.support.figures import Report
from bench.support.instance import Instance

WORKERS = 4
CALL_SECONDS = 60
CARD_MS = 100.0
STOP_SECONDS = 5.0
STATE = """
SELECT j.state FROM jobs_job j JOIN threads_thread t ON t.id = j.thread_id
WHERE t.channel = 'telegram' AND t.address = %s ORDER BY j.id DESC LIMIT 1
"""


def measure(report: Report, it: Instance, chats: list[int]) -> None:
    blocked, others = chats[:WORKERS], chats[WORKERS:]
    report.say(f"With all {WORKERS} workers of the work lane inside a model call of {CALL_SECONDS} s")
    occupy(it, blocked)
    cards = [say(it, chat) for chat in others[:3]]
    report.at_most("update received to card sent, the slowest of 3", max(map(took, cards)), CARD_MS, "ms")
    pressed(report, it, cards[0], "OK", "executing", "OK")
    pressed(report, it, cards[1], "Cancel", "cancelled", "Cancel of a waiting plan")
    stopped(report, it, blocked[0])
    for chat in blocked[1:]:
        it.telegram.call("user_says", chat_id=chat, text="/cancel")
    answer = it.telegram.sent(cards[0]["chat"], 2, timeout=STOP_SECONDS + 5)
    waited = (answer["at"]["monotonic_ns"] - cards[0]["sent"]) / 1e9
    report.say(f"          the job with the OK was answered when a worker was free, {waited:.1f} s after its card")
    report.say()


def occupy(it: Instance, chats: list[int]) -> None:
    """A slow job in each chat, and wait until the model has been asked for all of them."""
    it.model.asked()
    for chat in chats:
        card = say(it, chat, f"[slow {CALL_SECONDS}]")
        it.telegram.call("user_presses", chat_id=chat, message_id=card["message_id"], label="OK")
    end, working = time.monotonic() + 10.0, 0
    while working < len(chats):
        working += sum(purpose == "work" for _, purpose, _ in it.model.asked())
        if time.monotonic() > end:
            raise TimeoutError(f"Only {working} of {len(chats)} workers are inside a model call.")
        time.sleep(0.05)


def pressed(report: Report, it: Instance, card: dict[str, Any], label: str, state: str, name: str) -> None:
    """Presses a button and waits for the job's state, and for the answer to the press."""
    presses = len(it.telegram.call("answers"))
    update = it.telegram.call("user_presses", chat_id=card["chat"], message_id=card["message_id"], label=label)
    reached = _until_state(it, card["chat"], state)
    posted = it.telegram.until("times", timeout=5.0, update_id=update["update_id"])["posted"]
    report.at_most(f"{name} pressed to job {state}", (reached - posted) / 1e6, CARD_MS, "ms")
    end = time.monotonic() + 5.0
    while len(answers := it.telegram.call("answers")) <= presses and time.monotonic() < end:
        time.sleep(0.01)
    if len(answers) > presses:
        told = (answers[-1]["at"]["monotonic_ns"] - posted) / 1e6
        report.say(f"          and the press answered with “{answers[-1]['text']}” after {told:.1f} ms")
    else:
        report.must("the press is answered", False)


def stopped(report: Report, it: Instance, chat: int) -> None:
    """Cancels a job that is inside its model call; its worker must be free again."""
    began = time.monotonic_ns()
    it.telegram.call("user_says", chat_id=chat, text="/cancel")
    reached = _until_state(it, chat, "cancelled")
    report.at_most("/cancel of a running job to job cancelled", (reached - began) / 1e6, CARD_MS, "ms")
    end, query = time.monotonic() + STOP_SECONDS, "SELECT count(*) FROM agents_run WHERE state = 'stopped'"
    while not it.one(query) and time.monotonic() < end:
        time.sleep(0.01)
    report.at_most("and to its model call cut", (time.monotonic_ns() - began) / 1e9, STOP_SECONDS, "s")


def _until_state(it: Instance, chat: int, state: str) -> int:
    """When the chat's newest job was first seen in that state (monotonic ns). Raises TimeoutError."""
    end = time.monotonic() + STOP_SECONDS
    while it.one(STATE, str(chat)) != state:
        if time.monotonic() > end:
            raise TimeoutError(f"The job is {it.one(STATE, str(chat))}, not {state}, after {STOP_SECONDS:g} s.")
        time.sleep(0.002)
    return time.monotonic_ns()
