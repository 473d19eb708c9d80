"""What the runs did: side effects by the file that each command appends to, and who wrote after whom."""

from collections import Counter

from bench.support.crowd import TOKEN
from bench.support.reckoning.after import After
from bench.support.unsteady import EFFECTS

# What a run wrote, in the order of its time: steps, and the settlements of its tool calls.
LOG = """
    SELECT run_id AS run, epoch, created_at AS at FROM agents_step
    UNION ALL
    SELECT substring(run_ref FROM 5)::bigint, epoch, COALESCE(finished_at, started_at) FROM tools_toolexecution
"""
OLD_AFTER_NEW = f"""
SELECT run, before, epoch, at FROM (
    SELECT run, epoch, at,
        max(epoch) OVER (PARTITION BY run ORDER BY at ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
    FROM ({LOG}) log
) x WHERE epoch < before
"""
NUMBERS = """
SELECT run_id, number, epoch FROM (
    SELECT run_id, number, epoch, lag(epoch) OVER (PARTITION BY run_id ORDER BY number) AS before FROM agents_step
) x WHERE epoch < before
"""
STEPS_TWICE = "SELECT count(*) - count(DISTINCT (run_id, number)) FROM agents_step"
EPOCHS = f"SELECT count(*) FROM (SELECT run FROM ({LOG}) log GROUP BY run HAVING count(DISTINCT epoch) > 1) x"
COMMANDS = "SELECT arguments->>'command', state = 'done' AND exit_code = 0 FROM tools_toolexecution"
FAILED = (
    "SELECT arguments->>'command', exit_code, output FROM tools_toolexecution WHERE state = 'done' AND exit_code <> 0"
)


def effects(after: After) -> None:
    """No row of ours is asked whether a command ran twice."""
    path = after.workspace / EFFECTS
    lines = Counter(path.read_text().split() if path.exists() else [])
    commands = [(token, well) for text, well in after.rows(COMMANDS) for token in TOKEN.findall(text)]
    ran, doubtful = {token for token, _ in commands}, {token for token, well in commands if not well}
    after.none("side effects run twice", [line for line, count in lines.items() if count > 1])
    after.none("side effects missing and not reported so", sorted(ran - doubtful - set(lines)))
    after.none("side effects without a call", sorted(set(lines) - ran))
    missing = len(doubtful - set(lines))
    after.note(f"run once {len(lines)}; failed or of unknown outcome {len(doubtful)}, of them not run {missing}")
    for failed in after.rows(FAILED)[:3]:
        after.note(f"failed, and the model was told so: {failed}")


def epochs(after: After) -> None:
    """No worker wrote after another had taken its run over."""
    after.none("writes of an older epoch after a newer one", after.rows(OLD_AFTER_NEW) + after.rows(NUMBERS))
    after.none("steps written twice", after.one(STEPS_TWICE))
    after.note(f"runs in which two epochs or more wrote: {after.one(EPOCHS)}")
    overtaken, woken = sum(one.overtaken for one in after.storm.woken), len(after.storm.woken)
    after.note(f"stopped and woken {woken}, of them taken over in mid-work meanwhile {overtaken}")
