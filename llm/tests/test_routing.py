import pytest

from llm.errors import ModelRejected
from llm.routing import model_for
from llm.types import Purpose


@pytest.fixture(autouse=True)
def _nothing_set(settings):
    for name in ("ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN", "HAIKU_API_KEY", "ANTHROPIC_BASE_URL"):
        setattr(settings, name, "")


def test_the_key_of_the_small_model_falls_back(settings):
    settings.ANTHROPIC_API_KEY = "main"
    assert model_for(Purpose.CLASSIFY).api_key == "main"
    settings.HAIKU_API_KEY = "small"
    assert model_for(Purpose.CLASSIFY).api_key == "small"
    assert model_for(Purpose.WORK).api_key == "main"


def test_a_key_goes_before_a_subscription_token(settings):
    settings.CLAUDE_CODE_OAUTH_TOKEN = "token"
    assert (model_for(Purpose.WORK).api_key, model_for(Purpose.WORK).auth_token) == ("", "token")
    settings.ANTHROPIC_API_KEY = "main"
    assert (model_for(Purpose.WORK).api_key, model_for(Purpose.WORK).auth_token) == ("main", "")


def test_work_with_only_the_small_models_key_says_what_is_missing(settings):
    settings.HAIKU_API_KEY = "small"
    assert model_for(Purpose.CLASSIFY).api_key == "small"
    with pytest.raises(ModelRejected, match="Set ANTHROPIC_API_KEY"):
        model_for(Purpose.WORK)


@pytest.mark.parametrize(
    ("url", "provider"),
    [
        ("", "anthropic"),
        ("https://openrouter.ai/api", "openrouter"),
        ("http://127.0.0.1:11434", "127.0.0.1"),
    ],
)
def test_the_provider_is_named_by_the_address(settings, url, provider):
    settings.ANTHROPIC_API_KEY, settings.ANTHROPIC_BASE_URL = "key", url
    assert model_for(Purpose.WORK).provider == provider


def test_a_server_of_ones_own_needs_no_key(settings):
    settings.ANTHROPIC_BASE_URL = "http://127.0.0.1:11434"
    assert model_for(Purpose.WORK).api_key
