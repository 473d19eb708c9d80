"""A command line taken apart by bash's grammar (tree-sitter-bash) into the simple commands that it would run.

What isn't known by name is reported as a surprise, so a construct that nobody thought of is asked about.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace

import tree_sitter_bash
from tree_sitter import Language, Node, Parser

from tools.shell.tree import WORDS, all_nodes, source_of, surprises
from tools.shell.values import Values, read_values
from tools.shell.words import Lookup, Word, expand_braces, read_word

LANGUAGE = Language(tree_sitter_bash.language())
MAX_FOLDERS = 16


@dataclass(frozen=True, kw_only=True)
class Command:
    """One simple command: its words, the first being its name, and the variables set for it alone (`LC_ALL=C`).

    `source`: its text as it was written. In a loop over known words there is one for each round.
    """

    words: tuple[Word, ...]
    assignments: tuple[str, ...] = ()
    source: str = ""

    @property
    def name(self) -> str:
        """The program's name without its folder; empty when it can't be known."""
        first = self.words[0].text if self.words else None
        return (first or "").rsplit("/", 1)[-1]

    @property
    def texts(self) -> tuple[str, ...]:
        """The arguments, by their source text where their value can't be known."""
        return tuple(word.raw if word.text is None else word.text for word in self.words[1:])

    def tail(self, at: int) -> "Command":
        """The command that begins with word `at`, as a wrapper such as `timeout` would run it."""
        return replace(self, words=self.words[at:], assignments=())


@dataclass(frozen=True, kw_only=True)
class Redirect:
    operator: str
    target: Word


@dataclass(frozen=True, kw_only=True)
class Script:
    """All commands and redirections, nested ones too; `surprises` are constructs that are not understood here.

    `folders`: every folder that may be the current one at some time, seen from the workspace ("" itself); None among
    them when it can't be known. `inputs`: here-documents and here-strings.
    """

    commands: tuple[Command, ...]
    redirects: tuple[Redirect, ...]
    surprises: tuple[str, ...]
    functions: tuple["Function", ...]
    broken: bool
    folders: tuple[str | None, ...] = ("",)
    inputs: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Function:
    name: str
    body: tuple[Command, ...]
    in_background: bool


def parse(command: str, *, home: str = "~") -> Script:
    """Takes `command` apart; never fails (what is no valid bash comes back as `broken`). `home`: what $HOME holds."""
    source = command.encode(errors="surrogatepass")
    root = Parser(LANGUAGE).parse(source).root_node
    nodes = list(all_nodes(root))
    values = read_values(root, nodes, home=home)
    commands = tuple(each for node in nodes if node.type == "command" for each in _commands(node, values))
    return Script(
        commands=commands,
        redirects=tuple(each for node in nodes if node.type == "file_redirect" for each in _redirects(node, values)),
        surprises=(*surprises(root, nodes, source), *_moving_loops(nodes, values)),
        functions=tuple(_function(node, values) for node in nodes if node.type == "function_definition"),
        broken=root.has_error,
        folders=_folders(commands),
        inputs=tuple(source_of(node) for node in nodes if node.type in ("heredoc_body", "herestring_redirect")),
    )


def _commands(node: Node, values: Values) -> Iterator[Command]:
    yield from dict.fromkeys(_command(node, lookup) for lookup in values.lookups(node.start_byte))


def _command(node: Node, lookup: Lookup) -> Command:
    assignments = tuple(source_of(child) for child in node.children if child.type == "variable_assignment")
    words = [word for part in _joined(node.children) for word in _words(part, lookup)]
    return Command(words=tuple(words), assignments=assignments, source=source_of(node))


def _joined(nodes: list[Node]) -> Iterator[list[Node]]:
    """The words among `nodes`; those that nothing parts are one to bash."""
    part: list[Node] = []
    for node in nodes:
        if node.type != "command_name" and node.type not in WORDS:
            continue
        if part and part[-1].end_byte != node.start_byte:
            yield part
            part = []
        part.append(node)
    if part:
        yield part


def _words(part: list[Node], lookup: Lookup) -> list[Word]:
    raw = "".join(source_of(node) for node in part)
    if len(part) == 1 and part[0].type == "process_substitution" and raw.startswith("<("):
        # A pipe from a command that is judged by itself.
        return [Word(raw=raw, text="/dev/null")]
    return [read_word(each, lookup) for each in expand_braces(raw)]


def _redirects(node: Node, values: Values) -> Iterator[Redirect]:
    parts = list(_joined(node.children))
    operators = [child.type for child in node.children if child.type not in WORDS | {"file_descriptor"}]
    for lookup in values.lookups(node.start_byte):
        # With more than one word the grammar took a word of the command for the redirection's.
        words = _words(parts[0], lookup) if len(parts) == 1 else []
        target = words[0] if len(words) == 1 else Word(raw="$?", text=None)
        yield Redirect(operator=" ".join(operators), target=target)


def _function(node: Node, values: Values) -> Function:
    inner = list(all_nodes(node))
    name = next((source_of(child) for child in node.children if child.type == "word"), "")
    body = tuple(each for child in inner if child.type == "command" for each in _commands(child, values))
    return Function(name=name, body=body, in_background=any(child.type == "&" for child in inner))


def _moving_loops(nodes: list[Node], values: Values) -> Iterator[str]:
    """cd in a loop goes on from where the round before has left it."""
    for loop in nodes:
        if loop.type in ("for_statement", "while_statement"):
            inner = (node for node in all_nodes(loop) if node.type == "command")
            if any(each.name == "cd" for node in inner for each in _commands(node, values)):
                yield "cd in a loop"


def _folders(commands: tuple[Command, ...]) -> tuple[str | None, ...]:
    """Each cd may be carried out or not, in the order of the text."""
    found: list[str | None] = [""]
    for command in commands:
        if command.name != "cd" or found[0] is None:
            continue
        target = command.words[1] if len(command.words) == 2 else None
        if target is None or not target.text or target.pattern or target.text == "-" or len(found) > MAX_FOLDERS:
            return (None,)
        text = target.text
        found += [os.path.join(each or "", text) for each in found if os.path.join(each or "", text) not in found]
    return tuple(found)
