"""What the variables of a script hold, where that is certain: set once, to a known text, before anything else could
have happened; or running through the known words of a `for`. All else is unknown, and what is unknown is asked about.
"""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from tree_sitter import Node

from tools.names import names
from tools.shell.words import Lookup, Word, expand_braces, read_word

# Others mean something to bash or to the programs that it starts.
FREE_NAME = re.compile(r"[a-z][a-z0-9_]*|FILE|FILES|DIR|DIRS|LOG|LINE|NAME|COUNT|N|I|F")
NOT_FREE = frozenset(names("auto_resume histchars http_proxy https_proxy ftp_proxy all_proxy no_proxy"))
PLAIN_READ = re.compile(r"read( -r)?( [a-z][a-z0-9_]*)+")
MAX_ROUNDS = 32


def is_free(name: str) -> bool:
    """Whether setting this variable changes nothing but its own value."""
    return bool(FREE_NAME.fullmatch(name)) and name not in NOT_FREE


@dataclass(frozen=True, kw_only=True)
class Loop:
    """A `for`: its variable, its words, and where in the source its body lies."""

    name: str
    values: tuple[Word, ...]
    start: int
    end: int


@dataclass(kw_only=True)
class Values:
    """`constants`: name to its value and the byte of the source from which on it holds."""

    home: str
    constants: dict[str, tuple[Word, int]] = field(default_factory=dict)
    loops: list[Loop] = field(default_factory=list)

    def lookups(self, at: int) -> Iterator[Lookup]:
        """One way to look variables up for each round of the loops around byte `at` of the source."""
        around = [loop for loop in self.loops if loop.start <= at < loop.end]
        known = [loop for loop in around if loop.values]
        rounds = itertools.product(*(loop.values for loop in known))
        combinations = list(itertools.islice(rounds, MAX_ROUNDS + 1))
        if len(combinations) > MAX_ROUNDS:
            known, combinations = [], [()]
        for combination in combinations:
            yield self._lookup(at, {loop.name: word for loop, word in zip(known, combination, strict=True)})

    def _lookup(self, at: int, rounds: dict[str, Word]) -> Lookup:
        def look_up(name: str) -> Word | None:
            if name in rounds:
                return rounds[name]
            value, since = self.constants.get(name, (None, 0))
            return value if at >= since else None

        return look_up


def read_values(root: Node, nodes: list[Node], *, home: str) -> Values:
    """What can be known of the variables of the script below `root`; `nodes` are all its nodes, in order."""
    values = Values(home=home)
    if any(node.type == "&" for node in nodes):
        return values  # what runs beside has variables of its own
    defined = _definitions(nodes)
    if "HOME" not in defined:
        values.constants["HOME"] = (Word(raw="$HOME", text=home), 0)
    certain = set(_certain(root))
    for node in nodes:
        if node.type == "variable_assignment" and node.start_byte in certain:
            _read_assignment(node, defined, values)
        elif node.type == "for_statement":
            _read_loop(node, defined, values)
    return values


def _definitions(nodes: list[Node]) -> list[str]:
    """The names that the script sets, each as often as it does. Other commands that set one are on no list at all."""
    found = []
    for node in nodes:
        if node.type in ("variable_assignment", "for_statement"):
            found += [_text(child) for child in node.children if child.type in ("variable_name", "subscript")][:1]
        elif node.type == "command" and PLAIN_READ.fullmatch(_text(node)):
            found += _text(node).split()[1:]
    return found


def _certain(root: Node) -> Iterator[int]:
    """Where the assignments begin that are carried out whatever happens: at the top, not behind an && or ||."""
    for child in root.children:
        while child.type == "list":
            child = child.children[0]
        if child.type == "variable_assignments":
            yield from (each.start_byte for each in child.children)
        elif child.type == "variable_assignment":
            yield child.start_byte


def _read_assignment(node: Node, defined: list[str], values: Values) -> None:
    name, operator = _text(node.children[0]), _text(node.children[1]) if len(node.children) > 1 else ""
    if node.children[0].type != "variable_name" or operator != "=" or len(node.children) > 3 or not is_free(name):
        return
    source = _text(node.children[2]) if len(node.children) == 3 else ""
    word = read_word(source, next(values.lookups(node.start_byte)))
    # ~ would become the home; a pattern stays as it is until the variable is used.
    if defined.count(name) == 1 and word.text is not None and not word.home and not word.pattern:
        values.constants[name] = (word, node.end_byte)


def _read_loop(node: Node, defined: list[str], values: Values) -> None:
    name = next((_text(child) for child in node.children if child.type == "variable_name"), "")
    body = next((child for child in node.children if child.type == "do_group"), None)
    if body is None or defined.count(name) != 1 or not is_free(name):
        return
    sources = [child for child in node.children if child.is_named and child.type not in ("variable_name", "do_group")]
    lookup = next(values.lookups(node.start_byte))
    words = [read_word(raw, lookup) for child in sources for raw in expand_braces(_text(child))]
    if all(word.text is not None and not word.home for word in words):
        values.loops.append(Loop(name=name, values=tuple(words), start=body.start_byte, end=body.end_byte))


def _text(node: Node) -> str:
    return (node.text or b"").decode(errors="replace")
