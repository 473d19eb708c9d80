"""What `bench/chaos` checks when the storm is over: the stand-ins' memory and the file of effects beside the rows."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from bench.support.crowd import ANSWERED, TOKEN
from bench.support.figures import Report, spread
from bench.support.unsteady import EFFECTS, Call

LOST_EPOCHS = """
SELECT count(*) FROM (
    SELECT s.epoch, lag(s.epoch) OVER (PARTITION BY s.run_id ORDER BY s.number) AS before FROM agents_step s
) x WHERE epoch < before
"""
LOST_EXECUTIONS = """
SELECT count(*) FROM (
    SELECT e.epoch, lag(e.epoch) OVER (PARTITION BY e.run_ref ORDER BY e.id) AS before FROM tools_toolexecution e
) x WHERE epoch < before
"""
STEPS_TWICE = "SELECT count(*) - count(DISTINCT (run_id, number)) FROM agents_step"
STORED_TWICE = """
SELECT (SELECT count(*) - count(DISTINCT (bot_id, update_id)) FROM telegram_bridge_telegramupdate)
     + (SELECT count(*) - count(DISTINCT (thread_id, external_id)) FROM threads_message
        WHERE role = 'user' AND external_id <> '')
"""
# Each OK and each Retry has moved its job once: approvals beside the events that they make.
WORKED = """
SELECT a.subject, a.approved, COALESCE(e.moved, 0) FROM (
    SELECT subject, count(*) AS approved FROM approvals_approval WHERE state = 'approved' GROUP BY subject
) a LEFT JOIN (
    SELECT 'job:' || job_id AS subject, count(*) AS moved FROM jobs_jobevent
    WHERE (from_state = 'awaiting_approval' AND to_state = 'executing' OR from_state = 'failed' AND to_state = 'queued')
    GROUP BY job_id
) e USING (subject) WHERE a.approved <> COALESCE(e.moved, 0)
"""
DELIVERIES = """
SELECT d.id, t.address::bigint, d.state, d.external_id, d.text, d.repeated, d.attempts, d.error
FROM threads_delivery d JOIN threads_thread t ON t.id = d.thread_id WHERE d.kind = 'send' ORDER BY d.id
"""
EDITS = "SELECT id, state, error FROM threads_delivery WHERE kind = 'edit' AND state <> 'sent'"
LEDGER = """
SELECT request_id, outcome,
       input_tokens + output_tokens + cache_write_5m_tokens + cache_write_1h_tokens + cache_read_tokens
FROM budget_ledgerentry
"""
FATES = """
SELECT m.text, j.id, j.state, j.revision, (
    SELECT string_agg(concat(e.from_state, '>', e.to_state, to_char(e.at, ' HH24:MI:SS')), ', ' ORDER BY e.id)
    FROM jobs_jobevent e WHERE e.job_id = j.id
), (SELECT string_agg(concat(d.id, ' ', d.kind, ' ', d.state, ' ', d.text), ' | ' ORDER BY d.id)
    FROM threads_delivery d WHERE d.job_ref = 'job:' || j.id)
