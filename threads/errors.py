from common.errors import AgentError


class DeliveryTransient(AgentError):
    """The channel could not take it now; it is tried again.

    `retry_after` is in seconds, None where the channel named no time; `unknown_outcome`: it may have arrived;
    `refused`: the channel has said in a complete answer that it failed, so that it has hardly arrived.
    """

    def __init__(
        self,
        message: str = "",
        *,
        retry_after: float | None = None,
        unknown_outcome: bool = False,
        refused: bool = False,
    ) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.unknown_outcome = unknown_outcome
        self.refused = refused


class DeliveryPermanent(AgentError):
    """The channel will never take it."""


class NotResent(AgentError):
    """Only a delivery that failed can be sent again, and only once; its copy can be, if it fails too."""
