import pytest

from llm.errors import ModelKeyRefused, ModelRejected
from llm.health import MODEL, model_check
from llm.routing import DEMO_URL_FILE
from llm.scripted import ScriptedModel
from llm.scripted.demo import demo_script
from llm.scripted.serve import write_url
from ops import connections
from ops.models import Connection

pytestmark = pytest.mark.django_db
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


@pytest.fixture
def _fresh_process():
    connections.forget()
    yield
    connections.forget()


@pytest.mark.usefixtures("_fresh_process")
def test_a_refused_key_is_down_at_once_and_a_good_call_ends_that(model, ask):
    model.fail_next(401)
    with pytest.raises(ModelKeyRefused):
        ask()
    row = Connection.objects.get(name=MODEL)
    assert (row.state, "ANTHROPIC_API_KEY" in row.last_error) == ("down", True)
    assert (model_check().level, "is down since" in model_check().reason) == ("degraded", True)
    ask()
    assert model_check().level == "ok"


@pytest.mark.usefixtures("_fresh_process")
def test_a_request_that_is_refused_was_answered(model, ask):
    model.fail_next(400)
    with pytest.raises(ModelRejected):
        ask()
    assert Connection.objects.get(name=MODEL).state == "connected"
