"""No approval is lost with a process, and each answer works once."""

from bench.support.reckoning.after import After

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
LIVES = """
SELECT extract(epoch FROM created_at)::float8, extract(epoch FROM decided_at)::float8 FROM approvals_approval
WHERE state = 'approved'
"""
LOST = "SELECT id, kind, subject, state FROM approvals_approval WHERE state IN ('pending', 'expired')"


def approvals(after: After) -> None:
    after.none("approvals lost (pressed, and waiting still)", after.rows(LOST))
    after.none("approvals that did not work exactly once", after.rows(WORKED))
    lives = after.rows(LIVES)
    outlived = sum(any(began < kill.at < decided for kill in after.storm.kills) for began, decided in lives)
    after.note(
        f"approved {len(lives)}, of them across a kill {outlived}; buttons pressed {after.crowd['presses']} times"
    )
