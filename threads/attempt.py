"""One call to the outside for one delivery; touches no row, so that any thread may make it."""

import json
import logging
from dataclasses import dataclass

from threads.channels import Channel, Outgoing
from threads.errors import DeliveryPermanent, DeliveryTransient
from threads.heads import Head

logger = logging.getLogger(__name__)
NO_FAULT_OF_THE_ROW = (OSError, RuntimeError, MemoryError)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one attempt."""

    head: Head
    external_id: str = ""
    error: DeliveryTransient | DeliveryPermanent | None = None


def attempt(channel: Channel, head: Head) -> Outcome:
    """Hand a delivery to its channel. Never raises: a row that nobody can render must not hold up the others."""
    try:
        return Outcome(head=head, external_id=_hand_over(channel, head))
    except (DeliveryTransient, DeliveryPermanent) as error:
        return Outcome(head=head, error=error)
    except NO_FAULT_OF_THE_ROW as error:
        logger.exception("delivery %s was not sent", head.id)
        return Outcome(head=head, error=DeliveryTransient(f"{type(error).__name__}: {error}", unknown_outcome=True))
    except Exception as error:
        logger.exception("delivery %s can't be sent", head.id)
        words = f"This can't be sent as it is stored: {type(error).__name__} {error}. Is it from another version?"
        return Outcome(head=head, error=DeliveryPermanent(words))


def _hand_over(channel: Channel, head: Head) -> str:
    if head.is_edit and not head.edited_id:
        raise DeliveryPermanent("What this was to edit was never sent.")
    outgoing = Outgoing(
        address=head.address,
        topic=head.topic,
        text=head.text,
        buttons=[(word, label) for word, label in json.loads(head.buttons)],
        approval_id=head.approval_id,
        revision=head.revision,
        external_id=head.edited_id,
    )
    if head.is_edit:
        channel.edit(outgoing)
        return head.edited_id
    return channel.send(outgoing)
