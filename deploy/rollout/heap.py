"""The heap of the Java in a container, and all else that it takes, against MEMORY. Pure.

Source of how Java chooses: OpenJDK, Arguments::set_heap_size of hotspot/share/runtime/arguments.cpp, the same
from 11 to 25.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deploy.rollout.java_options import JavaOptions, is_java, java_options, sizes_heap, words
from deploy.values.sizes import format_memory

MIB = 2**20
SMALL_HEAP = 96 * MIB * 13 // 10
"""Bytes: where the share of small memory gives less than this, the memory is small; else the heap is at least
this."""

REST = 250 * MIB
"""Bytes of MEMORY that Jarship leaves to all that is not heap."""
LARGEST_SHARE = 75
"""Percent of MEMORY that the heap takes at most, unless an option says otherwise."""
SMALLEST_SHARE = 25
"""The least of it, where MEMORY less REST would leave next to nothing: as much as Java takes by itself."""
OF_IMAGE = f"-XX:MaxRAMPercentage={LARGEST_SHARE}"
"""What docker/app/Dockerfile says where nobody else does; no wish of the user's."""

# What a small Spring Boot application with its own web server takes besides, when it is busy.
METASPACE = 96 * MIB
STACK = 256 * 2**10
"""Of a thread's megabyte as much as is touched, generously."""
THREADS = 30
"""Java's own and Spring's."""
TOMCAT_THREADS = 200
"""Default of server.tomcat.threads.max (docs.spring.io, Application Properties)."""
ITSELF = 88 * MIB
"""Compiled code, the collector's and the compiler's own."""


@dataclass(frozen=True, kw_only=True)
class Heap:
    """The largest heap that Java may take."""

    size: int
    """Bytes, give or take its alignment of a few megabytes."""
    why: str
    metaspace: int = METASPACE
    threads: int = THREADS + TOMCAT_THREADS
    stack: int = STACK
    """Bytes of a thread."""
    direct: int = 0

    @property
    def needs(self) -> int:
        """Bytes that Java takes in all, about, when it is busy and its heap is full."""
        return self.size + self.metaspace + self.threads * self.stack + self.direct + ITSELF

    def __str__(self) -> str:
        stacks = f"{self.threads} threads {_mib(self.threads * self.stack)}"
        rest = _mib(ITSELF + self.direct)
        return f"heap {_mib(self.size)} + metaspace {_mib(self.metaspace)} + {stacks} + Java itself {rest}"


def heap_of(
    environment: Mapping[str, str], command: Sequence[str], *, limit: int | None, host: int
) -> Heap | None:
    """The largest heap of a container's Java, and what it takes besides.

    Args:
        environment: of the container, the image's own included.
        command: entry point and arguments.
        limit: MEMORY, bytes.
        host: the host's memory, bytes; what Java sees without a limit.

    Returns:
        None when nothing says that it is Java that runs there.
    """
    options = java_options(environment, command)
    if options is None:
        return None
    size, why = _size(options, limit, host)
    return Heap(
        size=size,
        why=why,
        metaspace=options.metaspace or METASPACE,
        threads=THREADS + _tomcat_threads(environment),
        stack=min(options.stack or STACK, STACK),
        direct=options.direct or 0,
    )


def default_options(
    environment: Mapping[str, str],
    image_environment: Mapping[str, str],
    command: Sequence[str],
    memory: int | None,
) -> dict[str, str]:
    """What Jarship gives Java where neither settings nor image say how large its heap is.

    Args:
        environment: of the settings.
        image_environment: what the image brings.
        command: entry point and arguments.
        memory: MEMORY, bytes; without it Java's own choice stands.

    Returns:
        JAVA_TOOL_OPTIONS with an -Xmx before all else that it says; nothing when that is not called for.
    """
    whole = {**image_environment, **environment}
    if memory is None or not is_java(whole, command):
        return {}
    if any(sizes_heap(word) and word != OF_IMAGE for word in words(whole, command)):
        return {}
    given = f"-Xmx{default_heap(memory) // MIB}m"
    return {"JAVA_TOOL_OPTIONS": f"{given} {whole.get('JAVA_TOOL_OPTIONS', '')}".strip()}


def default_heap(memory: int) -> int:
    """MEMORY less REST, within its shares; bytes."""
    return max(min(memory - REST, memory * LARGEST_SHARE // 100), memory * SMALLEST_SHARE // 100)


def _size(options: JavaOptions, limit: int | None, host: int) -> tuple[int, str]:
    if options.heap is not None:
        ours = limit is not None and options.heap // MIB == default_heap(limit) // MIB
        return options.heap, _of(limit) if ours and limit else "as its options say"
    seen = min(limit or host, host)
    small = seen * options.small_share / 100 < SMALL_HEAP
    size = int(seen * (options.small_share if small else options.share) / 100)
    whole = f"MEMORY {format_memory(seen)}" if limit else f"the host's {_mib(seen)}, as there is no MEMORY"
    if small:
        return size, f"{options.small_share:g}% of {whole}, which is little"
    if size < SMALL_HEAP:
        return SMALL_HEAP, f"its least; {options.share:g}% of {whole} is less"
    return size, f"{options.share:g}% of {whole}"


def _of(memory: int) -> str:
    """How Jarship's own default came about."""
    whole = f"MEMORY {format_memory(memory)}"
    if default_heap(memory) == memory - REST:
        return f"{whole} less {_mib(REST)}"
    share = SMALLEST_SHARE if memory - REST < default_heap(memory) else LARGEST_SHARE
    return f"{share}% of {whole}"


def _tomcat_threads(environment: Mapping[str, str]) -> int:
    told = environment.get("SERVER_TOMCAT_THREADS_MAX", "")
    return int(told) if told.isascii() and told.isdigit() else TOMCAT_THREADS


def _mib(size: int) -> str:
    return f"{size // MIB}m"
