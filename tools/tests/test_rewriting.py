"""However a command is dressed up, what may not run does not run, and nobody is left unasked."""

import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tools.base import ToolCall
from tools.models import Decision
from tools.rules import decide_by_code
from tools.shell.parser import parse
from tools.tests.test_corpora import lines

FEW = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
DENIED = [line for line in lines("dangerous_deny") if "\n" not in line]
ASKED = [line for line in lines("must_not_allow") if "\n" not in line]
BARE = ["rm -rf /", "cat /etc/shadow", "touch x", "git push", "curl https://example.com/", "systemctl stop x"]
WRAPPERS = ["sudo", "env", "nice", "nohup", "timeout 5", "time", "command", "exec", "setsid", "stdbuf -oL", "xargs"]
WRAPPERS += ["busybox", "env A=b", "ionice -c3"]
NESTINGS = [
    "({})",
    "{{ {}; }}",
    "! {}",
    "true && {}",
    "false || {}",
    "{} | cat",
    "ls | {}",
    "{} &",
    "echo $({})",
    'echo "$({})"',
    "echo `{}`",
    "cat <({})",
    "if true; then {}; fi",
    "if {}; then ls; fi",
    "for i in 1 2; do {}; done",
    "while read -r x; do {}; done < notes",
    "case x in *) {};; esac",
    "f() {{ {}; }}; f",
    "{} # just a comment",
    "ls; {}",
    "{} > /dev/null 2>&1",
    "cd sub && {}",
    "x=1; {}",
    "LC_ALL=C {}",
    "ls\n{}",
    "{}\n",
    "true \\\n&& {}",
    "find . -name x -exec {} \\;",
    "timeout 5 bash -c '{}'",
]


def decision(command: str) -> Decision:
    return decide_by_code(ToolCall(call_id="c", name="shell", arguments={"command": command})).decision


@st.composite
def quoted(draw: st.DrawFn, word: str) -> str:
    """The same word to bash, written in another way."""
    if not word or not all(char.isalnum() or char in "-_./:" for char in word):
        return word
    parts = []
    for char in word:
        way = draw(st.sampled_from(["{}", "'{}'", '"{}"', "\\{}", "{}''", '{}""', "$'{}'", "hex", "octal"]))
        code = {"hex": f"$'\\x{ord(char):02x}'", "octal": f"$'\\{ord(char):03o}'"}
        parts.append(code.get(way) or way.format(char))
    return "".join(parts)


@st.composite
def rewritten(draw: st.DrawFn, command: str, *, variables: bool = True) -> str:
    """Quotes, blanks and variables in the words of a plain command."""
    words = command.split()
    spaces = st.sampled_from([" ", "  ", "\t", " \t "])
    out, before = [], []
    for at, word in enumerate(words):
        if variables and draw(st.booleans()) and word.replace("-", "").isalnum():
            before.append(f"v{at}={draw(quoted(word))}")
            out.append(draw(st.sampled_from([f"$v{at}", f"${{v{at}}}", f'"$v{at}"'])))
        else:
            out.append(draw(quoted(word)))
    separator = draw(st.sampled_from(["; ", "\n", " ; "]))
    return separator.join([*before, "".join(itertools.chain(*((word, draw(spaces)) for word in out)))])


@FEW
@given(data=st.data())
def test_quotes_and_blanks_change_no_denial(data: st.DataObject) -> None:
    command = data.draw(st.sampled_from(["rm -rf /", "cat /etc/shadow", "mkfs.ext4 /dev/sda1", "cat .env", "reboot"]))
    assert decision(data.draw(rewritten(command, variables=False))) is Decision.DENY


@FEW
@given(data=st.data())
def test_quotes_blanks_and_variables_let_nothing_through(data: st.DataObject) -> None:
    assert decision(data.draw(rewritten(data.draw(st.sampled_from(BARE))))) is not Decision.ALLOW


@FEW
@given(data=st.data())
def test_nesting_and_wrappers_let_nothing_through(data: st.DataObject) -> None:
    command = data.draw(st.sampled_from(DENIED + ASKED))
    for nesting in data.draw(st.lists(st.sampled_from(NESTINGS), min_size=1, max_size=3)):
        wrapper = data.draw(st.sampled_from(["", *WRAPPERS]))
        command = nesting.format(f"{wrapper} {command}".strip())
    assert decision(command) is not Decision.ALLOW


@pytest.mark.parametrize("nesting", NESTINGS[:-1])
@pytest.mark.parametrize("wrapper", ["", *WRAPPERS])
def test_a_wrapped_disaster_is_still_denied(nesting: str, wrapper: str) -> None:
    assert decision(nesting.format(f"{wrapper} rm -rf /".strip())) is Decision.DENY


@FEW
@given(text=st.text(alphabet=st.sampled_from(list("abls $'\"\\`(){}[]<>|&;#!*?~=-/.\n\t0x^@,:%+")), max_size=40))
def test_any_text_gets_a_verdict_and_a_dangerous_tail_is_never_allowed(text: str) -> None:
    decision(text)
    parse(text)
    assert decision(f"{text}\ntouch x") is not Decision.ALLOW or "touch" in _data_of(text)


def _data_of(text: str) -> str:
    """The tail is mere data where the text before it has opened a quote or a comment that swallows it."""
    commands = parse(f"{text}\ntouch x").commands
    return "" if any(each.name == "touch" for each in commands) else "touch"


@pytest.mark.parametrize("allowed", ["cat a", "ls -l", "git log", "find . -name x"])
@FEW
@given(tail=st.sampled_from([f"{join}{tail}" for join in ["; ", " && ", " | ", "\n", " & ", " || "] for tail in BARE]))
def test_no_tail_rides_along(allowed: str, tail: str) -> None:
    assert decision(allowed + tail) is not Decision.ALLOW


def test_what_is_new_to_a_glob_is_seen(workspace: Path) -> None:
    (workspace / "server.key").write_text("x")
    assert decision("cat *") is not Decision.ALLOW
    assert decision("grep -r x .") is not Decision.ALLOW
    assert decision("ls") is Decision.ALLOW or not _confined()


def _confined() -> Any:
    from tools import sandbox

    return sandbox.available()
