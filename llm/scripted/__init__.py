"""A Messages API server on loopback whose answers come from a script: for tests, benchmarks, and the demo model.

with ScriptedModel(lambda request: say("Hello.")) as model:
    ...  # point ANTHROPIC_BASE_URL to model.url
    assert model.requests[0].body["max_tokens"] == 100
"""

from llm.scripted.replies import Received, Reply, Script, call_tool, json_answer, say
from llm.scripted.server import ScriptedModel

__all__ = ["Received", "Reply", "Script", "ScriptedModel", "call_tool", "json_answer", "say"]
