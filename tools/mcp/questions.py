"""Questions of servers to a person: kept with their call, answered once, and given back when the call is made again."""

import re
from collections.abc import Sequence
from typing import Any

from django.utils import timezone

from approvals.errors import ApprovalRequired
from common.errors import AgentError
from common.transactions import joined
from tools.mcp import schemas
from tools.mcp.values import Answered, Asked
from tools.models import McpQuestion, McpServer

State = McpQuestion.State
MAX_MESSAGE = 2_000
MAX_FORM = 10_000
MAX_QUESTIONS = 10
MAX_BUTTONS = 8


class QuestionAsked(ApprovalRequired):
    """A server asks a person something before it finishes this call."""


class BadAnswer(AgentError):
    """This answer does not fit the question."""


@joined
def questions_keep(*, server: McpServer, run_ref: str, call_id: str, asked: Sequence[Asked]) -> None:
    """Writes down what a call waits for. Raises BadAnswer where a server asks without end."""
    there = McpQuestion.objects.filter(run_ref=run_ref, call_id=call_id).count()
    if there + len(asked) > MAX_QUESTIONS:
        raise BadAnswer(f"{server.name} asks more than {MAX_QUESTIONS} questions for one call.")
    for number, each in enumerate(asked, there + 1):
        McpQuestion.objects.create(
            run_ref=run_ref,
            call_id=call_id,
            server=server,
            number=number,
            key=each.key[:200],
            message=each.message[:MAX_MESSAGE],
            form=each.form if len(str(each.form)) < MAX_FORM else {"type": "object"},
            url=each.url[:2000],
            request_state=each.request_state,
        )


def answers_of(*, run_ref: str, call_id: str) -> list[Answered]:
    """What a person has answered so far for a call. Raises QuestionAsked while something is open."""
    rows = list(McpQuestion.objects.filter(run_ref=run_ref, call_id=call_id).order_by("number"))
    if any(row.state == State.OPEN for row in rows):
        raise question_asked()
    return [Answered(asked=_asked(row), content=row.answer if row.state == State.ACCEPTED else None) for row in rows]


def question_asked() -> QuestionAsked:
    return QuestionAsked(calls=[], reason="A server asks a question before it goes on.", rule="mcp.question")


def question_open(run_ref: str) -> McpQuestion | None:
    """The first question that the run waits for."""
    rows = McpQuestion.objects.filter(run_ref=run_ref, state=State.OPEN).select_related("server")
    return rows.order_by("pk").first()


def choices_of(question: McpQuestion) -> list[tuple[str, str]]:
    """Buttons: each possible answer of a form with one short list or a yes and no; else one that sends what was
    typed. “skip” declines, “cancel” ends the job."""
    last = [("skip", "Decline"), ("cancel", "Cancel the job")]
    if question.url:
        return [("ok", "I have done it"), *last]
    options = _options(question.form)
    if options:
        return [*((f"answer{number}", label) for number, (label, _) in enumerate(options, 1)), *last]
    return [("ok", "Send" if _fields(question.form) else "OK"), *last]


def text_of(question: McpQuestion) -> str:
    """The question as a person reads it: which server asks, what, and how to answer."""
    lines = [f"The MCP server {question.server.name} asks:", question.message]
    if question.url:
        return "\n".join([*lines, f"Open this address if you trust it: {question.url}"])
    if fields := _fields(question.form):
        lines += ["", *(_field_line(name, schema, name in _required(question.form)) for name, schema in fields.items())]
        if not _options(question.form):
            lines += ["", "Answer with name = value, a line for each or with “;” between them."]
    lines += ["Never enter a password or a key here: the server sees what you enter."]
    return "\n".join(lines)


@joined
def question_answer(*, question_id: int, choice: str, note: str = "") -> McpQuestion:
    """Keeps a person's answer: a button's, or what he typed. Raises BadAnswer with a sentence."""
    question = McpQuestion.objects.select_related("server").get(pk=question_id)
    declined = choice in ("skip", "cancel", "")
    content = {} if declined else _content(question, choice, note)
    McpQuestion.objects.filter(pk=question.pk, state=State.OPEN).update(
        state=State.DECLINED if declined else State.ACCEPTED, answer=content, answered_at=timezone.now()
    )
    question.refresh_from_db()
    return question


