"""How long those wait longest who were waiting when something was killed."""

from bisect import bisect_left, bisect_right
from collections import defaultdict

from bench.support.figures import spread
from bench.support.reckoning.after import After

Times = dict[int, list[int]]


def recovery(after: After) -> None:
    """From a kill until each chat that waited for the bot at that moment has heard from it; where none waited, from the
    next message or press until the bot's reaction to it. The faults beside the kills count in full."""
    asked, heard = _times(after.crowd["asked"]), _times([[one[0], one[3]] for one in after.crowd["heard"]])
    waits = [_wait(kill.ns, asked, heard) for kill in after.storm.kills]
    found = [wait / 1e9 for wait in waits if wait is not None]
    if not found:
        return
    times = spread(found)
    after.note(f"recovery after a kill, s: {times}")
    if after.times_held:
        after.report.at_most("recovery after a kill, median", times.median, 5.0, "s")
        after.report.at_most("recovery after a kill, worst", times.most, 60.0, "s")


def _wait(killed: int, asked: Times, heard: Times) -> int | None:
    waiting = [chat for chat in asked if _last(asked[chat], killed) > _last(heard[chat], killed)]
    if waiting:
        return max((_next(heard[chat], killed) or killed) - killed for chat in waiting)
    after = [(at, chat) for chat in asked if (at := _next(asked[chat], killed))]
    if not after:
        return None
    at, chat = min(after)
    reaction = _next(heard[chat], at)
    return reaction and reaction - at


def _times(pairs: list[list[int]]) -> Times:
    found: Times = defaultdict(list)
    for chat, at in pairs:
        found[chat].append(at)
    return defaultdict(list, {chat: sorted(times) for chat, times in found.items()})


def _last(times: list[int], before: int) -> int:
    place = bisect_left(times, before)
    return times[place - 1] if place else 0


def _next(times: list[int], after: int) -> int | None:
    place = bisect_right(times, after)
    return times[place] if place < len(times) else None
