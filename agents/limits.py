"""How far a run may go. Waiting for a person counts towards none of these."""

from agents.errors import LimitExceeded, RunFailed
from agents.resume import Conversation

TURNS = 50
TOKENS = 1_000_000
SECONDS = 3600.0
SHARE_SECONDS = 60.0
"""One task advances a run for so long, then the next task goes on: no run holds a worker for ever."""
ANSWER_TOKENS = 8192
BROKEN_CALLS = 2
"""A call of an unknown tool, or with bad arguments, is told to the model once; the next one ends the run."""


def check(conversation: Conversation) -> None:
    """Raise LimitExceeded or RunFailed, with a sentence, where the run may not go on."""
    if conversation.turns >= TURNS:
        raise LimitExceeded(f"I stopped after {TURNS} model turns without an answer. Ask for a smaller step.")
    if conversation.tokens >= TOKENS:
        raise LimitExceeded(f"I stopped after {conversation.tokens:,} tokens. Ask for a smaller step.")
    if conversation.seconds >= SECONDS:
        raise LimitExceeded("I stopped after an hour of work. Ask for a smaller step.")
    if conversation.broken_calls >= BROKEN_CALLS:
        raise RunFailed("The model twice called a tool in a way that can't work, so I stopped.")
