"""Order and doubles, by what the Bot API stand-in has received."""

from collections import Counter, defaultdict
from typing import Any

from bench.support.crowd import ANSWERED, TOKEN
from bench.support.reckoning.after import After

DELIVERIES = """
SELECT d.id, t.address::bigint, d.state, d.external_id, d.text, d.repeated, d.error
FROM threads_delivery d JOIN threads_thread t ON t.id = d.thread_id WHERE d.kind = 'send' ORDER BY d.id
"""
EDITS = "SELECT id, state, error FROM threads_delivery WHERE kind = 'edit' AND state <> 'sent'"
Row = tuple[Any, ...]
Heard = list[Any]


def deliveries(after: After) -> None:
    rows, heard = after.rows(DELIVERIES), after.crowd["heard"]
    placed = {(row[1], int(row[3])): row for row in rows if row[3]}
    repeated: dict[tuple[int, str], list[int]] = defaultdict(list)
    for row in rows:
        if row[5]:
            repeated[row[1], row[4]].append(row[0])
    after.none("deliveries out of order", _disordered(heard, placed, repeated))
    after.none("deliveries not sent", [(row[0], row[2], row[6]) for row in rows if row[2] != "sent"])
    after.none("edits of cards not sent", after.rows(EDITS))
    extra = [one for one in heard if (one[0], one[1]) not in placed]
    after.none("sent twice without being flagged", [one[:3] for one in extra if (one[0], one[2]) not in repeated])
    answers = sum(bool(ANSWERED.match(one[2])) for one in extra)
    flagged = sum(row[5] for row in rows)
    after.note(f"sent twice and flagged {len(extra)}, of them answers {answers}; flagged as maybe twice {flagged}")
    told = Counter(TOKEN.findall(" ".join(row[4] for row in rows if ANSWERED.match(row[4]))))
    after.none("messages with two different answers", [token for token, count in told.items() if count > 1])


def _disordered(
    heard: list[Heard], placed: dict[tuple[int, int], Row], repeated: dict[tuple[int, str], list[int]]
) -> list[str]:
    """What came in a chat after something that was queued later. A first sending whose outcome was unknown is known by
    its text; of several such the one that fits the order is taken."""
    last: dict[int, int] = {}
    found: list[str] = []
    for chat, message_id, text, _ in sorted(heard, key=lambda one: one[1]):
        row = placed.get((chat, message_id))
        known = [row[0]] if row else repeated.get((chat, text), [])
        if not known:
            continue
        number = min((one for one in known if one >= last.get(chat, 0)), default=max(known))
        if number < last.get(chat, 0):
            found.append(f"delivery {number} in chat {chat} came after {last[chat]}")
        last[chat] = max(number, last.get(chat, 0))
    return found
