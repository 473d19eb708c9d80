"""The parameters of one call, however they were sent: query, form, JSON or multipart."""

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from telegram_bridge.fake.errors import BadRequest


@dataclass(frozen=True, kw_only=True)
class Upload:
    filename: str
    content: bytes


@dataclass(frozen=True, kw_only=True)
class Params:
    values: dict[str, Any] = field(default_factory=dict)
    uploads: dict[str, Upload] = field(default_factory=dict)

    def has(self, name: str) -> bool:
        return self.values.get(name) not in (None, "")

    def text(self, name: str) -> str:
        value = self.values.get(name)
        return "" if value is None else str(value)

    def integer(self, name: str, default: int = 0) -> int:
        try:
            return int(self.values[name]) if self.has(name) else default
        except (TypeError, ValueError):
            raise BadRequest(f'can\'t parse parameter "{name}": expected an integer') from None

    def flag(self, name: str) -> bool:
        return self.text(name).lower() in ("true", "1", "yes", "t", "y")

    def parsed(self, name: str) -> Any:
        """A parameter that is JSON-serialised in forms and plain in JSON bodies; None when it was left out."""
        value = self.values.get(name)
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value) if value else None
        except ValueError:
            raise BadRequest(f"can't parse {name.replace('_', ' ')} JSON object") from None


def params_read(query: str, content_type: str, body: bytes) -> Params:
    values: dict[str, Any] = dict(parse_qsl(query, keep_blank_values=True))
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return _multipart(values, content_type, body)
    if kind == "application/json":
        values |= _json_object(body)
    else:
        values |= dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))
    return Params(values=values)


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body or b"{}")
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise BadRequest("can't parse request body as a JSON object")
    return value


def _multipart(values: dict[str, Any], content_type: str, body: bytes) -> Params:
    boundary = content_type.partition("boundary=")[2].strip('"').encode()
    uploads = {}
    for part in body.split(b"--" + boundary)[1:-1]:
        head, _, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        names = _disposition(head.decode(errors="replace"))
        if "filename" in names:
            uploads[names["name"]] = Upload(filename=names["filename"], content=content[:-2])
        else:
            values[names["name"]] = content[:-2].decode(errors="replace")
    return Params(values=values, uploads=uploads)


def _disposition(head: str) -> dict[str, str]:
    line = next((line for line in head.split("\r\n") if line.lower().startswith("content-disposition:")), "")
    pairs = (piece.strip().partition("=") for piece in line.split(";")[1:])
    return {"name": ""} | {name: value.strip('"') for name, _, value in pairs}
