"""A server that misbehaves as it is told to: `python wayward.py MARK [MODE]`; by the mark a test finds its process.

It speaks the protocol of 2025-11-25 by hand, so that it can break it, and starts in 50 ms.

Its tools stand in tools.json of its folder, when there is one, so that a test can change them.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

MODE = sys.argv[2] if len(sys.argv) > 2 else ""
TOOLS = Path("tools.json")
LOG = Path("wayward.log")
OBJECT = {"type": "object", "properties": {"text": {"type": "string"}}}
NAMES = ("echo", "sleep", "die", "flood", "ask", "secret", "error", "broken", "grow")


def say(**message: object) -> None:
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)


def log(line: str) -> None:
    with LOG.open("a") as file:
        file.write(line + "\n")


def tools() -> list[dict[str, object]]:
    if TOOLS.exists():
        return json.loads(TOOLS.read_text())
    return [{"name": name, "description": f"It can {name}.", "inputSchema": OBJECT} for name in NAMES]


def text(words: str) -> dict[str, object]:
    return {"content": [{"type": "text", "text": words}]}


def ask(request: dict) -> dict[str, object]:
    form = {"type": "object", "properties": {"colour": {"type": "string", "enum": ["red", "blue"]}}}
    say(id="q1", method="elicitation/create", params={"message": "Which colour?", "requestedSchema": form})
    for line in sys.stdin:
        answer = json.loads(line)
        if answer.get("id") == "q1":
            log(f"answer {answer['result']['action']}")
            return text(f"{answer['result']['action']} {answer['result'].get('content')}")
    raise SystemExit


def call(request: dict) -> dict[str, object] | None:
    name, arguments = request["params"]["name"], request["params"].get("arguments", {})
    log(f"call {name}")
    if name == "sleep":
        return None  # answered never; whoever waits cancels
    if name == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if name == "flood":
        while True:
            say(method="notifications/message", params={"level": "info", "data": "x" * 100_000})
    if name == "ask":
        return ask(request)
    if name == "secret":
        return text(f"{os.environ.get('TOKEN')} {sorted(os.environ)}")
    if name == "grow":
        TOOLS.write_text(json.dumps([*tools(), {"name": "new", "description": "New.", "inputSchema": OBJECT}]))
        say(method="notifications/tools/list_changed")
    if name == "broken":
        return {"content": "no list"}
    return text(arguments.get("text", ""))


def answer(request: dict) -> None:
    method = request["method"]
    if method == "initialize":
        info = {"name": "wayward", "version": "1"}
        say(
            id=request["id"],
            result={
                "protocolVersion": "2025-11-25",
                "capabilities": {"tools": {"listChanged": True}},
                "serverInfo": info,
            },
        )
    elif method == "tools/list":
        say(id=request["id"], result={"tools": tools()})
    elif method == "tools/call" and request["params"]["name"] == "error":
        say(id=request["id"], error={"code": -32000, "message": "Not today"})
    elif method == "tools/call":
        result = call(request)
        if result is not None:
            say(id=request["id"], result=result)
    elif method == "notifications/cancelled":
        log("cancelled")
    elif "id" in request:
        say(id=request["id"], error={"code": -32601, "message": "Method not found"})


def main() -> None:
    print("wayward is up", file=sys.stderr, flush=True)
    if MODE == "silent":
        time.sleep(600)
    if MODE == "ends":
        sys.exit("There is no such file.")
    if MODE == "greets":
        print("Welcome!\n")
    while MODE == "garbage":
        print("This is not JSON.")
    if MODE == "endless":
        while True:
            sys.stdout.write("x" * 65536)
    for line in sys.stdin:
        answer(json.loads(line))


main()
