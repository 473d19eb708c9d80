"""The two ways to a server, as the SDK wants them: a pair of streams of messages.

The SDK's own way to a command inherits variables of ours, reads lines of any length, and writes a log entry for each
line that is no message; so the command's is made here, on the same pair of streams.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
import mcp_types
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.message import SessionMessage

from tools.confinement import process
from tools.confinement.capture import HeadTail
from tools.mcp.errors import ServerTrouble
from tools.mcp.plans import Plan, command_line, environment

MAX_MESSAGE = 8 * 1024**2
"""Bytes of one message."""
MAX_TRAFFIC = 32 * 1024**2
"""Bytes that a server may send until it is next spoken to."""
MAX_GARBAGE = 100
"""Lines that are no message: some servers greet on stdout."""
CLOSE_SECONDS = 1.0
HTTP_SECONDS = 30.0
KEPT_OF_STDERR = 2_000


class Meter:
    """Counts what a server sends, and keeps the reason for which its connection was ended.

    `over`: a command has closed its output; `pid` is its process. `refused`: an address took no request: the status of
    HTTP, or 0 where nobody answered.
    """

    def __init__(self) -> None:
        self.bytes = self.garbage = 0
        self.trouble = ""
        self.over = False
        self.pid: int | None = None
        self.refused: int | None = None
        self.stderr = HeadTail(KEPT_OF_STDERR)

    def has_ended(self) -> bool:
        """Whether the command is gone. Asked of the system: the event loop may not have heard of it yet."""
        if self.over or self.pid is None:
            return self.over
        try:
            return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except ChildProcessError:  # waited for already
            return True

    def spoken_to(self) -> None:
        self.bytes, self.refused = 0, None

    def count(self, size: int) -> None:
        self.bytes += size
        if self.bytes > MAX_TRAFFIC:
            self.end("It floods its output.")

    def end(self, trouble: str) -> None:
        self.trouble = self.trouble or trouble
        raise ServerTrouble(self.trouble)


Streams = tuple[Any, Any]


@asynccontextmanager
async def to_command(plan: Plan, workspace: Path, meter: Meter) -> AsyncIterator[Streams]:
    """Starts the server, confined and with a scrubbed environment; ends it and all that it started. Raises OSError."""
    running = await asyncio.create_subprocess_exec(
        *command_line(plan, workspace),
        cwd=workspace,
        env=environment(plan, workspace),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=MAX_MESSAGE,
        start_new_session=True,
    )
    meter.pid = running.pid
    incoming, from_server = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    to_server, outgoing = anyio.create_memory_object_stream[SessionMessage](0)
    tasks = [
        asyncio.create_task(_read(running, incoming, meter)),
        asyncio.create_task(_write(running, outgoing)),
        asyncio.create_task(_keep_stderr(running, meter)),
    ]
    try:
        yield from_server, to_server
    finally:
        with anyio.CancelScope(shield=True):
            await _end(running)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for stream in (incoming, from_server, to_server, outgoing):
                stream.close()


async def _read(running: asyncio.subprocess.Process, incoming: Any, meter: Meter) -> None:
    """Until the server's stdout ends or breaks the rules; then the session learns that it has ended."""
    assert running.stdout is not None
    with incoming, contextlib.suppress(ServerTrouble, anyio.BrokenResourceError, ConnectionError):
        while line := await _line(running.stdout, meter):
            meter.count(len(line))
            if (message := _message(line)) is not None:
                await incoming.send(SessionMessage(message))
            elif line.strip():
                meter.garbage += 1
                if meter.garbage > MAX_GARBAGE:
                    meter.end("It prints what is no message of the protocol.")
    meter.over = True


async def _line(stdout: asyncio.StreamReader, meter: Meter) -> bytes:
    try:
        return await stdout.readline()
    except ValueError:
        meter.end(f"It sent a message of more than {MAX_MESSAGE:,} bytes.")
        return b""


def _message(line: bytes) -> Any:
    try:
        return mcp_types.jsonrpc_message_adapter.validate_json(line, by_name=False)
    except ValueError:
        return None


async def _write(running: asyncio.subprocess.Process, outgoing: Any) -> None:
    assert running.stdin is not None
    with outgoing, contextlib.suppress(OSError):
        async for sent in outgoing:
            data = sent.message.model_dump_json(by_alias=True, exclude_unset=True)
            running.stdin.write(data.encode() + b"\n")
            await running.stdin.drain()


async def _keep_stderr(running: asyncio.subprocess.Process, meter: Meter) -> None:
    assert running.stderr is not None
    while data := await running.stderr.read(65536):
        meter.stderr.feed(data)


async def _end(running: asyncio.subprocess.Process) -> None:
    """As the protocol wants it: its stdin is closed, then it is told, then it is killed."""
    if running.stdin is not None:
        running.stdin.close()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CLOSE_SECONDS):
            await running.wait()
    if running.returncode is None:
        await asyncio.to_thread(process.end_tree, running.pid)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await running.wait()
    # A pipe that nobody has read to its end would stay open; nothing public closes it.
    running._transport.close()  # type: ignore[attr-defined]


@asynccontextmanager
async def to_address(plan: Plan, meter: Meter) -> AsyncIterator[Streams]:
    """Streamable HTTP. Nothing of the environment counts, no proxy and no netrc; the SDK follows no redirect away."""
    timeout = httpx2.Timeout(HTTP_SECONDS, read=None)  # a call's answer may take long; its own limit holds
    counting = _Counting(httpx2.AsyncHTTPTransport(), meter)
    async with (
        httpx2.AsyncClient(
            transport=counting, headers=dict(plan.variables), timeout=timeout, trust_env=False
        ) as client,
        streamable_http_client(plan.url, http_client=client, max_sse_event_size=MAX_MESSAGE) as streams,
    ):
        yield streams


class _Counting(httpx2.AsyncBaseTransport):
    """Counts what comes in: the SDK bounds an event, but no other answer."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, meter: Meter) -> None:
        self._inner, self._meter = inner, meter

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        try:
            response = await self._inner.handle_async_request(request)
        except httpx2.ConnectError:
            self._meter.refused = 0
            raise
        if request.method == "POST" and 400 <= response.status_code < 500:
            self._meter.refused = response.status_code
        response.stream = _CountedStream(response.stream, self._meter)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


class _CountedStream(httpx2.AsyncByteStream):
    def __init__(self, inner: Any, meter: Meter) -> None:
        self._inner, self._meter = inner, meter

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._inner:
            try:
                self._meter.count(len(chunk))
            except ServerTrouble as trouble:
                raise httpx2.ReadError(str(trouble)) from trouble
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()
