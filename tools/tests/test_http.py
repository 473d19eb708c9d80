import pytest

from tools.base import ToolContext
from tools.builtin.fetch import Answer
from tools.builtin.http import UNTRUSTED, answer_text
from tools.errors import AddressRefused
from tools.registry import all_tools


def answer(**fields: object) -> Answer:
    defaults: dict[str, object] = {"status": 200, "url": "https://site.example/", "headers": {}}
    defaults |= {"body": b"", "charset": "utf-8"}
    return Answer(**(defaults | fields))  # type: ignore[arg-type]


@pytest.mark.parametrize("url", ["http://localhost/", "http://127.0.0.1:5432/", "http://169.254.169.254/"])
def test_even_an_approved_request_does_not_reach_this_machine(context: ToolContext, url: str) -> None:
    with pytest.raises(AddressRefused):
        all_tools()["http_request"].run(context, {"method": "get", "url": url, "headers": {"a": 1}, "body": "x"})


def test_the_model_sees_status_type_and_body() -> None:
    text = answer_text(
        answer(headers={"content-type": "text/plain", "location": "/x"}, body=b"hello", note="[A note.]")
    )
    assert (
        text
        == f"HTTP 200 https://site.example/\ncontent-type: text/plain\nlocation: /x\n[A note.]\n{UNTRUSTED}\n\nhello"
    )


def test_what_is_no_text_is_only_measured_and_a_cut_is_said() -> None:
    assert answer_text(answer(body=b"\x89PNG\0\0")).endswith("\n\n[6 bytes that are no text]")
    assert answer_text(answer(body=b"x", cut=True)).endswith("x\n[The answer is longer than 1 MiB: cut.]")
