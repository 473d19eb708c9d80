"""The model stand-in of the benches: `python -m bench.support.model` prints its address and ends with its input.

It answers as llm/scripted/bench.py does and notes when it was asked what. A message with "[slow 60]" in it makes its
work (not its classification) take 60 seconds, so that workers can be kept busy.
"""

import json
import re
import sys
import time
from dataclasses import replace
from typing import Any

from llm.scripted import Reply, ScriptedModel, reading
from llm.scripted.bench import bench_script

SLOW = re.compile(r"\[slow (\d+)\]")


def main() -> None:
    asked: list[tuple[int, str, str]] = []

    def script(request: dict[str, Any]) -> Reply:
        purpose = "work" if reading.wanted_schema(request) is None else "classify"
        text = reading.new_messages(request)[-1]
        asked.append((time.monotonic_ns(), purpose, text[:80]))
        reply = bench_script(request)
        slow = SLOW.search(text)
        return replace(reply, delay=float(slow[1])) if slow and purpose == "work" else reply

    with ScriptedModel(script, models=("",), keep=False) as model:
        print(model.url, flush=True)
        for _ in sys.stdin:
            told, asked[:] = list(asked), []
            print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
