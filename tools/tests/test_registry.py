import json

import pytest
from jsonschema import Draft202012Validator

from tools.registry import all_tools, complaint, model_tools

pytestmark = pytest.mark.django_db


def test_the_tools_are_those_of_the_product_in_a_stable_order() -> None:
    names = [tool["name"] for tool in model_tools()]
    assert names[:8] == [
        "shell", "file_read", "file_write", "file_delete", "file_list", "file_search", "http_request", "secret_list",
    ]  # fmt: skip
    assert names == list(all_tools())


def test_the_built_in_tools_stay_small_in_every_prompt() -> None:
    assert len(json.dumps(model_tools()[:8])) < 1760


def test_every_schema_is_valid_and_every_tool_described() -> None:
    for tool in model_tools():
        Draft202012Validator.check_schema(tool["input_schema"])
        assert tool["description"].endswith(".")


def test_good_arguments_raise_no_complaint() -> None:
    assert complaint(all_tools()["shell"], {"command": "ls", "timeout": 5}) == ""
    assert "timeout" in complaint(all_tools()["shell"], {"command": "ls", "timeout": "long"})
    assert "object" in complaint(all_tools()["shell"], ["ls"])
