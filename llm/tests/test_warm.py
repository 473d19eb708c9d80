from llm.gateway import warm_up
from llm.providers import anthropic as provider


def test_warming_up_leaves_no_client_behind():
    before = dict(provider._clients)
    warm_up()
    assert provider._clients == before
