"""What a run may trust from the start: whether it is told outsiders' words, and which hosts its person has named."""

import re
from dataclasses import dataclass

from django.conf import settings
from django.db import connection

from jobs.models import Job

# The messages that the run will be told, with what is known of each: whose words they are, and what the run of an
# answer had read. A page that an earlier answer quotes is still the page's text.
TOLD = """
SELECT m.role, m.text, COALESCE(m.payload ->> 'outside', ''), COALESCE(r.tainted_by, '')
FROM threads_message m
LEFT JOIN agents_run r ON m.role = 'assistant' AND m.job_ref <> '' AND r.job_ref = m.job_ref
WHERE m.thread_id = %s ORDER BY m.id DESC LIMIT %s
"""
HOST = re.compile(r"(?<![\w@.-])(?:https?://)?((?:[a-z0-9-]{1,63}\.)+[a-z]{2,63})(?![\w-])", re.IGNORECASE)
MARGIN = 20


@dataclass(frozen=True, kw_only=True)
class Trust:
    """`tainted_by`: the text of outsiders among what is told, in words; empty for none."""

    tainted_by: str
    named_hosts: list[str]


def trust_of(job: Job) -> Trust:
    """One query over the last messages of the job's thread."""
    with connection.cursor() as cursor:
        cursor.execute(TOLD, [job.thread_id, settings.MESSAGE_HISTORY_LIMIT + MARGIN])
        rows = cursor.fetchall()
    taints = [outside or tainted for _, _, outside, tainted in rows if outside or tainted]
    own = [text for role, text, outside, _ in rows if role == "user" and not outside]
    return Trust(tainted_by=taints[0] if taints else "", named_hosts=sorted(hosts_in("\n".join(own))))


def hosts_in(text: str) -> set[str]:
    """The host names that somebody wrote, in lower case."""
    return {found[1].lower() for found in HOST.finditer(text)}
