from common.errors import AgentError


class RunFailed(AgentError):
    """The run can't go on."""


class RunUnreadable(RunFailed):
    """What was saved of this work cannot be read: it was damaged, or another version wrote it. Please ask again."""


class LimitExceeded(RunFailed):
    """The run has reached a limit."""
