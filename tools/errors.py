from common.errors import AgentError, Stopped


class ToolProblem(AgentError):
    """The tool could not do this."""


class PathRefused(ToolProblem):
    """This path is out of bounds."""


class AddressRefused(ToolProblem):
    """This address is not on the public internet."""


class ExecutionLost(AgentError):
    """This tool call was settled by somebody else in the meantime."""


class OutcomeUnknown(ToolProblem):
    """The tool was called, and nobody knows what became of it."""


class ToolStopped(Stopped):
    """The tool was stopped on request."""

    def __init__(self, *, output: str = "", exit_code: int | None = None) -> None:
        super().__init__()
        self.output = output
        self.exit_code = exit_code


class RuleUsedUp(AgentError):
    """The rule that allowed this call has just been used up or taken back: the call must be judged again."""
