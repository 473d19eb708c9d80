"""A connection to one server: opened, listed, called, closed. Everything here runs on the background event loop."""

import asyncio
import contextlib
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import mcp_types as types
from mcp import Client, MCPError
from pydantic import TypeAdapter, ValidationError

from common.text import redact, shorten
from tools.mcp import results, wire
from tools.mcp.errors import ConnectionEnded, ConnectionGone, ServerTrouble, ServerUnreachable
from tools.mcp.plans import Plan
from tools.mcp.transports import Meter, to_address, to_command
from tools.mcp.values import Answered, Asked, Listing, Offered, Outcome

CONNECT_SECONDS = 20.0
CLOSE_SECONDS = 8.0
MAX_TOOLS = 200
MAX_PAGES = 20
MAX_ROUNDS = 10
ROUND_SECONDS = 0.25
# Nobody answered; the server no longer knows this session.
NOT_TAKEN = (0, 404)
# What the SDK says where a status of HTTP came without an error of the protocol.
STATUS_ALONE = "Server returned an error response"
US = types.Implementation(name="server-agent", version="1")
# The SDK would also check an answer against the server's own schema of it: its patterns would run here.
ANSWER: TypeAdapter[Any] = TypeAdapter(types.CallToolResult | types.InputRequiredResult)


