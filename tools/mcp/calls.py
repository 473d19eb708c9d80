"""One call of a server's tool: connected to, checked against what was judged, called, its answer made fit to read."""

import mimetypes
import re
import uuid
from datetime import datetime
from pathlib import Path
from typing import Any

from django.utils import timezone

from common.text import redact
from ops.secrets import SecretError
from tools.base import ToolContext, ToolResult
from tools.confinement.capture import shorten_middle
from tools.errors import OutcomeUnknown, ToolProblem
from tools.mcp import catalog, connections, questions
from tools.mcp.errors import ConnectionEnded, ConnectionGone, ServerTrouble, ServerUnreachable
from tools.mcp.plans import Plan, plan_of
from tools.mcp.values import Attachment, Outcome
from tools.models import McpTool

SHOWN = 20_000
CONNECT_SECONDS = 60.0
MAX_FILE = 8 * 1024**2
MAX_FILES = 20
FOLDER = "from-servers"
UNKNOWN = "It is not known whether the call of {tool} was carried out: {why} Look at the state of things first."


def tool_call(tool_id: int, fingerprint: str, context: ToolContext, arguments: dict[str, Any]) -> ToolResult:
    """Calls a tool as it was when the gate judged it. It is called again when the connection had ended before, and
    when it only reads.

    Raises ToolProblem (nothing was done, or the server refused), OutcomeUnknown, Stopped, and QuestionAsked when a
    person must answer something first.
    """
    tool = McpTool.objects.select_related("server").get(pk=tool_id)
    plan = plan_of(tool.server)
    try:
        outcome = _call(tool, plan, fingerprint, context, arguments)
    except (ConnectionGone, ConnectionEnded) as error:
        if isinstance(error, ConnectionEnded) and tool.verdict != McpTool.Verdict.READ:
            raise
        outcome = _call(tool, plan, fingerprint, context, arguments)
    if outcome.questions:
        questions.questions_keep(
            server=tool.server, run_ref=context.run_ref, call_id=context.call_id, asked=outcome.questions
        )
        raise questions.question_asked()
    return _result(tool, plan, context.workspace, outcome)


def _call(tool: McpTool, plan: Plan, fingerprint: str, context: ToolContext, arguments: dict[str, Any]) -> Outcome:
    given = questions.answers_of(run_ref=context.run_ref, call_id=context.call_id)
    _connect(tool, plan, context)
    _check_unchanged(tool, fingerprint)
    seconds = float(tool.server.call_seconds)
    try:
        return connections.call(plan, tool.name, arguments, given=given, stop=context.stop, seconds=seconds)
    except TimeoutError as error:
        why = f"{plan.name} did not answer within {seconds:g} s."
        raise OutcomeUnknown(UNKNOWN.format(tool=tool.lent_name, why=why)) from error
    except ConnectionEnded as error:
        catalog.server_failed(tool.server, f"The connection ended during a call. {error}")
        raise ConnectionEnded(UNKNOWN.format(tool=tool.lent_name, why=f"the connection ended. {error}")) from error
    except ServerTrouble as error:
        raise ServerTrouble(f"{plan.name} refused the call: {error}") from error


def _connect(tool: McpTool, plan: Plan, context: ToolContext) -> None:
    """Connected, and what the server offers written down where it is news."""
    known_to_be_down = tool.server.failures >= catalog.DOWN_AFTER
    tries = 1 if known_to_be_down else connections.TRIES
    try:
        listing = connections.opened(plan, stop=context.stop, seconds=CONNECT_SECONDS, tries=tries)
    except (ToolProblem, SecretError) as error:
        catalog.server_failed(tool.server, str(error))
        raise ServerUnreachable(f"{plan.name} can't be reached: {error} Nothing was done.") from error
    if listing is not None:
        catalog.server_listed(tool.server, listing)


def _check_unchanged(tool: McpTool, fingerprint: str) -> None:
    """What was allowed, by a rule or by a person, was the tool as it described itself then."""
    now = McpTool.objects.filter(pk=tool.pk).values_list("fingerprint", "active").first()
    if now != (fingerprint, True):
        raise ToolProblem(
            f"Nothing was done: {tool.server.name} has just changed or withdrawn {tool.lent_name}. "
            "Look at how it describes itself now; a call of it is judged anew."
        )


def _result(tool: McpTool, plan: Plan, workspace: Path, outcome: Outcome) -> ToolResult:
    texts, files = [], 0
    for part in outcome.parts:
        if isinstance(part, Attachment):
            files += 1
            texts.append(_kept(part, workspace, plan.name) if files <= MAX_FILES else "[one more file, not kept]")
        else:
            texts.append(part)
    text = "\n".join(texts).strip() or "(no output)"
    shown, cut = shorten_middle(redact(text), SHOWN)
    return ToolResult(output=shown, is_error=outcome.is_error, truncated=cut)


def _kept(part: Attachment, workspace: Path, server: str) -> str:
    """The file in the workspace that holds what is no text, in words for the model."""
    if len(part.data) > MAX_FILE:
        return f"[{part.kind or 'data'} of {len(part.data):,} bytes, too large to be kept]"
    folder = workspace / FOLDER / server
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not folder.resolve().is_relative_to(workspace.resolve()):  # a command has put a link there
            return f"[{part.kind or 'data'} of {len(part.data):,} bytes, not kept: {FOLDER} leads out of the workspace]"
        path = folder / _file_name(part, timezone.now())
        path.write_bytes(part.data)
    except OSError as error:
        return f"[{part.kind or 'data'} of {len(part.data):,} bytes, which could not be kept: {error.strerror}]"
    return f"[{part.kind or 'data'} of {len(part.data):,} bytes, kept as {path.relative_to(workspace)}]"


def _file_name(part: Attachment, now: datetime) -> str:
    ending = mimetypes.guess_extension(part.kind.split(";")[0].strip()) or ".bin"
    given = re.sub(r"[^A-Za-z0-9_-]+", "-", part.name.rsplit(".", 1)[0])[:40].strip("-")
    return f"{now:%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:6]}{f'-{given}' if given else ''}{ending}"
