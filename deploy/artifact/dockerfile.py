"""A project's own Dockerfile, read as far as it must be known before the engine builds it. Pure.

Source: docs.docker.com, "Dockerfile reference": format, escape, FROM, ARG, shell and exec form.
"""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from deploy.values.reference import parse_reference

_WORDS = re.compile(r"(\w+)\s*(.*)", re.DOTALL)
_FLAG = re.compile(r"--([a-z]+)(?:=(\S*))?\s+")
_ESCAPE = re.compile(r"#\s*escape\s*=\s*(\S)\s*", re.IGNORECASE)
_HEREDOC = re.compile(r"<<-?[\"']?(\w+)")
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)(?::-([^}]*))?\})")
_SHELL = re.compile(r"[$&|;<>`*?()\n]")
_DEPRECATED = ("openjdk", "library/openjdk")
SCRATCH = "scratch"


@dataclass(frozen=True, kw_only=True)
class Instruction:
    """One instruction."""

    line: int
    """Where it begins."""
    name: str
    """In capitals."""
    flags: Mapping[str, str]
    text: str
    """What follows name and flags, lines that go on put together."""

    @property
    def is_exec(self) -> bool:
        """Whether its text is of the exec form, a JSON list."""
        try:
            return isinstance(json.loads(self.text), list)
        except ValueError:
            return False


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What one FROM begins."""

    line: int
    base: str
    """The image, or the name of an earlier stage, variables put in."""
    name: str
    platform: str
    """What its FROM demands; empty for the build's own."""
    instructions: tuple[Instruction, ...]

    def last(self, name: str) -> Instruction | None:
        """The instruction of that name that counts; None when there is none."""
        return next((one for one in reversed(self.instructions) if one.name == name), None)


@dataclass(frozen=True, kw_only=True)
class Dockerfile:
    """A Dockerfile, with the build arguments that it was read for."""

    stages: tuple[Stage, ...]
    arguments: frozenset[str]
    """The build arguments that it declares anywhere."""

    def images(self) -> Iterator[Stage]:
        """The stages that begin from an image that must be had."""
        names: set[str] = set()
        for stage in self.stages:
            if stage.base.lower() not in names and stage.base != SCRATCH:
                yield stage
            names.add(stage.name.lower())

    def final(self) -> tuple[Stage, ...]:
        """The last stage, and those that it is built on, downwards."""
        chain = [self.stages[-1]]
        while below := self._named(chain[-1]):
            chain.append(below)
        return tuple(chain)

    def _named(self, stage: Stage) -> Stage | None:
        before = self.stages[: self.stages.index(stage)]
        return next((one for one in reversed(before) if one.name and one.name == stage.base.lower()), None)


def parse_dockerfile(text: str, given: Mapping[str, str]) -> Dockerfile:
    """Read a Dockerfile.

    Args:
        text: its content.
        given: build arguments, for what its FROM lines say; those that it does not declare do not count.

    Raises:
        ValueError: it has no FROM.
    """
    instructions = tuple(_instructions(text))
    starts = [place for place, one in enumerate(instructions) if one.name == "FROM"]
    if not starts:
        raise ValueError("it has no FROM")
    known = _arguments(instructions[: starts[0]], given)
    ends = [*starts[1:], len(instructions)]
    stages = [
        _stage(instructions[start], instructions[start + 1 : end], known)
        for start, end in zip(starts, ends, strict=True)
    ]
    declared = {_declared(one)[0] for one in instructions if one.name == "ARG"}
    return Dockerfile(stages=tuple(stages), arguments=frozenset(declared))


def running(dockerfile: Dockerfile, platform: str, here: str) -> tuple[Instruction, ...]:
    """The RUN instructions that would run programs of another platform than this machine's.

    Args:
        platform: `os/architecture` that is built for.
        here: that of the engine which builds.
    """
    return tuple(
        one
        for stage in dockerfile.stages
        if _architecture(stage.platform or platform) != _architecture(here)
        for one in stage.instructions
        if one.name == "RUN"
    )


def advice(dockerfile: Dockerfile, *, base_user: str, run_as: str | None) -> tuple[str, ...]:
    """What a Dockerfile should do otherwise, each as `line 7: what, and what to write`.

    Args:
        base_user: the user that the final stage's image has of its own.
        run_as: RUN_AS, which decides over what the image says.
    """
    found = [*_old_bases(dockerfile), *_shell_forms(dockerfile)]
    if not run_as:
        found += _root(dockerfile, base_user)
    return tuple(f"line {line}: {words}" for line, words in sorted([*found, *_runs(dockerfile)]))


