from common.errors import AgentError


class JobBusy(AgentError):
    """Another job of this conversation is running; try again when it has ended."""


class JobNotFound(AgentError):
    """There is no such job; /jobs lists them."""


class IllegalMove(AgentError):
    """A job in this state can't do that."""
