"""What the gate answers, and what it is told about who asks."""

from dataclasses import dataclass

from tools.models import Decision


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """`reason` is a sentence for a person; `rule` the id of the rule that decided: of the gate's own, or "rule:12".

    `read_only`: the call changes nothing, so it may be repeated after a crash. `lifted_by`: the rows by which the owner
    allowed what would have been asked about; the call may then go as far as an approved one, and each row is used once.
    """

    decision: Decision
    reason: str
    rule: str
    read_only: bool = False
    lifted_by: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Context:
    """`tainted`: the run has read text of outsiders. `named_hosts`: those that the owner named in so many words."""

    thread_ref: str = ""
    job_ref: str = ""
    person_ref: str = ""
    tainted: bool = False
    named_hosts: frozenset[str] = frozenset()

    @property
    def refs(self) -> frozenset[str]:
        return frozenset(["", self.thread_ref, self.job_ref, self.person_ref])


def allow(rule: str, reason: str) -> Verdict:
    return Verdict(decision=Decision.ALLOW, rule=rule, reason=reason, read_only=True)


def ask(rule: str, reason: str, read_only: bool = False) -> Verdict:
    return Verdict(decision=Decision.ASK, rule=rule, reason=reason, read_only=read_only)


def deny(rule: str, reason: str) -> Verdict:
    return Verdict(decision=Decision.DENY, rule=rule, reason=reason)
