import pytest

from tools.shell_parser import parse
from tools.shell_words import read_word


def texts(command: str) -> list[list[str | None]]:
    return [[word.text for word in each.words] for each in parse(command).commands]


def test_it_sees_every_command_through_pipes_lists_and_substitutions() -> None:
    names = [each.name for each in parse("a | b && c; (d) || { e; } ; echo $(f `g`) <(h)").commands]
    assert sorted(names) == ["a", "b", "c", "d", "e", "echo", "f", "g", "h"]


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("plain", "plain"),
        (r"l\s", "ls"),
        ("l's'", "ls"),
        ('"a b"c', "a bc"),
        (r'"a\"b\$c\d"', r'a"b$c\d'),
        ("'$x'", "$x"),
        ("foo$", "foo$"),
        ("$x", None),
        ('"$x"', None),
        ('"`x`"', None),
        ("${x}", None),
        ("$'x'", None),
        ("{a,b}", None),
        ("~root", None),
        ("if=~/x", None),
        ("<(ls)", None),
    ],
)
def test_it_removes_quotes_as_bash_does_or_says_that_it_can_not_know(raw: str, text: str | None) -> None:
    assert read_word(raw).text == text


def test_it_marks_patterns_and_the_home_but_not_when_they_are_quoted() -> None:
    assert read_word("*.txt").pattern
    assert not read_word("'*.txt'").pattern
    assert read_word("~/x").home
    assert not read_word("'~/x'").home


@pytest.mark.parametrize(
    "command", ["for i in 1; do ls; done", "ls &", "x=1", "[ -f x ]", "cat <<E\nx\nE\n", "f() { ls; }"]
)
def test_it_reports_what_it_does_not_know_as_a_surprise(command: str) -> None:
    assert parse(command).surprises


@pytest.mark.parametrize("command", ["ls 'a", "ls |", "$(ls", "if"])
def test_it_reports_what_is_no_bash(command: str) -> None:
    script = parse(command)
    assert script.broken or script.surprises


def test_it_sees_redirections() -> None:
    found = [(each.operator, each.target.text) for each in parse("ls > a 2>&1 < b").redirects]
    assert found == [(">", "a"), (">&", "1"), ("<", "b")]


def test_it_keeps_words_in_order_and_unknown_ones_unknown() -> None:
    assert texts('grep -n "a b" $x') == [["grep", "-n", "a b", None]]