class Session:
    """Owned by a task of its own, because what the SDK opens must be closed by the task that opened it.

    `filled` is `plan` with its secrets, used once. `stale`: the server said that its tools have changed. `ended`:
    nothing can be asked of it any more.
    """

    def __init__(self, plan: Plan, filled: Plan, workspace: Path) -> None:
        self.plan = plan
        self.stale = self.ended = False
        self._workspace = workspace
        self._meter = Meter()
        self._turn = asyncio.Lock()
        self._closing = asyncio.Event()
        self._used_at = 0.0
        self._given: Sequence[Answered] = ()
        self._asked: list[Asked] = []
        self._client: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        self._owner = asyncio.create_task(self._own(filled))

    async def open(self) -> Listing:
        """Waits until it is connected; what the server offers. Raises ServerUnreachable."""
        try:
            await asyncio.shield(self._client)
            return await self.listing()
        except BaseException:
            await self.close()
            raise

    def serves(self, plan: Plan) -> bool:
        """Whether this connection can be used for a call by that plan."""
        return not self.ended and not self._meter.has_ended() and self.plan == plan

    async def listing(self) -> Listing:
        """All tools of the server, at most 200. Raises ServerUnreachable."""
        async with self._turn:
            self.stale = False
            self._meter.spoken_to()
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    return await self._list(await self._client)
            except (MCPError, ValidationError, TimeoutError, OSError) as error:
                raise ServerUnreachable(self._words(error)) from error

    async def call(self, name: str, arguments: dict[str, Any], given: Sequence[Answered]) -> Outcome:
        """Calls a tool; one call at a time. A cancelled one is cancelled at the server too.

        `given`: a person's answers to what the server asked when this call was made before.
        Raises ServerTrouble (it refused, or broke the protocol), ConnectionGone (nothing was done), ConnectionEnded
        (nobody knows what has happened).
        """
        async with self._turn:
            if self._meter.has_ended():
                raise ConnectionGone
            self._meter.spoken_to()
            self._given, self._asked = given, []
            try:
                return await self._call(name, arguments)
            except MCPError as error:
                raise self._as_ours(error) from error
            except ValidationError as error:
                raise ServerTrouble("Its answer does not keep to the protocol.") from error
            except (OSError, RuntimeError) as error:
                raise ConnectionEnded(self._words(error)) from error
            finally:
                self._given, self._used_at = (), asyncio.get_running_loop().time()

    async def close(self) -> None:
        """Ends the connection and its process. Safe to repeat."""
        self.ended = True
        self._closing.set()
        done, _ = await asyncio.wait([self._owner], timeout=CLOSE_SECONDS)
        if not done:
            self._owner.cancel()

    async def _own(self, filled: Plan) -> None:
        try:
            async with AsyncExitStack() as stack:
                async with asyncio.timeout(CONNECT_SECONDS):
                    client = await stack.enter_async_context(self._new_client(filled))
                self._client.set_result(client)
                await self._until_unused()
        except BaseException as error:
            if not self._client.done():
                self._client.set_exception(ServerUnreachable(self._words(error)))
                self._client.exception()  # whoever waited may have been cancelled: nobody need look at it
        finally:
            self.ended = True

    async def _until_unused(self) -> None:
        loop = asyncio.get_running_loop()
        self._used_at = loop.time()
        while (left := self._used_at + self.plan.idle_seconds - loop.time()) > 0 or self._turn.locked():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(left, 1.0)):
                    await self._closing.wait()
                    return

    def _new_client(self, plan: Plan) -> Client:
        way = to_address(plan, self._meter) if plan.url else to_command(plan, self._workspace, self._meter)
        return Client(
            way,
            client_info=US,
            cache=None,
            elicitation_callback=self._elicit,
            message_handler=self._hear,
        )

    async def _list(self, client: Client) -> Listing:
        found: list[Offered] = []
        cursor: str | None = None
        for _ in range(MAX_PAGES):
            page = await client.list_tools(cursor=cursor)
            found += [wire.offered(tool) for tool in page.tools]
            cursor = page.next_cursor
            if not cursor or len(found) > MAX_TOOLS:
                break
        info = client.server_info
        return Listing(
            protocol=client.protocol_version,
            version=shorten(f"{info.name} {info.version}", 120) if info else "",
            tools=tuple(found[:MAX_TOOLS]),
            cut=bool(cursor) or len(found) > MAX_TOOLS,
        )

    async def _call(self, name: str, arguments: dict[str, Any]) -> Outcome:
        client = await self._client
        state = next((each.asked.request_state for each in self._given if each.asked.request_state is not None), None)
        responses: Any = {each.asked.key: wire.elicited(each) for each in self._given if each.asked.key} or None
        for _ in range(MAX_ROUNDS):
            params = types.CallToolRequestParams(
                name=name, arguments=arguments, input_responses=responses, request_state=state
            )
            result = await client.session.send_request(types.CallToolRequest(params=params), ANSWER)
            if self._asked:
                return Outcome(questions=tuple(self._asked[: wire.MAX_QUESTIONS]))
            if isinstance(result, types.CallToolResult):
                return await results.outcome_of(result, client)
            if result.input_requests:
                return Outcome(questions=wire.questions_of(result))
            # It only wants to be asked again, with its state.
            responses, state = None, result.request_state
            await asyncio.sleep(ROUND_SECONDS)
        raise ServerTrouble("It wants to be asked again and again.")

    async def _elicit(self, context: Any, params: types.ElicitRequestParams) -> types.ElicitResult:
        """A question during a call: answered when a person has answered it before, else dismissed for now."""
        asked = wire.asked_in(params)
        for each in self._given:
            if each.asked == asked:
                return wire.elicited(each)
        if self._turn.locked():
            self._asked.append(asked)
        return types.ElicitResult(action="cancel")

    async def _hear(self, message: Any) -> None:
        if isinstance(message, types.ToolListChangedNotification):
            self.stale = True

    def _as_ours(self, error: MCPError) -> Exception:
        # The code alone is also what many servers give any error of theirs.
        ended = error.code == types.CONNECTION_CLOSED and error.message == "Connection closed"
        if self._meter.refused in NOT_TAKEN or error.message == STATUS_ALONE:
            self.ended = True
            nothing_done = self._meter.refused is not None
            return ConnectionGone(self._words(error)) if nothing_done else ConnectionEnded(self._words(error))
        if ended or self._meter.trouble:
            self.ended = True
            return ConnectionEnded(self._words(error))
        return ServerTrouble(shorten(redact(error.message), 500))

    def _words(self, error: BaseException) -> str:
        """Why it can't be reached, as a person may read it: our own finding, else the error, and what it printed."""
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        said = self._meter.trouble or _plain(error)
        printed, _ = self._meter.stderr.text()
        last = shorten(redact(printed)[-400:], 300)
        return f"{said} It printed: {last}" if last else said


def _plain(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return f"It did not answer within {CONNECT_SECONDS:g} s."
    if isinstance(error, ServerUnreachable | ServerTrouble | ConnectionEnded):
        return str(error)
    if isinstance(error, MCPError) and error.message == "Connection closed":
        return "It has ended the connection."
    if isinstance(error, ValidationError):
        return "What it says does not keep to the protocol."
    if isinstance(error, asyncio.CancelledError):
        return "The attempt was given up."
    text = shorten(redact(str(error)), 300) or type(error).__name__
    return text if text.endswith(".") else f"{text}."
