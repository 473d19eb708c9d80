"""The shell tool: one bash command line in the workspace, confined."""

from typing import Any

from tools import levels, sandbox
from tools.base import Effect, Tool, ToolContext, ToolResult
from tools.confinement import process
from tools.confinement.process import Ending, Finished, Limits
from tools.errors import ToolProblem, ToolStopped
from tools.models import KeptState
from tools.sandbox import Level
from tools.shell import parser, reading
from tools.shell.specs import READ_ONLY
from tools.snapshots import snapshot_close, snapshot_take

DEFAULT_SECONDS = 120
MAX_SECONDS = 600


def run_shell(context: ToolContext, arguments: dict[str, Any]) -> ToolResult:
    """Runs arguments["command"] for at most arguments["timeout"] seconds (1 to 600, 120 when not given)."""
    seconds = min(max(int(arguments.get("timeout", DEFAULT_SECONDS)), 1), MAX_SECONDS)
    level = levels.level_of(arguments, approved=context.approved)
    if level is Level.READ:
        asked = str(arguments.get("level", ""))
        note = f"[It ran at level read, not {asked}: it was not asked about.]" if asked else ""
        return _result(_run(context, arguments["command"], level, seconds), seconds, note)
    snapshot = snapshot_take(
        workspace=context.workspace,
        command=arguments["command"],
        level=level,
        job_ref=context.job_ref,
        run_ref=context.run_ref,
    )
    try:
        finished = _run(context, arguments["command"], level, seconds)
    finally:
        snapshot_close(snapshot, workspace=context.workspace)
    note = f"[{snapshot.note} This can't be undone.]" if snapshot.state == KeptState.IMPOSSIBLE else ""
    return _result(finished, seconds, note)


def _run(context: ToolContext, command: str, level: Level, seconds: float) -> Finished:
    """Raises ToolStopped with what it had written so far."""
    about = _only_asks(command) if level is Level.READ else frozenset()
    argv = sandbox.command_line(
        command,
        level=level,
        workspace=context.workspace,
        seconds=seconds,
        whole_disk="df" in about,
        service_manager="systemctl" in about,
    )
    return run_argv(context, argv, limits=Limits(seconds=seconds))


def run_argv(context: ToolContext, argv: list[str], *, limits: Limits) -> Finished:
    """Runs what sandbox.command_line made; raises ToolStopped, and ToolProblem when it can't be started."""
    try:
        finished = process.run(
            argv,
            cwd=context.workspace,
            env=sandbox.environment(context.workspace),
            stop=context.stop,
            limits=limits,
            on_process=context.on_process,
        )
    except (OSError, ValueError) as error:
        raise ToolProblem(f"The command could not be started: {error}") from error
    if finished.ending is Ending.STOPPED:
        raise ToolStopped(output=f"{finished.output}\n[Stopped on request.]".lstrip(), exit_code=finished.exit_code)
    return finished


def _only_asks(command: str) -> frozenset[str]:
    """The programs of a line whose programs all only read and open no file, empty for any other.

    df tells the truth only where every file system is mounted, systemctl only with systemd's socket: nothing else may
    run there. What systemctl is asked for the gate has judged: a call at level read is one that it allowed by itself.
    """
    commands = parser.parse(command).commands
    names = frozenset(each.name for each in commands)
    filters = [each for each in commands if each.name != "systemctl"]
    known = names <= READ_ONLY.keys() | {"systemctl"} and all(map(reading.opens_no_file, filters))
    return names if known else frozenset()


def _result(finished: Finished, seconds: float, note: str) -> ToolResult:
    notes = {
        Ending.EXITED: f"[exit code {finished.exit_code}]" if finished.exit_code else "",
        Ending.TIME: f"[Stopped: the command ran longer than {seconds:g} s.]",
        Ending.OUTPUT: "[Stopped: the command flooded its output.]",
        Ending.MEMORY: "[Stopped: the command used too much memory.]",
        Ending.PROCESSES: "[Stopped: the command started too many processes.]",
    }
    parts = [finished.output.rstrip("\n") or "(no output)", notes[finished.ending], note]
    return ToolResult(
        output="\n".join(part for part in parts if part),
        is_error=finished.ending is not Ending.EXITED,
        exit_code=finished.exit_code,
        truncated=finished.truncated,
    )


TOOLS = [
    Tool(
        name="shell",
        description="Run a bash command in the workspace on this server.",
        effect=Effect.WRITE,
        run=run_shell,
        input_schema={
            "type": "object",
            "properties": {
                "command": {"type": "string"},
                "timeout": {"type": "integer", "description": "seconds"},
                "level": {
                    "enum": [level.value for level in levels.ASKED_FOR],
                    "description": "host: the real machine",
                },
            },
            "required": ["command"],
        },
        bounds=frozenset({"timeout"}),
    )
]
