"""Each message was stored once and answered, whatever happened to lie down when it was sent."""

from collections import Counter

from bench.support.crowd import TOKEN
from bench.support.reckoning.after import After

STORED_TWICE = """
SELECT (SELECT count(*) - count(DISTINCT (bot_id, update_id)) FROM telegram_bridge_telegramupdate)
     + (SELECT count(*) - count(DISTINCT (thread_id, external_id)) FROM threads_message
        WHERE role = 'user' AND external_id <> '')
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


def messages(after: After) -> None:
    _stored(after)
    crowd = after.crowd
    replaced = set(TOKEN.findall(" ".join(row[0] for row in after.rows(REPLACED)))) - set(crowd["answers"])
    unanswered = [token for token in after.waiting if token not in replaced]
    after.none("messages unanswered", unanswered)
    _tell_fates(after, unanswered[:5])
    while_down = [token for token, at in crowd["said"].items() if after.storm.was_down(at)]
    after.none("messages sent while all was down and not answered", [one for one in while_down if one in unanswered])
    after.note(f"sent while all was down: {len(while_down)} (the supervisor was killed and not yet started again)")
    after.note(f"answered {len(crowd['answers'])}, told that a newer message replaces them {len(replaced)}")
    after.note(f"failures that were told, and retried by pressing: {crowd['retries']}")


def slowest(after: After, *, most: int = 3) -> None:
    """What became of those that waited longest for their answer, for whoever wants to know why."""
    said, answers = after.crowd["said_ns"], after.crowd["answers"]
    waits = sorted(((min(answers[token]) - said[token]) / 1e9, token) for token in answers if token in said)
    for seconds, token in waits[-most:]:
        after.note(f"{token} was answered after {seconds:.1f} s")
        _tell_fates(after, [token])


def _tell_fates(after: After, tokens: list[str]) -> None:
    for token in tokens:
        for fate in after.database.execute(FATES, [f"%{token}%"]):
            after.note(str(fate))


def _stored(after: After) -> None:
    stored = {row[0] for row in after.rows("SELECT update_id FROM telegram_bridge_telegramupdate")}
    broken = after.rows("SELECT update_id, error FROM telegram_bridge_telegramupdate WHERE state = 'failed'")
    after.none("updates sent and not stored", [update for update in after.crowd["updates"] if update not in stored])
    after.none("inbound stored twice, by its ids", after.one(STORED_TWICE))
    texts = after.rows("SELECT text FROM threads_message WHERE role = 'user'")
    times = Counter(token for row in texts for token in TOKEN.findall(row[0]))
    after.none("messages that do not stand there exactly once", [one for one in after.crowd["said"] if times[one] != 1])
    after.none("updates that could not be processed", broken)
