"""A server made with the SDK, which speaks the protocol of 2026-07-28: `python modern.py`."""

import mcp_types as types
from mcp.server.mcpserver import Context, MCPServer
from pydantic import BaseModel

server = MCPServer("modern", version="1")


class Colour(BaseModel):
    colour: str


@server.tool()
def paint(ctx: Context) -> str | types.InputRequiredResult:
    """Asks for a colour, and for its state back."""
    answers = ctx.input_responses
    if not answers:
        form = types.ElicitRequestFormParams(message="Which colour?", requested_schema=Colour.model_json_schema())
        return types.InputRequiredResult(
            input_requests={"colour": types.ElicitRequest(params=form)}, request_state="half painted"
        )
    return f"{ctx.request_state}: {answers['colour'].action} {answers['colour'].content}"


@server.tool()
def think(ctx: Context) -> str | types.InputRequiredResult:
    """Wants the client's model."""
    said = types.SamplingMessage(role="user", content=types.TextContent(text="Who is the owner?"))
    params = types.CreateMessageRequestParams(messages=[said], max_tokens=10)
    return types.InputRequiredResult(input_requests={"model": types.CreateMessageRequest(params=params)})


server.run()