def _instructions(text: str) -> Iterator[Instruction]:
    lines = text.splitlines()
    escape = _escape(lines)
    position = 0
    while position < len(lines):
        begin, whole = position + 1, ""
        while position < len(lines):
            line = lines[position].strip()
            position += 1
            if line.startswith("#") or not line:
                if whole:
                    continue
                break
            goes_on = line.endswith(escape)
            whole += line[:-1] if goes_on else line
            if not goes_on:
                break
        if whole:
            yield (one := _instruction(begin, whole))
            if one.name in ("RUN", "COPY", "ADD") and (mark := _HEREDOC.search(one.text)):
                position = _after(lines, position, mark[1])


def _escape(lines: list[str]) -> str:
    for line in lines:
        if not line.startswith("#"):
            break
        if match := _ESCAPE.fullmatch(line):
            return match[1]
    return "\\"


def _after(lines: list[str], position: int, end: str) -> int:
    """The line after a text that goes on until a line with its mark."""
    while position < len(lines) and lines[position].strip() != end:
        position += 1
    return position + 1


def _instruction(line: int, whole: str) -> Instruction:
    match = _WORDS.match(whole)
    name, text = (match[1].upper(), match[2]) if match else ("", whole)
    flags: dict[str, str] = {}
    while flag := _FLAG.match(text):
        flags[flag[1]] = flag[2] or ""
        text = text[flag.end() :]
    return Instruction(line=line, name=name, flags=flags, text=text.strip())


def _declared(one: Instruction) -> tuple[str, str | None]:
    name, equals, value = one.text.partition("=")
    return name.strip(), value.strip().strip("\"'") if equals else None


def _arguments(instructions: tuple[Instruction, ...], given: Mapping[str, str]) -> dict[str, str]:
    known: dict[str, str] = {}
    for one in instructions:
        name, value = _declared(one)
        if one.name == "ARG" and (name in given or value is not None):
            known[name] = given[name] if name in given else _filled(value or "", known)
    return known


def _filled(text: str, known: Mapping[str, str]) -> str:
    """The text with variables put in; one that nobody knows stays as it is."""
    return _VARIABLE.sub(lambda one: known.get(one[1] or one[2]) or one[3] or one[0], text)


def _stage(start: Instruction, inner: tuple[Instruction, ...], known: Mapping[str, str]) -> Stage:
    base, *rest = _filled(start.text, known).split() or [""]
    return Stage(
        line=start.line,
        base=base,
        name=rest[1].lower() if len(rest) > 1 and rest[0].upper() == "AS" else "",
        platform=_filled(start.flags.get("platform", ""), known),
        instructions=inner,
    )


def _architecture(platform: str) -> str:
    return "/".join(platform.split("/")[:2])


def _old_bases(dockerfile: Dockerfile) -> Iterator[tuple[int, str]]:
    for stage in dockerfile.images():
        try:
            reference = parse_reference(stage.base)
        except ValueError:
            continue
        if reference.registry in ("", "docker.io") and reference.path in _DEPRECATED:
            java = re.match(r"\d+", reference.tag)
            instead = f"eclipse-temurin:{java[0] if java else 21}-jre"
            yield stage.line, f"{stage.base} gets no updates any more; take FROM {instead}"


def _shell_forms(dockerfile: Dockerfile) -> Iterator[tuple[int, str]]:
    for name in ("ENTRYPOINT", "CMD"):
        one = next(filter(None, (stage.last(name) for stage in dockerfile.final())), None)
        if one is None or one.is_exec or one.text.startswith("exec "):
            continue
        yield (
            one.line,
            f"{name} in shell form: the shell gets SIGTERM and need not pass it on, so that Java is killed "
            f"after STOP_TIMEOUT; write {name} {_exec_form(one.text)}",
        )
        if name == "ENTRYPOINT":
            return  # it takes no notice of CMD


def _exec_form(text: str) -> str:
    if not _SHELL.search(text):
        try:
            return json.dumps(shlex.split(text))
        except ValueError:
            pass
    return f"exec {text}"


def _root(dockerfile: Dockerfile, base_user: str) -> Iterator[tuple[int, str]]:
    one = next(filter(None, (stage.last("USER") for stage in dockerfile.final())), None)
    user = one.text if one else base_user
    if user.partition(":")[0] in ("", "0", "root"):
        line = one.line if one else dockerfile.stages[-1].line
        yield line, "the application runs as root; write USER 10001:10001, or set RUN_AS"


def _runs(dockerfile: Dockerfile) -> Iterator[tuple[int, str]]:
    for stage in dockerfile.stages:
        one = next((one for one in stage.instructions if one.name == "RUN"), None)
        if one and not stage.platform:
            yield (
                one.line,
                "RUN stands in the way of hosts of another platform, as programs of that one do not run "
                "here; without it this machine could build for all",
            )