def answer_check(*, question_id: int, note: str) -> None:
    """Raises BadAnswer where what was typed does not fit the question."""
    _content(McpQuestion.objects.get(pk=question_id), "ok", note)


def _content(question: McpQuestion, choice: str, note: str) -> dict[str, Any]:
    if question.url:
        return {}
    options = _options(question.form)
    picked = re.fullmatch(r"answer(\d+)", choice)
    if picked and options and int(picked[1]) <= len(options):
        return {next(iter(_fields(question.form))): options[int(picked[1]) - 1][1]}
    content = read_answer(question.form, note)
    if (wrong := schemas.arguments_complaint({"type": "object", **question.form}, content)) is not None:
        where, what = wrong
        raise BadAnswer(f"The answer does not fit the question{f' ({where})' if where else ''}: {what}.")
    return content


def read_answer(form: dict[str, Any], note: str) -> dict[str, Any]:
    """Lines of `name = value` as the form's values; a form with one field takes the whole text. Defaults fill in."""
    fields = _fields(form)
    values = {name: schema["default"] for name, schema in fields.items() if "default" in schema}
    named = dict(found for line in re.split(r"[\n;]", note) if (found := _named(line))[0] in fields)
    if not named and len(fields) == 1 and note.strip():
        named = {next(iter(fields)): note.strip()}
    return {**values, **{name: _typed(value, fields[name]) for name, value in named.items()}}


def _named(line: str) -> tuple[str, str]:
    name, _, value = line.replace(":", "=", 1).partition("=") if "=" not in line else line.partition("=")
    return name.strip(), value.strip()


def _typed(value: str, schema: dict[str, Any]) -> Any:
    kind = schema.get("type")
    try:
        if kind == "integer":
            return int(value)
        if kind == "number":
            return float(value)
    except ValueError:
        return value  # the schema's own words say what is wrong
    if kind == "boolean":
        return {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}.get(value.lower(), value)
    if kind == "array":
        return [each.strip() for each in value.split(",") if each.strip()]
    return value


def _fields(form: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found = form.get("properties")
    return {name: value for name, value in found.items() if isinstance(value, dict)} if isinstance(found, dict) else {}


def _required(form: dict[str, Any]) -> list[str]:
    found = form.get("required")
    return found if isinstance(found, list) else []


def _options(form: dict[str, Any]) -> list[tuple[str, Any]]:
    """Label and value of each possible answer, where one field with few of them is all that is asked."""
    fields = list(_fields(form).values())
    if len(fields) != 1:
        return []
    found = _values(fields[0])
    return found if len(found) <= MAX_BUTTONS else []


def _values(schema: dict[str, Any]) -> list[tuple[str, Any]]:
    if schema.get("type") == "boolean":
        return [("Yes", True), ("No", False)]
    if isinstance(titled := schema.get("oneOf"), list):
        return [(str(each.get("title", each["const"])), each["const"]) for each in titled if "const" in each]
    values, names = schema.get("enum"), schema.get("enumNames")
    if not isinstance(values, list):
        return []
    labels = names if isinstance(names, list) and len(names) == len(values) else values
    return [(str(label), value) for label, value in zip(labels, values, strict=True)]


def _field_line(name: str, schema: dict[str, Any], required: bool) -> str:
    about = schema.get("description") or schema.get("title") or ""
    values = _values(schema)
    kind = " or ".join(str(label) for label, _ in values) if values else str(schema.get("type", "text"))
    default = f", normally {schema['default']}" if "default" in schema else ""
    return f"{name}: {about} ({kind}{default}{'' if required else ', may be left out'})"[:300]


def _asked(row: McpQuestion) -> Asked:
    return Asked(message=row.message, form=row.form, url=row.url, key=row.key, request_state=row.request_state)
