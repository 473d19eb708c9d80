from llm.providers import anthropic as provider
from llm.warm import warm


def test_warming_up_leaves_no_client_behind():
    before = dict(provider._clients)
    warm()
    assert provider._clients == before
