from tools.models.executions import Decision, ExecutionState, ToolExecution
from tools.models.servers import McpQuestion, McpServer, McpTool
from tools.models.trash import KeptState, Snapshot, TrashItem

__all__ = [
    "Decision",
    "ExecutionState",
    "KeptState",
    "McpQuestion",
    "McpServer",
    "McpTool",
    "Snapshot",
    "ToolExecution",
    "TrashItem",
]