FROM threads_message m LEFT JOIN jobs_jobmessage l ON l.message_id = m.id LEFT JOIN jobs_job j ON j.id = l.job_id
WHERE m.text LIKE %s AND m.role = 'user'
"""
# A plan made without the model names only its last message: whether the others were told, the rows say.
REPLACED = """
SELECT m.text FROM threads_message m JOIN jobs_jobmessage l ON l.message_id = m.id JOIN jobs_job j ON j.id = l.job_id
JOIN threads_delivery d ON d.approval_id = j.approval_id AND d.kind = 'edit' AND d.state = 'sent'
WHERE j.state = 'superseded'
"""
UNKNOWN_CALLS = "SELECT arguments->>'command' FROM tools_toolexecution WHERE state <> 'done'"


@dataclass(frozen=True, kw_only=True)
class After:
    """What is left of the storm."""

    report: Report
    database: psycopg.Connection[Any]
    crowd: dict[str, Any]
    waiting: list[str]
    calls: list[Call]
    workspace: Path
    killed_ns: list[tuple[str, int]]

    def one(self, query: str) -> Any:
        return self.database.execute(query).fetchall()[0][0]

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.database.execute(query).fetchall()

    def none(self, name: str, found: list[Any] | int) -> None:
        """A count that must be 0; what was found is named beneath it."""
        count = found if isinstance(found, int) else len(found)
        self.report.at_most(name, count, 0, "")
        for one in [] if isinstance(found, int) else found[:5]:
            self.report.say(f"          {one}")


def reckon(after: After) -> None:
    """Every check, printed beside its limit."""
    messages(after)
    approvals(after)
    deliveries(after)
    effects(after)
    after.none("steps written by an older epoch after a newer one", after.one(LOST_EPOCHS) + after.one(STEPS_TWICE))
    after.none("tool calls written by an older epoch", after.one(LOST_EXECUTIONS))
    ledger(after)


def messages(after: After) -> None:
    crowd, report = after.crowd, after.report
    stored = {row[0] for row in after.rows("SELECT update_id FROM telegram_bridge_telegramupdate")}
    broken = after.rows("SELECT update_id, error FROM telegram_bridge_telegramupdate WHERE state = 'failed'")
    after.none("updates sent and not stored", [update for update in crowd["updates"] if update not in stored])
    after.none("inbound stored twice", after.one(STORED_TWICE))
    after.none("updates that could not be processed", broken)
    replaced = set(TOKEN.findall(" ".join(row[0] for row in after.rows(REPLACED)))) - set(crowd["answers"])
    unanswered = [token for token in after.waiting if token not in replaced]
    after.none("messages unanswered", unanswered)
    for token in unanswered[:5]:
        for fate in after.database.execute(FATES, [f"%{token}%"]):
            report.say(f"          {fate}")
    report.say(f"          answered {len(crowd['answers'])}, told that a newer message replaces them {len(replaced)}")
    report.say(f"          failures that were told, and retried by pressing: {crowd['retries']}")


def approvals(after: After) -> None:
    pending = after.rows("SELECT id, kind, subject FROM approvals_approval WHERE state = 'pending'")
    after.none("approvals lost (pressed, and waiting still)", pending)
    after.none("approvals that did not work exactly once", after.rows(WORKED))
    decided = after.one("SELECT count(*) FROM approvals_approval WHERE state = 'approved'")
    after.report.say(f"          approved {decided}, buttons pressed {after.crowd['presses']} times")


def deliveries(after: After) -> None:
    """Order and doubles, by what the stand-in has received."""
    rows = after.rows(DELIVERIES)
    placed = {(row[1], int(row[3])): row for row in rows if row[3]}
    last: dict[int, int] = {}
    disordered: list[str] = []
    for chat, message_id in sorted(placed, key=lambda key: key[1]):
        if placed[chat, message_id][0] < last.get(chat, 0):
            disordered.append(f"delivery {placed[chat, message_id][0]} in chat {chat}")
        last[chat] = placed[chat, message_id][0]
    after.none("deliveries out of order", disordered)
    after.none("deliveries not sent", [(row[0], row[2], row[7]) for row in rows if row[2] != "sent"])
    after.none("edits of cards not sent", after.rows(EDITS))
    flagged = {(row[1], row[4]) for row in rows if row[5]}
    extra = [one for one in after.crowd["heard"] if (one[0], one[1]) not in placed]
    after.none("sent twice without being flagged", [one[:3] for one in extra if (one[0], one[2]) not in flagged])
    answers = sum(bool(ANSWERED.match(one[2])) for one in extra)
    repeated = sum(row[5] for row in rows)
    after.report.say(f"          sent twice and flagged: {len(extra)}, of them answers {answers}; flagged {repeated}")
    told = Counter(TOKEN.findall(" ".join(row[4] for row in rows if ANSWERED.match(row[4]))))
    after.none("messages with two different answers", [token for token, count in told.items() if count > 1])


def effects(after: After) -> None:
    """By the file that each command appends to: no row of ours is asked whether it ran twice."""
    path = after.workspace / EFFECTS
    lines = Counter(path.read_text().split() if path.exists() else [])
    ran = {row[0].split()[1] for row in after.rows("SELECT arguments->>'command' FROM tools_toolexecution")}
    doubtful = {row[0].split()[1] for row in after.rows(UNKNOWN_CALLS)}
    after.none("side effects run twice", [line for line, count in lines.items() if count > 1])
    after.none("side effects missing and not reported as unknown", sorted(ran - doubtful - set(lines)))
    after.none("side effects without a call", sorted(set(lines) - ran))
    missing = len(doubtful - set(lines))
    after.report.say(f"          run once {len(lines)}; of unknown outcome {len(doubtful)}, of them not run {missing}")


def ledger(after: After) -> None:
    """Each call that the stand-in received beside the ledger, by its request id; the killed ones by their number."""
    entries = after.rows(LEDGER)
    named: dict[str, list[tuple[Any, ...]]] = {}
    for entry in entries:
        named.setdefault(entry[0], []).append(entry)
    nameless = [entry for entry in named.pop("", []) if entry[1] == "unknown"]
    calls = {call.request_id: call for call in after.calls}
    unmatched = [call for call in after.calls if call.request_id not in named]
    after.none("calls with two ledger entries", [name for name, found in named.items() if len(found) > 1])
    after.none("calls without a ledger entry", max(0, len(unmatched) - len(nameless)))
    after.none("entries of calls that nobody received", [name for name in named if name not in calls])
    settled = [(entry, calls[entry[0]]) for entry in entries if entry[1] == "settled" and entry[0] in calls]
    wrong = [f"{entry[0]}: {entry[2]} for {call.tokens}" for entry, call in settled if entry[2] != call.tokens]
    after.none("settled calls that differ from the stand-in's count", wrong)
    counted, charged = sum(call.tokens for call in after.calls), sum(entry[2] for entry in entries)
    after.report.at_least("tokens in the ledger", charged, counted, "tokens")
    unknown = sum(entry[1] == "unknown" for entry in entries)
    after.report.say(f"          calls received {len(calls)}, entries {len(entries)}, of unknown end {unknown}")


def recovery(after: After) -> None:
    """From each kill to the next message that the bot sends to anybody."""
    heard = sorted(one[3] for one in after.crowd["heard"])
    waits = [
        (next(at for at in heard if at > killed) - killed) / 1e9
        for _, killed in after.killed_ns
        if heard and heard[-1] > killed
    ]
    if not waits:
        return
    found = spread(waits)
    after.report.at_most("recovery after a kill, median", found.median, 5.0, "s")
    after.report.at_most("recovery after a kill, worst", found.most, 60.0, "s")
    after.report.say(f"          s: {found}")
