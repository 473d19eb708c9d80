from llm.health import model_check
from llm.routing import DEMO_URL_FILE
from llm.scripted import ScriptedModel
from llm.scripted.demo import demo_script
from llm.scripted.serve import write_url

NAMES = ("ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN", "HAIKU_API_KEY", "ANTHROPIC_BASE_URL")


def test_the_demo_model_is_asked_for_and_missed(settings, tmp_path):
    for name in NAMES:
        setattr(settings, name, "")
    settings.DATA_DIR = tmp_path
    assert "isn't running" in model_check().reason
    with ScriptedModel(demo_script) as demo:
        write_url(tmp_path / DEMO_URL_FILE, demo.url)
        assert model_check().level == "ok"
    assert "does not answer" in model_check().reason


def test_a_missing_key_is_told(settings):
    for name in NAMES:
        setattr(settings, name, "")
    settings.HAIKU_API_KEY = "small"
    assert (model_check().level, "ANTHROPIC_API_KEY" in model_check().reason) == ("degraded", True)


def test_a_real_model_is_not_called_for_a_check(settings):
    settings.ANTHROPIC_API_KEY = "key"
    assert model_check().level == "ok"
