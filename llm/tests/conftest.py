import importlib
from collections.abc import Callable, Iterator

import pytest
from django.apps import apps

from budget import prices
from llm import gateway
from llm.scripted import ScriptedModel, say
from llm.types import CallTag, ModelReply, ModelRequest, Purpose, Scope


@pytest.fixture(autouse=True)
def _seeded(request) -> Iterator[None]:
    """The prices and limits of the migration: a test that commits may have emptied the tables before."""
    prices.forget()
    if request.node.get_closest_marker("django_db"):
        request.getfixturevalue("db")
        importlib.import_module("budget.migrations.0002_seed_prices_and_limits").seed(apps, None)
    yield
    prices.forget()


@pytest.fixture
def model(settings) -> Iterator[ScriptedModel]:
    """The stand-in, told what to say by setting its `script`; the product is pointed to it."""
    settings.HAIKU_API_KEY = settings.CLAUDE_CODE_OAUTH_TOKEN = ""
    with ScriptedModel(lambda request: say("Hello there.")) as standing_in:
        settings.ANTHROPIC_BASE_URL = standing_in.url
        settings.ANTHROPIC_API_KEY = "test-key"
        yield standing_in
        assert not standing_in.errors


@pytest.fixture
def ask(db) -> Callable[..., ModelReply]:
    """One call through the gateway; the arguments change the request, `stop` and `on_text` apart."""

    def asked(*, stop=lambda: False, on_text=None, scope=Scope.REACTIVE, **changes: object) -> ModelReply:
        given = {
            "purpose": Purpose.WORK,
            "system": "You are an agent.",
            "messages": [{"role": "user", "content": "Hi."}],
            "max_tokens": 200,
            "time_limit": 20.0,
            "silence_limit": 10.0,
        }
        tag = CallTag(scope=scope, job_ref="job:1", thread_ref="thread:2", person_ref="person:3")
        return gateway.call(ModelRequest(**(given | changes)), tag=tag, stop=stop, on_text=on_text)

    return asked
