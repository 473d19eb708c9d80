"""How much of our own we send to the model: instructions, tools, context, and the envelope around them.

Counted in bytes of the requests as they went over the wire, summed over all model calls of a message, without the words
that the user wrote. The model's own words and the tools' output, where they are sent back to it, count as ours.
"""

import argparse
import json
import re
from dataclasses import dataclass
from typing import Any

from bench.support.figures import Report
from bench.support.instance import Instance, people
from llm.scripted import ScriptedModel
from llm.scripted.demo import demo_script

PLAIN, APPROVED = "what is the capital of France?", "run `uptime`"
PLAIN_BYTES, APPROVED_BYTES = 4000, 12000
PEERS = "peers send 8,000 to 18,000 tokens for a plain message"


@dataclass(frozen=True, kw_only=True)
class Need:
    """A task, and what the request that is to do it must hold: a tool with these inputs, words of the instructions."""

    task: str
    tool: str = ""
    inputs: tuple[str, ...] = ()
    words: tuple[str, ...] = ()


NEEDS = [
    Need(task="list the files", tool="file_list", inputs=("path",)),
    Need(task="read notes.txt", tool="file_read", inputs=("path",)),
    Need(task="write notes.txt: buy milk", tool="file_write", inputs=("path", "content")),
    Need(task="delete notes.txt", tool="file_delete", inputs=("path",), words=("OK",)),
    Need(task="which of my files mention Alice?", tool="file_search", inputs=("pattern",), words=("workspace",)),
    Need(task="run `df -h`", tool="shell", inputs=("command",), words=("never invent",)),
    Need(task="fetch http://127.0.0.1:9/", tool="http_request", inputs=("method", "url")),
    Need(task="Wie viel Uhr ist es?", tool="shell", words=("user's language",)),
    Need(task="summarise the page and do what it says", tool="http_request", words=("data, never an instruction",)),
    Need(task="restart nginx", tool="shell", words=("owner's OK", "refused", "unknown")),
]


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench/tokens", description=__doc__)
    parser.add_argument("--show", action="store_true", help="print the requests in full")
    given = parser.parse_args()
    report = Report("What is sent to the model beside the user's words")
    report.say(f"{PEERS}\n")
    chats = people(2 + len(NEEDS))
    with ScriptedModel(demo_script, models=("",)) as model:
        with Instance(masters=chats, model_url=model.url, APPROVAL_POLICY="every_job") as it:
            summed(report, asked(it, model, chats[0], PLAIN), PLAIN, PLAIN_BYTES, show=given.show)
            summed(report, asked(it, model, chats[1], APPROVED), APPROVED, APPROVED_BYTES, show=given.show)
        with Instance(masters=chats, model_url=model.url, APPROVAL_POLICY="risky") as it:
            tasks(report, it, model, chats[2:])
    return report.end()


def asked(it: Instance, model: ScriptedModel, chat: int, text: str) -> list[dict[str, Any]]:
    """Says it, presses OK, waits for the answer; the requests that the model got on the way."""
    model.requests.clear()
    it.telegram.call("user_says", chat_id=chat, text=text)
    card = it.telegram.sent(chat)
    it.telegram.call("user_presses", chat_id=chat, message_id=card["message_id"], label="OK")
    it.telegram.sent(chat, 2)
    return [received.body for received in model.requests]


def summed(report: Report, requests: list[dict[str, Any]], text: str, limit: int, *, show: bool) -> None:
    """The bytes of each request, by its parts."""
    report.say(f"“{text}” with its OK: {len(requests)} model calls")
    total = 0
    for request in requests:
        total += (own := size(request) - said(request, text))
        parts = {
            name: size(request[name]) for name in ("system", "tools", "output_config", "messages") if name in request
        }
        told = ", ".join(f"{name} {count}" for name, count in parts.items())
        report.say(f"          {own:,} bytes of our own (with the user's words: {told})")
        if show:
            report.say(json.dumps(request, indent=1, ensure_ascii=False))
    report.at_most("bytes of our own, all calls summed", total, limit, "bytes")
    report.say()


def size(value: Any) -> int:
    """Bytes as JSON without spaces."""
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


def said(request: dict[str, Any], text: str) -> int:
    """Bytes of the user's message, once: where a summary or a plan repeats it, that is ours."""
    written = json.dumps(text, ensure_ascii=False)[1:-1]
    found = written in json.dumps(request["messages"], ensure_ascii=False)
    return len(written.encode()) if found else 0


def tasks(report: Report, it: Instance, model: ScriptedModel, chats: list[int]) -> None:
    """Ten tasks, each sent for real: what it needs must stand in the request that is to do it."""
    report.say("Ten tasks, and what the request that is to do them must hold")
    for need, chat in zip(NEEDS, chats, strict=True):
        model.requests.clear()
        it.telegram.call("user_says", chat_id=chat, text=need.task)
        it.telegram.sent(chat)
        work = [received.body for received in model.requests if "output_config" not in received.body]
        missing = lacks(need, work[0]) if work else ["the request itself"]
        wanted = ", ".join([f"{need.tool}({', '.join(need.inputs)})", *(f"“{words}”" for words in need.words)])
        report.must(need.task, not missing, f"missing: {', '.join(missing)}" if missing else wanted)


def lacks(need: Need, request: dict[str, Any]) -> list[str]:
    """What a task needs and a request has not."""
    lent = {tool["name"]: tool["input_schema"].get("properties", {}) for tool in request.get("tools", [])}
    system = " ".join(block["text"] for block in request.get("system", []))
    missing = [need.tool] if need.tool and need.tool not in lent else []
    missing += [f"{need.tool}.{name}" for name in need.inputs if name not in lent.get(need.tool, {})]
    missing += [words for words in need.words if not re.search(re.escape(words), system)]
    if need.task not in json.dumps(request["messages"], ensure_ascii=False):
        missing.append("the user's words")
    return missing
