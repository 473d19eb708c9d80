"""A command line taken apart by bash's grammar (tree-sitter-bash) into the simple commands that it would run.

What this module doesn't know by name is reported as a surprise, so a construct that nobody thought of is asked about.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import tree_sitter_bash
from tree_sitter import Language, Node, Parser

from tools.names import names
from tools.shell_words import Word, read_word

LANGUAGE = Language(tree_sitter_bash.language())

# Nodes that only hold others together; what they hold is looked at by itself.
STRUCTURE = frozenset(
    names(
        "program list pipeline redirected_statement subshell compound_statement negated_command command command_name "
        "comment file_redirect file_descriptor"
    )
)
TOKENS = frozenset(["", "\n", ";", "&&", "||", "|", "|&", "(", ")", "{", "}", "!"])
REDIRECTIONS = frozenset(["<", ">", ">>", "&>", "&>>", ">&", "<&", ">|", "<>"])
WORDS = frozenset(
    names(
        "word string raw_string ansi_c_string translated_string concatenation number simple_expansion expansion "
        "command_substitution process_substitution arithmetic_expansion brace_expression $"
    )
)


@dataclass(frozen=True, kw_only=True)
class Command:
    """One simple command: its words, the first being its name, and the variables set for it alone (`LC_ALL=C`)."""

    words: tuple[Word, ...]
    assignments: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The program's name without its folder; empty when it can't be known."""
        first = self.words[0].text if self.words else None
        return (first or "").rsplit("/", 1)[-1]

    @property
    def texts(self) -> tuple[str, ...]:
        """The arguments, by their source text where their value can't be known."""
        return tuple(word.raw if word.text is None else word.text for word in self.words[1:])


@dataclass(frozen=True, kw_only=True)
class Redirect:
    operator: str
    target: Word


@dataclass(frozen=True, kw_only=True)
class Script:
    """All commands and redirections, nested ones too; `surprises` are constructs that are not understood here."""

    commands: tuple[Command, ...]
    redirects: tuple[Redirect, ...]
    surprises: tuple[str, ...]
    functions: tuple["Function", ...]
    broken: bool


@dataclass(frozen=True, kw_only=True)
class Function:
    name: str
    body: tuple[Command, ...]
    in_background: bool


def parse(command: str) -> Script:
    """Takes `command` apart; never fails (what is no valid bash comes back as `broken`)."""
    source = command.encode(errors="surrogatepass")
    root = Parser(LANGUAGE).parse(source).root_node
    nodes = list(_all_nodes(root))
    return Script(
        commands=tuple(_command(node) for node in nodes if node.type == "command"),
        redirects=tuple(_redirect(node) for node in nodes if node.type == "file_redirect"),
        surprises=tuple(dict.fromkeys([*_surprises(root), *_skipped(root, source), *_spread(nodes, source)])),
        functions=tuple(_function(node) for node in nodes if node.type == "function_definition"),
        broken=root.has_error,
    )


def _all_nodes(root: Node) -> Iterator[Node]:
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(reversed(node.children))


def _source(node: Node) -> str:
    return (node.text or b"").decode(errors="replace")


def _command(node: Node) -> Command:
    words: list[Word] = []
    assignments: list[str] = []
    for child in node.children:
        if child.type == "variable_assignment":
            assignments.append(_source(child))
        elif child.type == "command_name" or child.type in WORDS:
            words.append(read_word(_source(child)))
    return Command(words=tuple(words), assignments=tuple(assignments))


def _redirect(node: Node) -> Redirect:
    targets = [_source(child) for child in node.children if child.type in WORDS]
    operators = [child.type for child in node.children if child.type not in WORDS | {"file_descriptor"}]
    # With more than one word the grammar took a word of the command for the redirection's.
    return Redirect(operator=" ".join(operators), target=read_word(targets[0] if len(targets) == 1 else "$?"))


def _function(node: Node) -> Function:
    inner = list(_all_nodes(node))
    name = next((_source(child) for child in node.children if child.type == "word"), "")
    body = tuple(_command(child) for child in inner if child.type == "command")
    return Function(name=name, body=body, in_background=any(child.type == "&" for child in inner))


def _surprises(node: Node) -> Iterator[str]:
    """Types of nodes that are neither structure nor a word; words are judged by their text."""
    for child in node.children:
        if child.type in WORDS and node.type in ("command", "command_name", "file_redirect"):
            continue
        if child.type == "compound_statement" and _source(child)[1:2] not in (" ", "\t", "\n"):
            yield "{"  # to bash the beginning of a word
        elif child.type in STRUCTURE:
            yield from _surprises(child)
        elif child.type == "variable_assignment" and node.type == "command":
            continue
        elif child.type not in TOKENS and not (node.type == "file_redirect" and child.type in REDIRECTIONS):
            yield child.type


def _skipped(root: Node, source: bytes) -> Iterator[str]:
    """Says so when the grammar passed over something other than blanks: then it saw another command than bash will."""
    at = 0
    for node in _leaves(root):
        if source[at : node.start_byte].strip(b" \t\n"):
            yield "text that the grammar skips"
        at = max(at, node.end_byte)
    if source[at:].strip(b" \t\n"):
        yield "text that the grammar skips"


def _spread(nodes: list[Node], source: bytes) -> Iterator[str]:
    """Says so when the grammar takes a line break inside of a command for a blank, as it does after `ls <$ `: to bash
    the next line is a command of its own."""
    for node in nodes:
        if node.type in ("command", "file_redirect", "redirected_statement"):
            at = node.start_byte
            for leaf in _leaves(node):
                if b"\n" in source[at : leaf.start_byte]:
                    yield "a command over several lines"
                at = leaf.end_byte


def _leaves(node: Node) -> Iterator[Node]:
    for child in node.children:
        if child.type in WORDS or not child.children:
            yield child
        else:
            yield from _leaves(child)
