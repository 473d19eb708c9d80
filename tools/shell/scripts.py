"""Little languages given to filters (awk, sed, jq): whether such a program only filters.

Each errs on the safe side: it looks at the raw text, so what stands in a string or a pattern may cost a question.
"""

import re

AWK_REACHES_OUT = re.compile(
    r"\b(system|getline|close|fflush|ENVIRON|PROCINFO|SYMTAB|FUNCTAB|ARGV|ARGC|ARGIND|FILENAME|extension)\b|@"
)
# >= compares; any other > or | after a print may be where the output goes.
AWK_OUTPUT = re.compile(r">(?!=)|\|")
JQ_REACHES_OUT = re.compile(
    r"\b(env|ENV|include|import|input_filename|debug|stderr|input_line_number|modulemeta|get_search_list|halt_error)\b"
)
SED_ADDRESS = re.compile(r"(?:\d+(?:~\d+)?|\$|/(?:[^/\\\n\[]|\\[^\n]|\[[^\]/\\\n]+\])*/[IM]*)")
SED_SECOND = re.compile(r",(?:[+~]\d+|\d+|\$|/(?:[^/\\\n\[]|\\[^\n]|\[[^\]/\\\n]+\])*/[IM]*)")
SED_SIMPLE = re.compile(r"[pdDPNnhHgGxl=]|[qQ]\d*|[bt] ?[A-Za-z0-9_]*|: ?[A-Za-z0-9_]+")
SED_FLAGS = re.compile(r"[gpiIM0-9]*")
SED_SPACE = re.compile(r"[ \t;\n]*")


def awk_only_filters(program: str) -> bool:
    """Whether an awk program starts nothing, opens no file of its own choice and writes only to its output.

    Source: POSIX awk, the manuals of gawk (5.10 output redirection, 8.1 indirect calls) and mawk.
    """
    if AWK_REACHES_OUT.search(program) or "\\\n" in program:
        return False
    outputs = [match.start() for match in AWK_OUTPUT.finditer(program)]
    first_print = program.find("print")
    return not outputs or first_print < 0 or outputs[-1] < first_print


def jq_only_filters(program: str) -> bool:
    """Whether a jq program names neither the environment nor a module."""
    return not JQ_REACHES_OUT.search(program)


def sed_only_filters(script: str) -> bool:
    """Whether a sed script consists of commands that edit the stream: no e, w, r, R, W, a, i, c, no flags e and w.

    Source: the GNU sed manual, 3.2 and 3.3. Not understood means no.
    """
    at, depth = _skip(script, 0), 0
    while at < len(script):
        if script[at] == "}":
            depth, at = depth - 1, _skip(script, at + 1)
            continue
        at = _after_address(script, at)
        if script[at : at + 1] == "{":
            depth, at = depth + 1, _skip(script, at + 1)
            continue
        after = _after_command(script, at)
        if after is None or depth < 0:
            return False
        at = after
    return depth == 0 and bool(script.strip())


def _skip(script: str, at: int) -> int:
    match = SED_SPACE.match(script, at)
    return match.end() if match else at


def _blanks(script: str, at: int) -> int:
    while script[at : at + 1] in (" ", "\t"):
        at += 1
    return at


def _after_address(script: str, at: int) -> int:
    if first := SED_ADDRESS.match(script, at):
        at = first.end()
        if second := SED_SECOND.match(script, at):
            at = second.end()
    at = _blanks(script, at)
    return _blanks(script, at + 1) if script[at : at + 1] == "!" else at


def _after_command(script: str, at: int) -> int | None:
    """Where the next command begins; None when this one isn't known to be harmless."""
    if script[at : at + 1] in ("s", "y"):
        end = _after_substitution(script, at)
    else:
        match = SED_SIMPLE.match(script, at)
        end = match.end() if match else None
    if end is None:
        return None
    end = _blanks(script, end)
    if end < len(script) and script[end] not in ";\n}":
        return None
    return _skip(script, end)


def _after_substitution(script: str, at: int) -> int | None:
    kind, delimiter = script[at], script[at + 1 : at + 2]
    if not delimiter or delimiter.isalnum() or delimiter in "\\\n \t;{}":
        return None
    parts, start = [], at + 2
    for _ in range(2):
        end = _closing(script, start, delimiter)
        if end is None:
            return None
        parts.append(script[start:end])
        start = end + 1
    # In a bracket the delimiter might be meant literally: then it ends elsewhere.
    if "\n" in "".join(parts) or parts[0].count("[") != parts[0].count("]"):
        return None
    flags = SED_FLAGS.match(script, start) if kind == "s" else None
    return flags.end() if flags else start


def _closing(script: str, at: int, delimiter: str) -> int | None:
    while at < len(script):
        if script[at] == "\\":
            at += 2
        elif script[at] == delimiter:
            return at
        else:
            at += 1
    return None
