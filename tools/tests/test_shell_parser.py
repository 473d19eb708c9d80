import pytest

from tools.shell.parser import parse
from tools.shell.words import read_word


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
        ("$'x'", "x"),
        (r"$'\x72\155\''", "rm'"),
        (r"$'\0'", None),
        (r"$'\xc3'", None),
        ("v1^{tree}", "v1^{tree}"),
        ("{a},b}", None),
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
    "command",
    [
        "for ((;;)); do ls; done",
        "ls &",
        "PATH=x",
        "x+=1",
        "x=(1)",
        "a[1]=x",
        "[ -v x ]",
        "[ $x = y ]",
        "[[ $x -eq 1 ]]",
        "cat <<E\nx\nE\n",
        "f() { ls; }",
        "echo ${x:-y}",
        "echo `ls`",
        "ls >(cat)",
        "case x in x) ls;; esac",
        "for i in a; do cd ..; done",
        "while cd ..; do ls; done",
        "echo $((a[0]))",
    ],
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


@pytest.mark.parametrize(
    ("command", "known"),
    [
        ("a=rm; $a x", [["rm", "x"]]),
        ("a=r b=m; $a$b x", [["rm", "x"]]),
        ('x="a b"; ls "$x"; ls $x', [["ls", "a b"], ["ls", None]]),
        ("for f in a b; do cat $f; done", [["cat", "a"], ["cat", "b"]]),
        ("for f in a b; do for g in c d; do x $f$g; done; done", [["x", "ac"], ["x", "ad"], ["x", "bc"], ["x", "bd"]]),
        ("x=ls; x=rm; $x", [[None]]),
        ("false && x=ls; $x", [["false"], [None]]),
        ("$x; x=ls", [[None]]),
        ("x=ls & $x", [[None]]),
        ("x=ls | $x", [[None]]),
        ("(x=ls); $x", [[None]]),
        ("x=ls; read x; $x", [["read", "x"], [None]]),
        ("x=ls; if true; then x=rm; fi; $x", [["true"], [None]]),
        ("for x in ls; do x=rm; $x; done", [[None]]),
        ("PATH=a; $PATH", [[None]]),
        ("rm -rf /{etc,usr}", [["rm", "-rf", "/etc", "/usr"]]),
    ],
)
def test_it_knows_a_variable_only_where_its_value_is_certain(command: str, known: list[list[str | None]]) -> None:
    assert texts(command) == known


def test_it_knows_every_folder_that_may_be_the_current_one() -> None:
    assert parse("cd a && ls; cd b; ls").folders == ("", "a", "b", "a/b")
    assert parse('cd "$x"; ls').folders == (None,)
    assert parse("c''d a; ls").folders == ("", "a")
