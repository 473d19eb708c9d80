"""The page and the terminal as channels. Both read the rows themselves, so there is nothing to carry to them."""

from dataclasses import dataclass

from threads.channels import Outgoing, Rate, register
from threads.errors import DeliveryPermanent

WEB, TERMINAL = "web", "terminal"
TEXT_LIMIT = 100_000


@dataclass(kw_only=True)
class PulledChannel:
    """A channel whose reader looks at the deliveries: what is said into it counts as sent at once."""

    name: str
    pulls: bool = True
    text_limit: int = TEXT_LIMIT

    def send(self, outgoing: Outgoing) -> str:
        raise DeliveryPermanent("This channel reads the rows itself; nothing is ever sent to it.")

    def edit(self, outgoing: Outgoing) -> None:
        raise DeliveryPermanent("This channel reads the rows itself; nothing is ever sent to it.")

    def rates(self, address: str) -> list[Rate]:
        return []


register(PulledChannel(name=WEB))
register(PulledChannel(name=TERMINAL))
