"""What in the tree of a command line is not understood here: each node must be known by name.

The grammar is not bash. So every byte must belong to a node, commands stay on their line, and what stands in a word is
looked at too: a construct that nobody thought of is a surprise, and is asked about.
"""

import re
from collections.abc import Iterator
from itertools import pairwise

from tree_sitter import Node

from tools.names import names
from tools.shell.values import is_free

# Nodes that only hold others together; what they hold is looked at by itself.
STRUCTURE = frozenset(
    names(
        "program list pipeline redirected_statement subshell compound_statement negated_command command command_name "
        "comment file_redirect file_descriptor for_statement do_group while_statement if_statement elif_clause "
        "else_clause herestring_redirect command_substitution process_substitution variable_assignments string "
        "concatenation"
    )
)
KEYWORDS = frozenset(names("for in do done while until if then elif else fi"))
TOKENS = frozenset(["", "\n", ";", "&&", "||", "|", "|&", "(", ")", "{", "}", "!", "$(", "<(", '"', "<<<"]) | KEYWORDS
REDIRECTIONS = frozenset(["<", ">", ">>", "&>", "&>>", ">&", "<&", ">|", "<>"])
WORDS = frozenset(
    names(
        "word string raw_string ansi_c_string translated_string concatenation number simple_expansion expansion "
        "command_substitution process_substitution arithmetic_expansion brace_expression $"
    )
)
REDIRECTS = frozenset(["file_redirect", "herestring_redirect"])
PARTED = WORDS | REDIRECTS | {"command", "command_name", "variable_assignment"}
LEAVES = frozenset(names("word raw_string ansi_c_string number string_content simple_expansion variable_name $"))
PLAIN_EXPANSION = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")
PLAIN_ARITHMETIC = re.compile(r"\$\(\([\d\s+*/%()<>=!&|^~?:-]*\)\)")
PLAIN_RANGE = re.compile(r"\{-?\d{1,4}\.\.-?\d{1,4}\}")
# [ -f x ], [ "$a" = b ], [[ $a == b* ]]; -v and -R look inside of subscripts, and =~ and -eq in [[ ]] do arithmetic.
FILE_TESTS = frozenset(names("-e -f -d -r -w -x -s -L -h -z -n"))
COMPARISONS = frozenset(names("= == !="))
NUMBER_COMPARISONS = frozenset(names("-eq -ne -lt -le -gt -ge"))


def all_nodes(root: Node) -> Iterator[Node]:
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(reversed(node.children))


def source_of(node: Node) -> str:
    return (node.text or b"").decode(errors="replace")


def surprises(root: Node, nodes: list[Node], source: bytes) -> tuple[str, ...]:
    """What of the tree isn't understood, in words."""
    found = [*_unknown(root), *_skipped(root, source), *_spread(nodes, source), *_touching(nodes)]
    return tuple(dict.fromkeys(found))


def _unknown(node: Node) -> Iterator[str]:
    for child in node.children:
        if child.type == "compound_statement" and source_of(child)[1:2] not in (" ", "\t", "\n"):
            yield "{"  # to bash the beginning of a word
        elif child.type == "command_substitution" and source_of(child).startswith("`"):
            yield "backquotes"  # backslashes mean something else in them
        elif child.type == "process_substitution" and source_of(child).startswith(">"):
            yield "a process to write to"
        elif child.type in STRUCTURE:
            yield from _unknown(child)
        elif child.type == "variable_assignment":
            yield from _assignment(child) if node.type != "command" else _value(child)
        elif child.type == "test_command":
            yield from _test(child)
        elif not _is_plain(child, node):
            yield child.type.replace("_", " ")


def _is_plain(node: Node, parent: Node) -> bool:
    if node.type in LEAVES or node.type in TOKENS:
        return True
    if node.type == "expansion":
        return bool(PLAIN_EXPANSION.fullmatch(source_of(node)))
    if node.type == "arithmetic_expansion":
        return bool(PLAIN_ARITHMETIC.fullmatch(source_of(node)))
    if node.type == "brace_expression":
        return bool(PLAIN_RANGE.fullmatch(source_of(node)))
    return parent.type == "file_redirect" and node.type in REDIRECTIONS


def _assignment(node: Node) -> Iterator[str]:
    """x=text as a statement of its own."""
    name = source_of(node.children[0])
    if node.children[0].type != "variable_name" or not is_free(name):
        yield f"a change of the variable {name[:40]}"
    if source_of(node.children[1]) != "=":
        yield "a variable that grows"
    yield from _value(node)


def _value(node: Node) -> Iterator[str]:
    for child in node.children[2:]:
        if child.type in STRUCTURE:
            yield from _unknown(child)
        elif not _is_plain(child, node):
            yield child.type.replace("_", " ")


def _test(node: Node) -> Iterator[str]:
    """[ … ] and [[ … ]] with one simple comparison in it, its operator written out."""
    inner = [child for child in node.children if child.type not in ("[", "]", "[[", "]]")]
    operands, fine = [], False
    if len(inner) == 1 and inner[0].type == "unary_expression" and len(inner[0].children) == 2:
        operator, *operands = inner[0].children
        fine = source_of(operator) in FILE_TESTS
    elif len(inner) == 1 and inner[0].type == "binary_expression" and len(inner[0].children) == 3:
        left, operator, right = inner[0].children
        operands = [left, right]
        numbers = source_of(operator) in NUMBER_COMPARISONS and source_of(node).startswith("[ ")
        fine = source_of(operator) in COMPARISONS or numbers
    if not fine:
        yield "a test"
    for operand in operands:
        yield from _operand(operand)


def _operand(node: Node) -> Iterator[str]:
    """Quoted or literal: bare, a variable could bring an operator of its own."""
    if node.type == "string":
        yield from _unknown(node)
    elif node.type not in ("word", "number", "raw_string", "extglob_pattern") or {*"$`"} & {*source_of(node)}:
        yield "a test"


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
        if node.type in ("command", "file_redirect", "redirected_statement", "herestring_redirect", "test_command"):
            if node.type == "redirected_statement" and node.children[0].type != "command":
                continue  # done < file: the loop has lines of its own
            at = node.start_byte
            for leaf in _leaves(node):
                if b"\n" in source[at : leaf.start_byte]:
                    yield "a command over several lines"
                at = leaf.end_byte


def _touching(nodes: list[Node]) -> Iterator[str]:
    """Says so when the grammar sees two words where nothing parts them, as in `a'b'\\c`: to bash they are one."""
    for node in nodes:
        if node.type not in ("concatenation", "string", "heredoc_body"):
            for left, right in pairwise(node.children):
                if left.end_byte == right.start_byte and left.type in PARTED and right.type in PARTED - REDIRECTS:
                    yield "words that touch"


def _leaves(node: Node) -> Iterator[Node]:
    for child in node.children:
        if child.type in WORDS or not child.children:
            yield child
        else:
            yield from _leaves(child)
