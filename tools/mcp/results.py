"""What a server's answer says to the model: text as it is, everything else in words, or as a file."""

import base64
import binascii
import json
from typing import Any

import mcp_types as types
from mcp import Client, MCPError

from tools.mcp.values import Attachment, Outcome

MAX_PARTS = 200
MAX_LINKED = 5
"""Text resources that an answer links to and that are read at once."""
LINKED_CHARACTERS = 20_000

Part = str | Attachment


async def outcome_of(result: types.CallToolResult, client: Client) -> Outcome:
    """The parts of an answer, in order. Links to text of the same server are followed, a few of them."""
    parts: list[Part] = []
    linked = 0
    for block in result.content[:MAX_PARTS]:
        if isinstance(block, types.ResourceLink) and linked < MAX_LINKED and not result.is_error:
            linked += 1
            parts += await _linked(block, client)
        else:
            parts.append(_part(block))
    left_out = len(result.content) - MAX_PARTS
    parts += [f"[… and {left_out:,} more parts]"] if left_out > 0 else []
    return Outcome(parts=(*parts, *_structured(result)), is_error=result.is_error)


def _structured(result: types.CallToolResult) -> list[Part]:
    """The structured content, unless a text says the same already, as the protocol recommends."""
    if result.structured_content is None:
        return []
    same = (result.structured_content, _only_value(result.structured_content))
    for block in result.content:
        if isinstance(block, types.TextContent) and (block.text in same or _as_json(block.text) in same):
            return []
    return [json.dumps(result.structured_content, ensure_ascii=False, indent=1)]


def _only_value(structured: Any) -> Any:
    """Many servers wrap the text itself into an object, whose result must be one."""
    return next(iter(structured.values())) if isinstance(structured, dict) and len(structured) == 1 else structured


def _as_json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _part(block: types.ContentBlock) -> Part:
    if isinstance(block, types.TextContent):
        return block.text
    if isinstance(block, types.ImageContent | types.AudioContent):
        return _attachment(block.data, block.mime_type)
    if isinstance(block, types.EmbeddedResource):
        return _resource(block.resource)
    return _link(block)


def _link(block: types.ResourceLink) -> str:
    about = " ".join(filter(None, [block.title or block.name, block.description]))
    return f"[a resource: {block.uri} {about}]"


def _resource(resource: types.TextResourceContents | types.BlobResourceContents) -> Part:
    if isinstance(resource, types.TextResourceContents):
        return f"[the resource {resource.uri}]\n{resource.text}"
    return _attachment(resource.blob, resource.mime_type or "", name=str(resource.uri).rsplit("/", 1)[-1])


def _attachment(encoded: str, kind: str, name: str = "") -> Part:
    try:
        return Attachment(data=base64.b64decode(encoded, validate=True), kind=kind, name=name)
    except (binascii.Error, ValueError):
        return f"[{kind or 'data'} that could not be read]"


async def _linked(block: types.ResourceLink, client: Client) -> list[Part]:
    """What a link leads to, asked of the server that gave it: no address is called from here."""
    try:
        contents = (await client.session.read_resource(block.uri)).contents
    except (MCPError, RuntimeError, ValueError):
        return [_link(block)]
    parts = [_resource(each) for each in contents[:MAX_LINKED]]
    return [_link(block), *(each[:LINKED_CHARACTERS] if isinstance(each, str) else each for each in parts)]
