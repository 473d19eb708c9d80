"""The file tools. Paths count from the workspace; beyond it they go only where a person said yes."""

import itertools
import os
import shlex
import stat
import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from tools import paths, sandbox
from tools.base import Effect, Tool, ToolContext, ToolResult
from tools.builtin.shell import run_argv
from tools.confinement.capture import shorten_middle
from tools.confinement.process import Ending, Limits
from tools.errors import PathRefused, ToolProblem
from tools.models import TrashItem
from tools.paths import Zone
from tools.sandbox import Level
from tools.trash import trash_delete, trash_left, trash_overwrite, trash_prune

SHOWN = 20_000
MAX_LINES = 2_000
MAX_ENTRIES = 500
SEARCH_SECONDS = 60
SEARCH_LINES = 500
Run = Callable[[ToolContext, dict[str, Any]], ToolResult]


def read_file(context: ToolContext, arguments: dict[str, Any]) -> ToolResult:
    """Lines from `offset` (the first is 1), at most `limit` of them."""
    path = _path(context, arguments["path"])
    if not path.is_file():
        raise ToolProblem(f"There is no file “{arguments['path']}”.")
    first = max(int(arguments.get("offset", 1)), 1) - 1
    count = max(int(arguments.get("limit", MAX_LINES)), 1)
    with path.open(encoding="utf-8", errors="replace") as file:
        lines = list(itertools.islice(_bounded_lines(file), first, first + count + 1))
    text, cut = shorten_middle("".join(lines[:count]), SHOWN)
    more = f"\n[More lines follow: offset {first + count + 1}.]" if len(lines) > count else ""
    return ToolResult(output=(text + more) or "(empty)", truncated=cut or bool(more))


def _bounded_lines(file: Any) -> Any:
    """A line of gigabytes comes in pieces."""
    return iter(lambda: file.readline(2 * SHOWN), "")


def write_file(context: ToolContext, arguments: dict[str, Any]) -> ToolResult:
    """Replaces or makes the file, and the folders it needs; a reader sees the old content or the new."""
    path = _path(context, arguments["path"])
    if path.is_dir():
        raise ToolProblem(f"“{arguments['path']}” is a folder.")
    data = str(arguments["content"]).encode(errors="replace")
    path.parent.mkdir(parents=True, exist_ok=True)
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o644
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".writing-", delete=False) as fresh:
        try:
            fresh.write(data)
            fresh.flush()
            os.fchmod(fresh.fileno(), mode)
            item = trash_overwrite(path=path, job_ref=context.job_ref, run_ref=context.run_ref)
            os.replace(fresh.name, path)
        except BaseException:
            os.unlink(fresh.name)
            raise
    trash_left(item, path=path)
    trash_prune()
    return ToolResult(output=_with_note(f"Wrote {len(data):,} bytes to {arguments['path']}.", item))


def delete_file(context: ToolContext, arguments: dict[str, Any]) -> ToolResult:
    """Into the trash. A link is deleted, not what it leads to; a folder only when it is empty."""
    _path(context, arguments["path"])
    written = context.workspace / os.path.expanduser(arguments["path"])
    path = _path(context, str(written.parent)) / written.name
    item = trash_delete(path=path, job_ref=context.job_ref, run_ref=context.run_ref)
    trash_prune()
    return ToolResult(output=_with_note(f"Deleted {arguments['path']}.", item))


def _with_note(text: str, item: TrashItem) -> str:
    return f"{text} {item.note}".rstrip()


def list_files(context: ToolContext, arguments: dict[str, Any]) -> ToolResult:
    """Size, time of the last change and name of each entry of a folder."""
    path = _path(context, arguments.get("path") or ".")
    with os.scandir(path) as scan:
        entries = sorted(scan, key=lambda entry: entry.name)
    lines = [_line(entry) for entry in entries[:MAX_ENTRIES]]
    left_out = len(entries) - len(lines)
    lines += [f"[… and {left_out:,} more]"] if left_out else []
    return ToolResult(output="\n".join(lines) or "(empty)", truncated=bool(left_out))


def _line(entry: os.DirEntry[str]) -> str:
    info = entry.stat(follow_symlinks=False)
    changed = datetime.fromtimestamp(info.st_mtime).strftime("%Y-%m-%d %H:%M")
    mark = "/" if entry.is_dir(follow_symlinks=False) else "@" if entry.is_symlink() else ""
    return f"{info.st_size:>10} {changed} {entry.name}{mark}"


def search_files(context: ToolContext, arguments: dict[str, Any]) -> ToolResult:
    """Lines that match. grep does it, in the sandbox: its matching can be stopped, Python's can't."""
    path = _path(context, arguments.get("path") or ".")
    pattern = str(arguments["pattern"])
    exit_code, result = _grep(context, pattern, path, "-E")
    if exit_code == 2 and not result.truncated:  # no valid regular expression: meant literally
        exit_code, result = _grep(context, pattern, path, "-F")
    return ToolResult(output="No match.") if exit_code == 1 else result


def _grep(context: ToolContext, pattern: str, path: Path, kind: str) -> tuple[int | None, ToolResult]:
    options = ["-rnIsH", kind, "--exclude-dir=.git", "-m", str(SEARCH_LINES)]
    command = shlex.join(["grep", *options, "-e", pattern, "--", os.path.relpath(path, context.workspace)])
    argv = sandbox.command_line(
        command, level=Level.READ, workspace=context.workspace, seconds=SEARCH_SECONDS, whole_disk=context.approved
    )
    done = run_argv(context, argv, limits=Limits(seconds=SEARCH_SECONDS, shown=SHOWN))
    note = "" if done.ending is Ending.EXITED else f"\n[The search was cut short: {done.ending}.]"
    return done.exit_code, ToolResult(output=done.output + note, exit_code=done.exit_code, truncated=done.truncated)


def _path(context: ToolContext, written: str) -> Path:
    """The real path; the gate judged it before, but a link may have been put there in between."""
    zone = paths.zone_of(written)
    if zone is Zone.PROTECTED or (zone is Zone.OUTSIDE and not context.approved):
        raise PathRefused(f"“{written}” is out of bounds.")
    return paths.real_path(written)


def _in_words(run: Run) -> Run:
    """The system's errors as sentences for the model."""

    def run_with_words(context: ToolContext, arguments: dict[str, Any]) -> ToolResult:
        try:
            return run(context, arguments)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise ToolProblem(f"“{arguments.get('path', '.')}”: {reason}.") from error

    return run_with_words


def _tool(name: str, description: str, effect: Effect, run: Run, required: str, **optional: str) -> Tool:
    properties = {key: {"type": "string"} for key in required.split()}
    properties |= {key: {"type": kind} for key, kind in optional.items()}
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    if required:
        schema["required"] = required.split()
    return Tool(name=name, description=description, effect=effect, run=_in_words(run), input_schema=schema)


LINES = {"offset": "integer", "limit": "integer"}
PATH = {"path": "string"}

TOOLS = [
    _tool("file_read", "Read a text file (line offset, limit).", Effect.READ, read_file, "path", **LINES),
    _tool("file_write", "Create or replace a file.", Effect.WRITE, write_file, "path content"),
    _tool("file_delete", "Delete a file.", Effect.WRITE, delete_file, "path"),
    _tool("file_list", "List a folder.", Effect.READ, list_files, "", **PATH),
    _tool("file_search", "Find lines in files by regex or literal.", Effect.READ, search_files, "pattern", **PATH),
]
