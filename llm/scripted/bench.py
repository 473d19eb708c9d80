"""The benchmarks' script: a fixed classification, and one short text that names the message it answers."""

from typing import Any

from llm.scripted import reading
from llm.scripted.replies import Reply, json_answer, say

CLASSIFIED = {
    "intent": "question",
    "summary": "A question for the benchmark",
    "plan": ["Answer it in one sentence"],
    "commands": [],
    "needs_confirmation": False,
    "confidence": 1.0,
}
ECHOED = 80


def bench_script(request: dict[str, Any]) -> Reply:
    """No tools, no thinking: what is measured is everything around the model."""
    schema = reading.wanted_schema(request)
    if schema is not None:
        return json_answer(reading.fit(CLASSIFIED, schema))
    return say(f"Benchmark answer to: {reading.new_messages(request)[-1][:ECHOED]}")
