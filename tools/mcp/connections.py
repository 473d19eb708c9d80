"""This process's connections: opened at a server's first call, kept while they are used, gone with the process.

A worker's servers die with it, so none is shared and none is left behind; a call after a fork begins anew.
"""

import asyncio
import os
from collections.abc import Coroutine, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from common import background, backoff
from common.errors import StopCheck
from tools.mcp.errors import ConnectionGone, ServerUnreachable
from tools.mcp.plans import Plan, resolved, workspace
from tools.mcp.values import Answered, Listing, Outcome

if TYPE_CHECKING:
    from tools.mcp.sessions import Session

T = TypeVar("T")
TRIES = 3
CHECK_SECONDS = 60.0

_held: dict[int, "Session"] = {}
_owner = 0


def listing(plan: Plan) -> Listing:
    """What the server offers, asked over a connection of its own. Raises ServerUnreachable, SecretError."""
    filled = resolved(plan)

    async def look() -> Listing:
        session = _new(plan, filled)
        found = await session.open()
        await session.close()
        return found

    return _wait(look(), plan, None, CHECK_SECONDS)


def opened(plan: Plan, *, stop: StopCheck, seconds: float, tries: int = TRIES) -> Listing | None:
    """Sees to it that a connection is there; what the server offers when that is news, as at each new connection.

    A failing one is tried a few times, with growing pauses. Raises ServerUnreachable, SecretError, Stopped.
    """
    session = _mine().get(plan.server_id)
    if session is not None and session.serves(plan):
        if not session.stale:
            return None
        return _wait(session.listing(), plan, stop, seconds)
    return _wait(_open(plan, resolved(plan), tries), plan, stop, seconds)


def call(
    plan: Plan, name: str, arguments: dict[str, Any], *, given: Sequence[Answered], stop: StopCheck, seconds: float
) -> Outcome:
    """One call over the connection that `opened` has made.

    Raises ConnectionGone, ConnectionEnded, ServerTrouble, Stopped, and TimeoutError (the call goes on for all we know;
    the connection is closed, and a command ended with it).
    """
    session = _mine().get(plan.server_id)
    if session is None or not session.serves(plan):
        raise ConnectionGone
    try:
        return background.run(session.call(name, arguments, given), stop=stop, timeout=seconds)
    except TimeoutError:
        close(plan.server_id)
        raise


def close(server_id: int) -> None:
    """Ends this process's connection to a server, if it has one."""
    if (session := _mine().pop(server_id, None)) is not None:
        background.run(session.close(), timeout=CHECK_SECONDS)


def close_all() -> None:
    """Ends all connections of this process."""
    for server_id in list(_mine()):
        close(server_id)


async def _open(plan: Plan, filled: Plan, tries: int) -> Listing:
    if (old := _mine().pop(plan.server_id, None)) is not None:
        await old.close()
    for attempt in range(tries):
        session = _mine()[plan.server_id] = _new(plan, filled)
        try:
            return await session.open()
        except ServerUnreachable:
            if attempt == tries - 1:
                raise
        await asyncio.sleep(backoff.delay(attempt))
    raise ServerUnreachable


def _new(plan: Plan, filled: Plan) -> "Session":
    from tools.mcp.sessions import Session

    return Session(plan, filled, workspace())


def _mine() -> dict[int, "Session"]:
    """A fork copies the connections, but neither their loop nor their right to the processes behind them."""
    global _owner
    if _owner != os.getpid():
        _held.clear()
        _owner = os.getpid()
    return _held


def _wait(work: Coroutine[Any, Any, T], plan: Plan, stop: StopCheck | None, seconds: float) -> T:
    try:
        return background.run(work, stop=stop, timeout=seconds)
    except TimeoutError as error:
        raise ServerUnreachable(f"{plan.name} did not answer within {seconds:g} s.") from error
