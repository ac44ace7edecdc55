import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.rollout.heap import SMALL_HEAP, heap_of

MIB = 2**20
JAVA = ("java", "-cp", "/app", "org.example.Main")
OURS = {"JAVA_TOOL_OPTIONS": "-XX:MaxRAMPercentage=75 -XX:+ExitOnOutOfMemoryError"}


def mib(options: str | None = None, limit: int | None = 700 * MIB, host: int = 8192 * MIB) -> float:
    heap = heap_of({"JAVA_TOOL_OPTIONS": options} if options else {}, JAVA, limit=limit, host=host)
    assert heap is not None
    return heap.size / MIB


def test_a_quarter_by_default_and_three_quarters_by_our_image() -> None:
    assert mib() == 175
    assert mib(OURS["JAVA_TOOL_OPTIONS"]) == 525


def test_the_reason_is_told() -> None:
    heap = heap_of(OURS, JAVA, limit=700 * MIB, host=8192 * MIB)
    assert heap is not None
    assert heap.why == "75% of MEMORY 700m"


def test_without_a_limit_java_sees_the_whole_host() -> None:
    assert mib("-XX:MaxRAMPercentage=75", limit=None, host=1024 * MIB) == 768
    heap = heap_of(OURS, JAVA, limit=None, host=1024 * MIB)
    assert heap is not None
    assert "no MEMORY" in heap.why


def test_little_memory_is_halved_whatever_the_share() -> None:
    """MaxRAMPercentage does not count below 250 MB: MinRAMPercentage does, against its name."""
    assert mib("-XX:MaxRAMPercentage=75", limit=200 * MIB) == 100
    assert mib("-XX:MaxRAMPercentage=75 -XX:MinRAMPercentage=60", limit=200 * MIB) == 120


def test_more_memory_gives_at_least_java_s_own_least() -> None:
    assert mib("-XX:MaxRAMPercentage=10", limit=256 * MIB) == SMALL_HEAP / MIB


@pytest.mark.parametrize(
    ("options", "expected"),
    [("-Xmx100m", 100), ("-XX:MaxRAMPercentage=75 -Xmx1g", 1024), ("-Xmx52428800", 50), ("'-Xmx64M'", 64)],
)
def test_a_size_wins_over_any_share(options: str, expected: int) -> None:
    assert mib(options) == expected


def test_the_last_word_wins_in_the_order_in_which_java_reads() -> None:
    environment = {"JAVA_TOOL_OPTIONS": "-Xmx1m", "JDK_JAVA_OPTIONS": "-Xmx2m", "_JAVA_OPTIONS": "-Xmx4m"}
    heap = heap_of(environment, ("java", "-Xmx3m"), limit=None, host=MIB)
    assert heap is not None
    assert heap.size == 4 * MIB
    del environment["_JAVA_OPTIONS"]
    heap = heap_of(environment, ("/usr/bin/java", "-Xmx3m"), limit=None, host=MIB)
    assert heap is not None
    assert heap.size == 3 * MIB


def test_what_is_no_java_has_no_heap() -> None:
    assert heap_of({}, ("/tiny",), limit=None, host=MIB) is None
    assert heap_of({}, (), limit=None, host=MIB) is None


@given(st.integers(64, 65536), st.integers(1, 100))
def test_no_share_gives_more_than_there_is(limit: int, share: int) -> None:
    assert mib(f"-XX:MaxRAMPercentage={share}", limit=limit * MIB, host=65536 * MIB) <= max(
        limit, SMALL_HEAP / MIB
    )
