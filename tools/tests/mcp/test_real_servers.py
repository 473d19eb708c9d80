"""Servers that nobody here wrote, from the npm registry, and one made with the SDK."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tools.mcp import catalog, questions
from tools.models import ExecutionState, McpQuestion, McpServer, McpTool, ToolExecution

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("connected", "bubblewrap")]
Execute = Callable[..., ToolExecution]
MODERN = Path(__file__).with_name("modern.py")


@pytest.fixture
def real(npm: Path, server: Callable[..., McpServer]) -> Callable[..., McpServer]:
    """A server of npm's, listed, with all its tools allowed."""

    def made(name: str, *args: str, **fields: object) -> McpServer:
        seen = [str(npm.parent)] if str(npm).startswith(("/root", "/tmp")) else []
        given = {"command": "node", "args": [str(npm / f"mcp-server-{name}"), *args], "readable": seen}
        row = catalog.server_check(server(name, **(given | fields)))
        assert row.state == McpServer.State.CONNECTED, row.last_error
        row.tools.update(verdict=McpTool.Verdict.ALLOW)
        return row

    return made


def test_everything_over_stdio(real, execute: Execute, workspace: Path) -> None:
    row = real("everything")
    assert row.protocol == "2025-11-25"
    assert execute("everything__echo", message="hello").output == "Echo: hello"
    assert '"temperature"' in execute("everything__get-structured-content", "c2", location="New York").output
    image = execute("everything__get-tiny-image", "c3").output
    kept = workspace / image.partition("kept as ")[2].partition("]")[0]
    assert kept.read_bytes().startswith(b"\x89PNG")
    links = execute("everything__get-resource-links", "c4", count=2).output
    assert "This is a plaintext resource" in links
    environment = execute("everything__get-env", "c5").output
    assert str(workspace) in environment
    assert "DJANGO" not in environment


def test_everything_asks_a_question(real, execute: Execute) -> None:
    real("everything")
    with pytest.raises(questions.QuestionAsked):
        execute("everything__trigger-elicitation-request")
    question = McpQuestion.objects.get()
    assert "email: Your email address" in questions.text_of(question)
    with pytest.raises(questions.BadAnswer, match="integer"):
        questions.question_answer(question_id=question.pk, choice="ok", note="name = Olga\ninteger = many")
    questions.question_answer(question_id=question.pk, choice="ok", note="name = Olga\ncheck = yes\ninteger = 7")
    output = execute("everything__trigger-elicitation-request").output
    assert "Olga" in output


def test_filesystem_keeps_to_its_root(real, execute: Execute, workspace: Path) -> None:
    real("filesystem", ".")
    (workspace / "notes.txt").write_text("milk")
    execution = execute("filesystem__read_text_file", path="notes.txt")
    assert (execution.state, execution.output) == (ExecutionState.DONE, "milk")
    denied = execute("filesystem__read_text_file", "c2", path="/etc/passwd")
    assert denied.state == ExecutionState.FAILED
    assert "outside allowed directories" in denied.output


def test_filesystem_with_the_whole_disk_sees_no_data_of_ours(real, execute: Execute, settings) -> None:
    """Its own root is everything: the sandbox holds where the server would not."""
    settings.DATA_DIR.mkdir(exist_ok=True)
    (settings.DATA_DIR / "secret-key").write_text("the-key-of-this-service")
    real("filesystem", "/")
    assert execute("filesystem__read_text_file", path="/etc/hostname").state == ExecutionState.DONE
    for number, path in enumerate([settings.DATA_DIR / "secret-key", "/etc/shadow", "/root/.ssh/id_rsa"]):
        assert execute("filesystem__read_text_file", f"d{number}", path=str(path)).state == ExecutionState.FAILED
    written = execute("filesystem__write_file", "w1", path="/etc/motd", content="x")
    assert written.state == ExecutionState.FAILED


def test_memory_keeps_what_it_is_told(real, execute: Execute, workspace: Path) -> None:
    real("memory", variables={"MEMORY_FILE_PATH": str(workspace / "memory.jsonl")})
    entity = {"name": "Olga", "entityType": "person", "observations": ["owns the server"]}
    assert execute("memory__create_entities", entities=[entity]).state == ExecutionState.DONE
    assert "owns the server" in execute("memory__search_nodes", "c2", query="Olga").output
    assert "Olga" in (workspace / "memory.jsonl").read_text()


@pytest.fixture
def address(npm: Path) -> Iterator[Callable[[], str]]:
    """server-everything over streamable HTTP; each call of it starts it anew on the same port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    running: list[subprocess.Popen[bytes]] = []

    def start() -> str:
        if running:
            end(running.pop())
        command = ["node", str(npm / "mcp-server-everything"), "streamableHttp"]
        environment = {"PORT": str(port), "PATH": os.environ["PATH"]}
        running.append(subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE))
        for line in running[0].stderr or []:
            if b"listening" in line:
                break
        return f"http://127.0.0.1:{port}/mcp"

    yield start
    for process in running:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    process.stderr.close()


def test_everything_over_streamable_http(address, server, execute: Execute) -> None:
    row = server("web", transport="http", url=address(), command="", args=[])
    row = catalog.server_check(row)
    assert row.state == McpServer.State.CONNECTED, row.last_error
    row.tools.update(verdict=McpTool.Verdict.ALLOW)
    assert execute("web__echo", message="hello").output == "Echo: hello"
    with pytest.raises(questions.QuestionAsked):
        execute("web__trigger-elicitation-request", "q1")


def test_an_address_where_nobody_answers_is_down(server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    row = catalog.server_check(server("web", transport="http", url=f"http://127.0.0.1:{port}/mcp", command="", args=[]))
    assert row.state == McpServer.State.DOWN
    assert row.last_error


def test_a_server_that_has_been_restarted_is_connected_to_anew(address, server, execute: Execute) -> None:
    row = server("web", transport="http", url=address(), command="", args=[])
    catalog.server_check(row).tools.update(verdict=McpTool.Verdict.READ)
    assert execute("web__echo", message="one").output == "Echo: one"
    address()
    assert execute("web__echo", "c2", message="two").output == "Echo: two"


@pytest.fixture
def modern(server) -> McpServer:
    row = catalog.server_check(server("modern", args=[str(MODERN)]))
    assert row.protocol == "2026-07-28", row.last_error
    row.tools.update(verdict=McpTool.Verdict.ALLOW)
    return row


def test_a_question_of_the_newest_protocol_is_continued_with_its_state(modern, execute: Execute) -> None:
    assert modern.args == [str(MODERN)]
    assert sys.executable == modern.command
    with pytest.raises(questions.QuestionAsked):
        execute("modern__paint")
    questions.question_answer(question_id=McpQuestion.objects.get().pk, choice="ok", note="blue")
    assert "half painted: accept {'colour': 'blue'}" in execute("modern__paint").output


@pytest.mark.usefixtures("modern")
def test_no_server_gets_at_the_model(execute: Execute) -> None:
    execution = execute("modern__think")
    assert execution.state == ExecutionState.FAILED
    assert "no server may" in execution.output
