"""Which files of the workspace hold what outsiders wrote: a run that reads one has read their text.

A run that has read it may pass it on into whatever it writes, so all that it writes counts; and so does what a command
brings from the internet. A file that an untouched run writes anew is the owner's again.
"""

import os
from datetime import datetime
from pathlib import Path

from common.transactions import joined
from ops import audit
from tools import levels, paths
from tools.models import Decision, ExecutionState, OutsideFile, ToolExecution
from tools.names import names
from tools.sandbox import Level
from tools.shell import parser

MOST_FILES = 20_000
WHOLE = ""
MARGIN_SECONDS = 1.0
"""File systems keep times by a coarser clock than the rows."""
READERS = ("file_read", "file_search", "file_list")
# What tells of the machine and opens no file of the workspace that a text could stand in.
OF_NO_FILES = frozenset(
    names(
        "uptime df free ps top date cal who w id whoami hostname uname nproc lscpu lsblk ss vmstat iostat pwd true "
        "systemctl journalctl dpkg apt apt-cache echo printf test sleep mkdir touch ls rmdir stat du"
    )
)


def text_read(execution: ToolExecution) -> str:
    """Whose text a call has read from the workspace, in words; empty for nobody's."""
    if execution.name in READERS:
        return _source_below(str(execution.arguments.get("path", "") or "."))
    if execution.name == "shell" and _reads_files(str(execution.arguments.get("command", ""))):
        return _source_below(".")
    return ""


def follow(execution: ToolExecution, *, source: str) -> None:
    """After a call: what it may have written holds the text of `source`, or, with none, is the owner's own again."""
    if execution.state in (ExecutionState.REFUSED, ExecutionState.ASKED) or not execution.decision:
        return
    if execution.name == "file_write":
        _follow_file(execution, source)
    elif source and execution.name not in READERS and not _only_looked(execution):
        for path in _changed_since(execution.started_at):
            _mark(path, source, execution.run_ref)


@joined
def trust(row: OutsideFile, *, actor: str) -> None:
    """A person has looked at the file and vouches for it; the next run that writes outsiders' text marks it again."""
    audit.record(
        actor=actor,
        action="file trusted",
        subject=f"outside_file:{row.pk}",
        detail={"path": row.path, "source": row.source},
    )
    row.delete()


def _follow_file(execution: ToolExecution, source: str) -> None:
    path = _within(str(execution.arguments.get("path", "")))
    if source:
        _mark(path, source, execution.run_ref)
    elif execution.state == ExecutionState.DONE:
        OutsideFile.objects.filter(path=path).exclude(path=WHOLE).delete()


def _mark(path: str, source: str, run_ref: str) -> None:
    OutsideFile.objects.update_or_create(path=path, defaults={"source": source, "run_ref": run_ref})


def _source_below(path: str) -> str:
    """The source of the first such file at or below a path of the workspace that is there still."""
    inside = _within(path)
    for row in OutsideFile.objects.all():
        if row.path == WHOLE or inside in (WHOLE, row.path) or row.path.startswith(f"{inside}/"):
            if row.path == WHOLE or os.path.lexists(paths.workspace() / row.path):
                return f"{row}, which holds {row.source}"
            row.delete()
    return ""


def _within(path: str) -> str:
    """A path from the workspace on; empty for the workspace itself and for what lies elsewhere."""
    try:
        found = str(paths.real_path(path).relative_to(paths.workspace()))
    except ValueError:
        return WHOLE
    return WHOLE if found == "." else found


def _reads_files(command: str) -> bool:
    script = parser.parse(command[: levels.MOST_PARSED])
    return bool({each.name for each in script.commands} - OF_NO_FILES) or bool(script.redirects)


def _only_looked(execution: ToolExecution) -> bool:
    went_beyond = execution.decision == Decision.ASK or execution.rule.startswith("rule:")
    if execution.name != "shell":
        return execution.name in ("http_request", "secret_list")
    return levels.level_of(execution.arguments, approved=went_beyond) is Level.READ


def _changed_since(moment: datetime) -> list[str]:
    """The files that were made or changed since; only "" where there are too many to look at."""
    base, since, found, seen = paths.workspace(), moment.timestamp() - MARGIN_SECONDS, [], 0
    for folder, _, files in os.walk(base):
        seen += len(files)
        if seen > MOST_FILES:
            return [WHOLE]
        for name in files:
            path = Path(folder, name)
            try:
                if path.lstat().st_ctime >= since:
                    found.append(str(path.relative_to(base)))
            except OSError:
                continue
    return found
