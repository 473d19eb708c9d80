"""How long those who were waiting when something was killed waited on."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from statistics import median

from bench.support.figures import spread
from bench.support.reckoning.after import After

Times = dict[int, list[int]]


def recovery(after: After) -> None:
    """From a kill until half of the chats that waited for the bot at that moment have heard from it; where none waited,
    from the next message or press until the bot's reaction. The worst is that of any chat at any kill. What the faults
    beside the kills cost counts in full."""
    asked, heard = _times(after.crowd["asked"]), _times([[one[0], one[3]] for one in after.crowd["heard"]])
    waits = [_waits(kill.ns, asked, heard) for kill in after.storm.kills]
    found = [each for each in waits if each]
    if not found:
        return
    halves, everybody = spread([median(each) for each in found]), spread([wait for each in found for wait in each])
    after.note(f"recovery after a kill, s: {halves}; of each who waited: {everybody}")
    if after.times_held:
        after.report.at_most("recovery after a kill, median", halves.median, after.median_limit, "s")
        after.report.at_most("recovery after a kill, worst of all who waited", everybody.most, 60.0, "s")


def _waits(killed: int, asked: Times, heard: Times) -> list[float]:
    """In seconds, of each chat that waited."""
    waiting = [chat for chat in asked if _last(asked[chat], killed) > _last(heard[chat], killed)]
    if waiting:
        return [(at - killed) / 1e9 for chat in waiting if (at := _next(heard[chat], killed))]
    after = [(at, chat) for chat in asked if (at := _next(asked[chat], killed))]
    if not after:
        return []
    at, chat = min(after)
    reaction = _next(heard[chat], at)
    return [(reaction - at) / 1e9] if reaction else []


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
