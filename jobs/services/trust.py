"""What a run may trust from the start: whether it is told outsiders' words, and which hosts its person has named."""

import re
from dataclasses import dataclass

from django.conf import settings
from django.db import connection

from jobs.models import Job

# The messages that the run will be told, with whose words they are besides their sender's: what the message itself
# brings, what the run of an answer had read (a page that an earlier answer quotes is still the page's text), or
# somebody's in a group who may give no orders.
TOLD = """
SELECT m.role, m.text, m.person_id,
    COALESCE(NULLIF(m.payload ->> 'outside', ''), NULLIF(r.tainted_by, ''),
             CASE WHEN p.state <> 'allowed' OR p.role = 'observer' THEN 'the words of ' || p.name END, '')
FROM threads_message m
LEFT JOIN threads_person p ON p.id = m.person_id
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
    taints = [outsider for *_, outsider in rows if outsider]
    own = [text for role, text, who, outsider in rows if role == "user" and who == job.person_id and not outsider]
    return Trust(tainted_by=taints[0] if taints else "", named_hosts=sorted(hosts_in("\n".join(own))))


def hosts_in(text: str) -> set[str]:
    """The host names that somebody wrote, in lower case."""
    return {found[1].lower() for found in HOST.finditer(text)}
