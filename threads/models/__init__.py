"""Conversations: who speaks, where, what was said, and what is to be said. A file a noun."""

from threads.models.conversations import Artifact, Message, MessageRevision, Policy, Thread
from threads.models.deliveries import Delivery, SendBucket
from threads.models.people import PairingRequest, Person

__all__ = [
    "Artifact",
    "Delivery",
    "Message",
    "MessageRevision",
    "PairingRequest",
    "Person",
    "Policy",
    "SendBucket",
    "Thread",
]
