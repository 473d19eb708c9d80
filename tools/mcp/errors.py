from tools.errors import OutcomeUnknown, ToolProblem


class ServerUnreachable(ToolProblem):
    """This MCP server can't be reached."""


class ConnectionGone(ServerUnreachable):
    """The connection to this MCP server had ended before the call. Nothing was done."""


class ServerTrouble(ToolProblem):
    """This MCP server does not keep to the protocol."""


class ConnectionEnded(OutcomeUnknown):
    """The connection to this MCP server ended during the call."""


class BadServer(ToolProblem):
    """This MCP server's row makes no sense."""
