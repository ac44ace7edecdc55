"""The shell steps of the Jenkinsfile, read so strictly that nothing can run there which is not seen here."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

_WORDS = (
    "pipeline agent any options disableConcurrentBuilds timeout time unit buildDiscarder logRotator",
    "numToKeepStr parameters string name defaultValue description stages stage steps withCredentials",
    "credentialsId variable usernamePassword usernameVariable passwordVariable sshUserPrivateKey",
    "keyFileVariable sh post always junit testResults allowEmptyResults archiveArtifacts artifacts excludes",
    "allowEmptyArchive true false",
)
KNOWN = frozenset(" ".join(_WORDS).split())
"""Every word that may stand outside of quotes: no `script`, `load`, `def`, `environment`, no other step."""

_TOKEN = re.compile(
    r"""
    (?P<skip>\s+|//[^\n]*)
    | '(?P<text>[^'\\\n]*)'(?!')
    | (?P<word>[A-Za-z_]\w*)
    | (?P<number>\d+)
    | (?P<mark>[{}()\[\],:])
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, kw_only=True)
class Step:
    """One shell step."""

    stage: str
    command: str
    credentials: tuple[str, ...]
    """Environment variables that the blocks around it bind to credentials."""


class _Token(NamedTuple):
    kind: str
    text: str
    line: int


class UnknownFormError(ValueError):
    """The Jenkinsfile holds what this reader does not know, and so could not run as Jenkins would."""


def shell_steps(text: str) -> list[Step]:
    """The shell steps in order.

    Raises:
        UnknownFormError: a double-quoted or otherwise interpolated string, a step other than `sh '…'`, a word
            not in `KNOWN`, a stage without or with two shell steps, or braces that do not match.
    """
    steps = list(_steps(list(_tokens(text))))
    stages = [step.stage for step in steps]
    declared = re.findall(r"\bstage\('([^']*)'\)", text)
    if stages != declared:
        raise UnknownFormError(f"each stage has one shell step: stages {declared}, steps in {stages}")
    return steps


def parameters(text: str) -> dict[str, str]:
    """Name and default of every string parameter."""
    return dict(re.findall(r"string\(name: '([^']+)', defaultValue: '([^']*)'", text))


def _tokens(text: str) -> Iterator[_Token]:
    position = 0
    while position < len(text):
        found = _TOKEN.match(text, position)
        line = text.count("\n", 0, position) + 1
        if not found or not found.lastgroup:
            raise UnknownFormError(f"line {line}: unknown form {text[position : position + 20]!r}")
        position = found.end()
        if found.lastgroup == "word" and found[0] not in KNOWN:
            raise UnknownFormError(f"line {line}: unknown word {found[0]!r}")
        if found.lastgroup != "skip":
            yield _Token(found.lastgroup, found[found.lastgroup], line)


def _steps(tokens: list[_Token]) -> Iterator[Step]:
    blocks: list[list[_Token]] = []
    header: list[_Token] = []
    for index, token in enumerate(tokens):
        if token.text == "{" and token.kind == "mark":
            blocks.append(header)
            header = []
        elif token.text == "}" and token.kind == "mark":
            if not blocks:
                raise UnknownFormError(f"line {token.line}: a brace too many")
            blocks.pop()
            header = []
        elif token.text == "sh" and token.kind == "word":
            yield _step(blocks, tokens[index + 1 : index + 3])
            header = []
        else:
            header.append(token)
    if blocks:
        raise UnknownFormError("a brace is missing at the end")


def _step(blocks: list[list[_Token]], after: list[_Token]) -> Step:
    command, following = after
    if command.kind != "text" or (following.kind, following.text) != ("mark", "}"):
        raise UnknownFormError(f"line {command.line}: a shell step is sh '…' and the last of its block")
    names = [_name(header) for header in blocks]
    if names[:4] != ["pipeline", "stages", "stage", "steps"] or set(names[4:]) - {"withCredentials"}:
        raise UnknownFormError(f"line {command.line}: a shell step outside of a stage: {names}")
    bound = [token.text for header in blocks[4:] for token in _variables(header)]
    stage = [token.text for token in blocks[2] if token.kind == "text"][-1]
    return Step(stage=stage, command=command.text, credentials=tuple(bound))


def _name(header: list[_Token]) -> str:
    """What a block is called: the last word before its brace that is not in parentheses."""
    depth = 0
    name = ""
    for token in header:
        depth += {"(": 1, ")": -1}.get(token.text, 0) if token.kind == "mark" else 0
        if depth == 0 and token.kind == "word":
            name = token.text
    return name


def _variables(header: list[_Token]) -> Iterator[_Token]:
    for index, token in enumerate(header):
        if token.kind == "word" and token.text.lower().endswith("variable"):
            yield header[index + 2]
