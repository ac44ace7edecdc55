"""The largest heap that Java takes in a container, by its options and its memory. Pure.

Source: OpenJDK, Arguments::set_heap_size of hotspot/share/runtime/arguments.cpp, the same from 11 to 25.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from deploy.values.sizes import format_memory

SHARE = 25.0
"""Percent of the memory, when no option says otherwise."""
SMALL_SHARE = 50.0
"""The same where the memory is small."""
SMALL_HEAP = 96 * 2**20 * 13 // 10
"""Bytes: where SMALL_SHARE gives less than this, the memory is small; a larger one gets at least this."""

_WORD = re.compile(r"(?:[^\s\"']|\"[^\"]*\"|'[^']*')+")
_SIZE = re.compile(r"(?:-Xmx|-XX:MaxHeapSize=)(\d+)([kKmMgGtT]?)")
_SHARE = re.compile(r"-XX:(MaxRAMPercentage|MinRAMPercentage)=(\d+(?:\.\d+)?)")
_UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


@dataclass(frozen=True, kw_only=True)
class Heap:
    """The largest heap that Java may take."""

    size: int
    """Bytes, give or take its alignment of a few megabytes."""
    why: str


@dataclass(frozen=True, kw_only=True)
class _Options:
    size: int | None = None
    share: float = SHARE
    small_share: float = SMALL_SHARE


def heap_of(
    environment: Mapping[str, str], command: Sequence[str], *, limit: int | None, host: int
) -> Heap | None:
    """The largest heap of a container's Java.

    Args:
        environment: of the container, the image's own included.
        command: entry point and arguments.
        limit: MEMORY, bytes.
        host: the host's memory, bytes; what Java sees without a limit.

    Returns:
        None when nothing says that it is Java that runs there.
    """
    options = _options(environment, command)
    if options is None:
        return None
    if options.size is not None:
        return Heap(size=options.size, why="as its options say")
    seen = min(limit or host, host)
    share = options.share
    small = seen * options.small_share / 100 < SMALL_HEAP
    size = int(seen * (options.small_share if small else share) / 100)
    whole = (
        f"MEMORY {format_memory(seen)}" if limit else f"the host's {seen // 2**20}m, as there is no MEMORY"
    )
    if small:
        return Heap(size=size, why=f"{options.small_share:g}% of {whole}, which is little")
    if size < SMALL_HEAP:
        return Heap(size=SMALL_HEAP, why=f"its least; {share:g}% of {whole} is less")
    return Heap(size=size, why=f"{share:g}% of {whole}")


def _options(environment: Mapping[str, str], command: Sequence[str]) -> _Options | None:
    """What the options say, the last word winning; None when nothing tells of Java."""
    is_java = bool(command) and PurePosixPath(command[0]).name == "java"
    names = ("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS")
    if not is_java and not any(environment.get(name) for name in names):
        return None
    options = _Options()
    for word in _words(environment, command if is_java else ()):
        if match := _SIZE.fullmatch(word):
            options = replace(options, size=int(match[1]) * _UNITS[match[2].lower()])
        elif match := _SHARE.fullmatch(word):
            share = float(match[2])
            is_large = match[1] == "MaxRAMPercentage"
            options = replace(options, share=share) if is_large else replace(options, small_share=share)
    return options


def _words(environment: Mapping[str, str], command: Sequence[str]) -> Iterator[str]:
    """Java's options in the order in which it reads them."""
    for name in ("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS"):
        yield from _split(environment.get(name, ""))
    yield from command[1:]
    yield from _split(environment.get("_JAVA_OPTIONS", ""))


def _split(text: str) -> list[str]:
    return [word.replace('"', "").replace("'", "") for word in _WORD.findall(text)]
