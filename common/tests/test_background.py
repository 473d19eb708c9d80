import asyncio
import threading

import pytest

from common import background
from common.errors import Stopped


async def double(number: int) -> int:
    await asyncio.sleep(0)
    return number * 2


def test_it_returns_the_result_of_a_coroutine():
    assert background.run(double(4)) == 8


def test_it_passes_an_error_on():
    async def broken() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        background.run(broken())


def test_it_cancels_and_waits_for_the_clean_up_when_told_to_stop():
    cleaned = threading.Event()

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.set()

    with pytest.raises(Stopped):
        background.run(endless(), stop=lambda: True)
    assert cleaned.is_set()


def test_it_gives_up_after_the_time_limit():
    with pytest.raises(TimeoutError, match=r"within 0\.01 seconds"):
        background.run(asyncio.Event().wait(), timeout=0.01)


def test_it_keeps_one_loop_for_the_process():
    assert background.loop() is background.loop()
