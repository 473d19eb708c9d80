"""The model stand-in of `bench/chaos`: `python -m bench.support.unsteady` prints its address and ends with its input.

It knows the crowd's sentences (see bench/support/crowd.py), and each line of its input is an order in JSON:
`{"fail": {...}}` and `{"cut": {...}}` with the arguments of ScriptedModel, `{"told": {}}` for what it has received.
"""

import json
import re
import sys
from dataclasses import dataclass
from typing import Any
from zlib import crc32

from bench.support.outside import Outside
from llm.scripted import Received, Reply, ScriptedModel, json_answer, reading, say
from llm.scripted.faults import End
from llm.scripted.replies import call_tools

TOKEN = re.compile(r"\b(?:Ask|Do|Later) (k\d+x\d+k)\b")
ACTS = re.compile(r"\b(Do|Later) (k\d+x\d+k)\b")
EFFECTS = "effects.txt"
SLOW_SECONDS = 0.25
"""Between two events of a stream; an answer has about six."""


def command(token: str) -> str:
    """What a "Do" comes to: it leaves a line each time it runs, some a while after they began."""
    wait = "sleep 0.6 && " if crc32(token.encode()) % 3 == 0 else ""
    return f"{wait}echo {token} >> {EFFECTS}"


def crowd_script(request: dict[str, Any]) -> Reply:
    """A classification, a call for each deed, or an answer that names every message it answers."""
    text = "\n".join(reading.new_messages(request))
    deeds = ACTS.findall(text)
    schema = reading.wanted_schema(request)
    if schema is not None:
        return json_answer(reading.fit(_classified(text, deeds), schema))
    if results := reading.tool_results(request):
        return say(f"{answer_to(text)} {_told(results)}", pause=_pause(text))
    if deeds:
        return call_tools([("shell", {"command": command(token)}) for _, token in deeds])
    return say(answer_to(text), pause=_pause(text))


def _pause(text: str) -> float:
    """Every fourth answer comes slowly, so that there is something to kill in the middle."""
    return SLOW_SECONDS if crc32(text.encode()) % 4 == 0 else 0.0


def answer_to(text: str) -> str:
    return f"Answered: {', '.join(TOKEN.findall(text))}."


def _told(results: list[tuple[dict[str, Any], dict[str, Any]]]) -> str:
    broken = [reading.result_text(result)[:100] for _, result in results if result.get("is_error")]
    return f"({'; '.join(broken)})" if broken else "(all calls went well)"


def _classified(text: str, deeds: list[tuple[str, str]]) -> dict[str, Any]:
    """A "Do" has its command in the plan, so that its OK permits it; a "Later" has not, and is asked about again."""
    return {
        "intent": "command" if deeds else "question",
        "summary": f"Something about {', '.join(TOKEN.findall(text))}",
        "plan": ["Do what is asked"],
        "commands": [command(token) for word, token in deeds if word == "Do"],
        "needs_confirmation": bool(deeds),
        "confidence": 1.0,
    }


class UnsteadyModel(ScriptedModel):
    """Remembers of each request only its id, its status and its tokens."""

    def __init__(self) -> None:
        super().__init__(crowd_script, models=("",), keep=False)
        self.told: list[tuple[str, int, int]] = []

    def received(self, record: Received) -> None:
        self.told.append((record.request_id, record.status, _tokens(record.usage or {})))

    def obey(self, order: dict[str, Any]) -> Any:
        if "fail" in order:
            self.fail_next(**order["fail"])
        elif "cut" in order:
            self.cut_next(**order["cut"] | {"end": End(order["cut"]["end"])})
        elif "slow" in order:
            self.pause = order["slow"]
        elif "clear" in order:
            while self.faults.take() is not None:
                pass
        else:
            return [list(self.told), [repr(error) for error in self.errors]]
        return None


def _tokens(usage: dict[str, Any]) -> int:
    parts = ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    return sum(int(usage.get(part) or 0) for part in parts)


@dataclass(frozen=True, kw_only=True)
class Call:
    """A request as the stand-in received it: `tokens` is what it counted, 0 where it refused."""

    request_id: str
    status: int
    tokens: int


class Unsteady(Outside):
    """The same from the driver's side."""

    module = "bench.support.unsteady"

    def order(self, **order: Any) -> Any:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return json.loads(self._line())

    def calls(self) -> list[Call]:
        told, broken = self.order(told={})
        if broken:
            raise RuntimeError(f"The script of the model stand-in failed: {broken[:3]}")
        return [Call(request_id=name, status=status, tokens=tokens) for name, status, tokens in told]


def main() -> None:
    model = UnsteadyModel()
    with model:
        print(model.url, flush=True)
        for line in sys.stdin:
            print(json.dumps(model.obey(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
