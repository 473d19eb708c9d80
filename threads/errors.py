from common.errors import AgentError


class DeliveryTransient(AgentError):
    """The channel could not take it now; it is tried again.

    `retry_after` is in seconds, None where the channel named no time; `unknown_outcome`: it may have arrived.
    """

    def __init__(self, message: str = "", *, retry_after: float | None = None, unknown_outcome: bool = False) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.unknown_outcome = unknown_outcome


class DeliveryPermanent(AgentError):
    """The channel will never take it."""
