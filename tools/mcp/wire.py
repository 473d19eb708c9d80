"""Between the protocol's types and ours."""

import mcp_types as types

from tools.mcp.errors import ServerTrouble
from tools.mcp.values import Answered, Asked, Offered

MAX_QUESTIONS = 10


def offered(tool: types.Tool) -> Offered:
    """A tool as it was listed."""
    hints = tool.annotations.model_dump(by_alias=True, exclude_none=True) if tool.annotations else {}
    return Offered(
        name=tool.name, description=tool.description or "", input_schema=tool.input_schema, annotations=hints
    )


def asked_in(params: types.ElicitRequestParams, *, key: str = "", state: str | None = None) -> Asked:
    """A question, from either protocol."""
    if isinstance(params, types.ElicitRequestURLParams):
        return Asked(message=params.message, url=params.url, key=key, request_state=state)
    return Asked(message=params.message, form=params.requested_schema, key=key, request_state=state)


def questions_of(result: types.InputRequiredResult) -> tuple[Asked, ...]:
    """What stands in the way of a call. Raises ServerTrouble where it is no question to a person."""
    requests = result.input_requests or {}
    if not all(isinstance(request, types.ElicitRequest) for request in requests.values()):
        raise ServerTrouble("It wants to use the model or to know the client's folders, which no server may.")
    return tuple(
        asked_in(request.params, key=key, state=result.request_state)
        for key, request in list(requests.items())[:MAX_QUESTIONS]
        if isinstance(request, types.ElicitRequest)
    )


def elicited(given: Answered) -> types.ElicitResult:
    """A person's answer, as the server gets it."""
    if given.content is None:
        return types.ElicitResult(action="decline")
    return types.ElicitResult(action="accept", content=None if given.asked.url else given.content)
