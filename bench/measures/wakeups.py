"""From the commit that enqueues a task to its start, by the clock of the database.

Two triggers in the trial's own database stamp the queue's rows: one at the end of the transaction that inserts (before
its commit reaches the disk, which counts as ours), one when a worker claims. What a worker does from there to the first
line of the task is measured by the row that the task first writes: its lease.
"""

import time

from bench.support.exchange import GAP_SECONDS, press, say
from bench.support.figures import Report, spread
from bench.support.instance import Instance

COMMIT_TO_START_MS = 5.0
STAMPS = """
CREATE TABLE bench_stamp (number bigint, lane text, what text, at timestamptz);
CREATE FUNCTION bench_stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO bench_stamp VALUES (NEW.id, to_jsonb(NEW)->>'key', TG_ARGV[0], clock_timestamp()); RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER bench_committed AFTER INSERT ON django_q_ormq DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION bench_stamp('committed');
CREATE TRIGGER bench_claimed AFTER UPDATE ON django_q_ormq FOR EACH ROW EXECUTE FUNCTION bench_stamp('claimed');
CREATE TRIGGER bench_leased AFTER UPDATE OF lease_owner ON jobs_job FOR EACH ROW
    WHEN (NEW.lease_epoch > OLD.lease_epoch) EXECUTE FUNCTION bench_stamp('leased talk');
CREATE TRIGGER bench_leased AFTER UPDATE OF lease_owner ON agents_run FOR EACH ROW
    WHEN (NEW.lease_epoch > OLD.lease_epoch) EXECUTE FUNCTION bench_stamp('leased work');
"""
UNDO = "DROP FUNCTION bench_stamp CASCADE"
CLAIMED = """
SELECT c.lane, extract(epoch FROM s.at - c.at) * 1000, c.at FROM bench_stamp c
JOIN LATERAL (SELECT min(at) AS at FROM bench_stamp s WHERE s.number = c.number AND s.what = 'claimed') s ON true
WHERE c.what = 'committed' AND c.lane IN ('talk', 'work') AND s.at IS NOT NULL
"""
LEASED = """
SELECT extract(epoch FROM l.at - c.at) * 1000 FROM bench_stamp l
JOIN LATERAL (SELECT max(at) AS at FROM bench_stamp c WHERE c.what = 'committed' AND c.lane = %s AND c.at < l.at) c
ON true WHERE l.what = %s AND c.at IS NOT NULL
"""


def measure(report: Report, it: Instance, chats: list[int]) -> None:
    """A message and its OK in each chat: one task of each lane."""
    it.database.execute(STAMPS)
    for chat in chats:
        press(it, chat, say(it, chat)["message_id"], "OK")
        time.sleep(GAP_SECONDS)
    report.say(f"Commit to start of work, by the database's clock ({len(chats)} messages with their OK)")
    claims = it.rows(CLAIMED)
    for lane in ("talk", "work"):
        found = spread([float(ms) for name, ms, _ in claims if name == lane])
        report.at_most(f"commit to claimed by a worker, lane {lane}: median", found.median, COMMIT_TO_START_MS, "ms")
        report.say(f"          {found}")
        leased = spread([float(ms) for (ms,) in it.rows(LEASED, lane, f"leased {lane}")])
        report.say(f"          until the task holds the lease of its row: median {leased.median:.1f} ms")
    it.database.execute(UNDO)
    it.model.asked()
    report.say()
