from tools.models.executions import Decision, ExecutionState, ToolExecution
from tools.models.outside import OutsideFile
from tools.models.rules import Match, Origin, Scope, ToolRule
from tools.models.servers import McpQuestion, McpServer, McpTool
from tools.models.trash import KeptState, Snapshot, TrashItem

__all__ = [
    "Decision",
    "ExecutionState",
    "KeptState",
    "Match",
    "McpQuestion",
    "McpServer",
    "McpTool",
    "Origin",
    "OutsideFile",
    "Scope",
    "Snapshot",
    "ToolExecution",
    "ToolRule",
    "TrashItem",
]
