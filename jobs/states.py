"""The states of a job and the moves between them; nothing else changes a job's state."""

from django.db import models


class State(models.TextChoices):
    QUEUED = "queued", "Queued"
    CLASSIFYING = "classifying", "Being understood"
    AWAITING = "awaiting_approval", "Waiting for approval"
    EXECUTING = "executing", "At work"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"
    SUPERSEDED = "superseded", "Superseded"
    EXPIRED = "expired", "Expired"
    DEAD = "dead", "Given up"


MOVES: dict[str, frozenset[str]] = {
    State.QUEUED: frozenset({State.CLASSIFYING, State.EXECUTING, State.FAILED, State.CANCELLED}),
    State.CLASSIFYING: frozenset({State.QUEUED, State.AWAITING, State.EXECUTING, State.FAILED, State.CANCELLED}),
    State.AWAITING: frozenset({State.EXECUTING, State.CANCELLED, State.SUPERSEDED, State.EXPIRED, State.CLASSIFYING}),
    State.EXECUTING: frozenset({State.AWAITING, State.QUEUED, State.DONE, State.FAILED, State.CANCELLED}),
    State.FAILED: frozenset({State.QUEUED, State.DEAD}),
    State.EXPIRED: frozenset({State.CLASSIFYING, State.AWAITING}),
    State.DONE: frozenset(),
    State.CANCELLED: frozenset(),
    State.SUPERSEDED: frozenset(),
    State.DEAD: frozenset(),
}

RUNNING = (State.CLASSIFYING, State.EXECUTING)
OPEN = (State.QUEUED, State.CLASSIFYING, State.AWAITING, State.EXECUTING)
