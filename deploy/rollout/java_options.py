"""Java's options in a container, read as Java reads them. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SHARE = 25.0
"""Percent of the memory that the heap takes, when no option says otherwise."""
SMALL_SHARE = 50.0
"""The same where the memory is small."""

_WORD = re.compile(r"(?:[^\s\"']|\"[^\"]*\"|'[^']*')+")
_SIZE = re.compile(r"-(Xmx|Xss|XX:\w+=)(\d+)([kKmMgGtT]?)")
_SHARE = re.compile(r"-XX:(MaxRAMPercentage|MinRAMPercentage)=(\d+(?:\.\d+)?)")
_UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
_SIZES = {
    "Xmx": "heap",
    "XX:MaxHeapSize=": "heap",
    "Xss": "stack",
    "XX:MaxMetaspaceSize=": "metaspace",
    "XX:MaxDirectMemorySize=": "direct",
}


@dataclass(frozen=True, kw_only=True)
class JavaOptions:
    """What options say of memory; sizes in bytes, None where they do not say."""

    heap: int | None = None
    share: float = SHARE
    small_share: float = SMALL_SHARE
    stack: int | None = None
    """Of each thread."""
    metaspace: int | None = None
    direct: int | None = None


def java_options(environment: Mapping[str, str], command: Sequence[str]) -> JavaOptions | None:
    """What the options of a container say, the last word winning; None when nothing tells of Java."""
    if not is_java(environment, command):
        return None
    said: dict[str, Any] = {}
    for word in words(environment, command):
        if (match := _SIZE.fullmatch(word)) and (field := _SIZES.get(match[1])):
            said[field] = int(match[2]) * _UNITS[match[3].lower()]
        elif match := _SHARE.fullmatch(word):
            said["share" if match[1] == "MaxRAMPercentage" else "small_share"] = float(match[2])
    return JavaOptions(**said)


def sizes_heap(word: str) -> bool:
    """Whether an option says how large the heap is."""
    size = _SIZE.fullmatch(word)
    return bool(_SHARE.fullmatch(word)) or (size is not None and _SIZES.get(size[1]) == "heap")


def is_java(environment: Mapping[str, str], command: Sequence[str]) -> bool:
    """Whether it is Java that a container runs, as far as its image and settings tell."""
    names = ("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS")
    return any(environment.get(name) for name in names) or any(
        re.search(r"(?:^|[\s/])java(?:\s|$)", word) for word in command
    )


def words(environment: Mapping[str, str], command: Sequence[str]) -> Iterator[str]:
    """Java's options in the order in which it reads them; those of a command in shell form too."""
    for name in ("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS"):
        yield from split(environment.get(name, ""))
    for word in command:
        yield from split(word)
    yield from split(environment.get("_JAVA_OPTIONS", ""))


def split(text: str) -> list[str]:
    """The options in a text, as Java divides JAVA_TOOL_OPTIONS."""
    return [word.replace('"', "").replace("'", "") for word in _WORD.findall(text)]
