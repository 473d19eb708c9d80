from common.errors import AgentError


class RunFailed(AgentError):
    """The run can't go on."""


class LimitExceeded(RunFailed):
    """The run has reached a limit."""
