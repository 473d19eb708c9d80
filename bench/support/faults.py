"""What goes wrong outside of the product in `bench/chaos`: at Telegram, at the model, and on the way to PostgreSQL."""

import random
from collections import Counter
from collections.abc import Callable

from bench.support.crowded import CrowdSide
from bench.support.population import Population
from bench.support.unsteady import Unsteady

Choices = dict[str, Callable[[], object]]


class Faults:
    """`one` orders a fault; the stand-ins meet it with the next request that it fits."""

    def __init__(
        self,
        population: Population,
        telegram: CrowdSide,
        model: Unsteady,
        draw: random.Random,
        *,
        say: Callable[[str], None],
    ) -> None:
        self.population, self.telegram, self.model, self.random, self.say = population, telegram, model, draw, say
        self.done: Counter[str] = Counter()

    def one(self) -> None:
        choices = self.random.choices([self.of_telegram(), self.of_model(), self.of_database()], weights=[5, 5, 1])[0]
        name = self.random.choice(list(choices))
        choices[name]()
        self.done[name] += 1
        self.say(name)

    def calm(self) -> None:
        """Takes back what was ordered and not met yet."""
        self.telegram.bench("calm")
        self.model.order(clear={})

    def of_telegram(self) -> Choices:
        call = self.telegram.call
        return {
            "Telegram: 429 to sends": lambda: self._fail("sendMessage", status=429, n=2, retry_after=1),
            "Telegram: 502 to sends": lambda: self._fail("sendMessage", status=502, n=2),
            "Telegram: 500 to all": lambda: self._fail("*", status=500, n=3),
            "Telegram: cut after a send": lambda: call("reset_after", method="sendMessage"),
            "Telegram: cut before a send": lambda: call("reset_before", method="sendMessage"),
            "Telegram: cut after an edit": lambda: call("reset_after", method="editMessageText"),
            "Telegram: cut while polling": lambda: call("reset_before", method="getUpdates"),
            "Telegram: offline for 3 s": lambda: self.telegram.bench("go_offline", seconds=3.0),
        }

    def of_model(self) -> Choices:
        return {
            "model: 429": lambda: self.model.order(fail={"status": 429, "n": 2, "retry_after": 1}),
            "model: 529": lambda: self.model.order(fail={"status": 529, "n": 2}),
            "model: 500": lambda: self.model.order(fail={"status": 500, "n": 1}),
            "model: cut before its first word": lambda: self._cut(0, "cut"),
            "model: a cut stream": lambda: self._cut(3, "cut"),
            "model: a stream closed early": lambda: self._cut(4, "closed"),
            "model: an error in a stream": lambda: self._cut(2, "error"),
        }

    def of_database(self) -> Choices:
        return {"PostgreSQL: all connections cut": self.population.cut_connections}

    def _fail(self, method: str, **arguments: int) -> None:
        self.telegram.call("fail_next", method=method, **arguments)

    def _cut(self, events: int, end: str) -> None:
        self.model.order(cut={"after_events": events, "n": 1, "end": end})
