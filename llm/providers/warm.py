"""Makes the first call of a process as quick as the others.

The SDK imports, and builds its data models, when they are first used: 150 to 300 ms, once a process. Done in the parent
before it forks, it costs that once in all, and the children share the memory.
"""

import asyncio

from llm.providers import anthropic as provider
from llm.routing import Route
from llm.scripted import ScriptedModel, call_tool

ARGUMENTS = {"command": "true"}
BODY = {
    "model": "demo",
    "max_tokens": 100,
    "system": [{"type": "text", "text": "Warm up."}],
    "tools": [{"name": "shell", "description": "", "input_schema": {"type": "object", "properties": {}}}],
    "messages": [{"role": "user", "content": "Hello."}],
}


def warm() -> None:
    """One call to a scripted model inside of this process, with text and a tool call. Leaves no client, thread or event
    loop behind; to be called before the fork. Nothing leaves the machine, and nothing is charged."""
    with ScriptedModel(lambda request: call_tool("shell", ARGUMENTS, text="Hello.")) as model:
        asyncio.run(_call(Route(model="demo", provider="demo", base_url=model.url, api_key="warm")))


async def _call(route: Route) -> None:
    client = provider.client_for(route)
    try:
        await provider.stream(route=route, body=BODY, silence_limit=10.0, on_text=None)
    finally:
        provider.forget(route)
        await client.close()
