"""One connection to the stand-in: requests are checked as the real API does, and answered from the script."""

import json
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

import jsonschema

from llm.scripted import events
from llm.scripted.checks import BadRequest, check
from llm.scripted.faults import KINDS, End, Fault
from llm.scripted.replies import Received, Reply

if TYPE_CHECKING:
    from llm.scripted.server import Server

VERSIONS = {"2023-06-01", "2026-10-21"}
MAX_BODY = 32 * 1024 * 1024
NO_FAULT = Fault()


class Refusal(Exception):
    """Answered with an error status."""

    def __init__(self, status: int, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: "Server"

    def do_POST(self) -> None:
        model = self.server.model
        number = next(model.numbers)
        self.request_id = f"req_{number:020d}"
        body: dict[str, Any] = {}
        try:
            body = self._body()
            fault = self._admitted(body)
            reply = self._scripted(body)
        except Refusal as refusal:
            model.received(Received(body=body, status=refusal.status, request_id=self.request_id))
            self._refuse(refusal)
            return
        usage = model.cache.count(body)
        message = events.finished(reply, body=body, usage=usage, message_id=f"msg_{number:020d}")
        model.received(
            Received(
                body=body,
                status=200,
                usage=message["usage"],
                request_id=self.request_id,
                headers={name.lower(): value for name, value in self.headers.items()},
            )
        )
        self._answer(reply, body, message, fault)

    def log_message(self, format: str, *args: Any) -> None:
        """Silent: it writes into the terminal of whoever runs it."""

    def _body(self) -> dict[str, Any]:
        size = int(self.headers.get("content-length") or 0)
        if size > MAX_BODY:
            self.close_connection = True
            raise Refusal(413, "Request exceeds the maximum size")
        raw = self.rfile.read(size)
        if self.path.partition("?")[0] != "/v1/messages":
            raise Refusal(404, f"Not Found: {self.path}")
        try:
            body = json.loads(raw)
        except ValueError as error:
            raise Refusal(400, f"The request body is not valid JSON: {error}") from None
        if not isinstance(body, dict):
            raise Refusal(400, "Input should be a valid dictionary")
        return body

    def _admitted(self, body: dict[str, Any]) -> Fault:
        """Key, version, a fault that was asked for, and the body, checked in the order of the real one."""
        model = self.server.model
        bearer = (self.headers.get("authorization") or "").removeprefix("Bearer ").strip()
        key = bearer or self.headers.get("x-api-key") or ""
        if not key or (model.key and key != model.key):
            raise Refusal(401, "invalid x-api-key" if key else "Authentication is required")
        if self.headers.get("anthropic-version") not in VERSIONS:
            raise Refusal(400, "anthropic-version: header is required")
        fault = model.faults.take() or NO_FAULT
        if fault.status != 200:
            raise Refusal(fault.status, f"Scripted {fault.status}", fault.retry_after)
        try:
            check(body)
        except (BadRequest, AttributeError, TypeError) as error:
            raise Refusal(400, str(error)) from None
        if not body["model"].startswith(model.models):
            raise Refusal(404, f"model: {body['model']}")
        return fault

    def _scripted(self, body: dict[str, Any]) -> Reply:
        model = self.server.model
        try:
            reply = model.script(body)
            wanted = (body.get("output_config") or {}).get("format")
            if wanted and reply.checked:
                # The schema itself was checked when the request was admitted.
                jsonschema.Draft202012Validator(wanted["schema"]).validate(json.loads(reply.content[0]["text"]))
            return reply
        except Exception as error:
            # A script that breaks is a bug of its own: kept for whoever wrote it, and an internal error to the caller.
            model.errors.append(error)
            raise Refusal(500, f"The script failed: {type(error).__name__}: {error}") from error

    def _refuse(self, refusal: Refusal) -> None:
        kind = KINDS.get(refusal.status, "api_error" if refusal.status >= 500 else "invalid_request_error")
        error = {"type": "error", "error": {"type": kind, "message": str(refusal)}, "request_id": self.request_id}
        extra = "" if refusal.retry_after is None else f"retry-after: {refusal.retry_after:g}\r\n"
        self._send_json(refusal.status, error, extra)

    def _send_json(self, status: int, value: dict[str, Any], extra: str = "") -> None:
        data = json.dumps(value, ensure_ascii=False).encode()
        head = self._head(status, f"content-type: application/json\r\ncontent-length: {len(data)}\r\n{extra}")
        self.wfile.write(head + data)

    def _head(self, status: int, lines: str) -> bytes:
        reason = "OK" if status == HTTPStatus.OK else "Error"
        return f"HTTP/1.1 {status} {reason}\r\nrequest-id: {self.request_id}\r\n{lines}\r\n".encode()

    def _answer(self, reply: Reply, body: dict[str, Any], message: dict[str, Any], fault: Fault) -> None:
        closing, pause = self.server.model.closing, reply.pause or self.server.model.pause
        closing.wait(max(reply.delay, self.server.model.first_delay))
        if not body.get("stream"):
            self._send_json(200, events.as_message(message))
            return
        parts = events.stream(message)
        if fault.end is not None:
            parts = parts[: fault.after_events]
        head = self._head(200, "content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n")
        if pause:
            self.wfile.write(head)
            for part in parts:
                self.wfile.write(_chunk(part))
                closing.wait(pause)
        else:
            self.wfile.write(head + (_chunk(b"".join(parts)) if parts else b""))
        self._finish_stream(fault)

    def _finish_stream(self, fault: Fault) -> None:
        if fault.end is End.CUT:
            self.close_connection = True
            return
        if fault.end is End.SILENT:
            self._wait_until_left()
            return
        if fault.end is End.ERROR:
            self.wfile.write(_chunk(events.error_event("overloaded_error", "Overloaded")))
        self.wfile.write(b"0\r\n\r\n")

    def _wait_until_left(self) -> None:
        """Says nothing until the client gives up or the server closes."""
        self.close_connection = True
        self.connection.settimeout(0.05)
        while not self.server.model.closing.is_set():
            try:
                if not self.connection.recv(1):
                    return
            except TimeoutError:
                continue


def _chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"
