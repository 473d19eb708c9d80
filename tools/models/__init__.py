from tools.models.executions import Decision, ExecutionState, ToolExecution

__all__ = ["Decision", "ExecutionState", "ToolExecution"]
