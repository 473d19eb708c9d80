"""Taking back what tools changed in the workspace, as commands."""

from collections.abc import Callable

from common.commands import Call, command
from tools import undo
from tools.errors import ToolProblem


@command("undo", help="take the last change back: /undo, or of a job: /undo 12")
def undo_(call: Call) -> str:
    return _answer(call, undo.change_undo)


@command("redo", help="take the last /undo back")
def redo(call: Call) -> str:
    return _answer(call, undo.change_redo)


def _answer(call: Call, verb: Callable[..., str]) -> str:
    number = call.argument.split()[0] if call.argument else ""
    if number and not number.isdecimal():
        return f"Give the number of a job: /{call.name} 12."
    refs = [f"job:{number}"] if number else undo.jobs_of_thread(call.thread_ref)
    try:
        return verb(job_refs=refs, actor=call.actor)
    except undo.NothingToUndo:
        where = f"of job {number}" if number else "in this chat"
        return f"There is nothing {where} that /{call.name} could take back. /{call.name} 12 looks at job 12."
    except ToolProblem as problem:
        return str(problem)
