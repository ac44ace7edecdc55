import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.rollout.heap import SMALL_HEAP, default_heap, default_options, heap_of

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


@pytest.mark.parametrize(
    ("memory", "heap"), [(4096, 3072), (1000, 750), (700, 450), (384, 134), (300, 75), (128, 32)]
)
def test_the_default_leaves_250_mib_to_all_else_and_is_three_quarters_at_most(memory: int, heap: int) -> None:
    assert default_heap(memory * MIB) == heap * MIB


def test_the_default_reaches_java_before_what_the_image_says() -> None:
    options = default_options({"PROFILE": "dev"}, OURS, JAVA, 700 * MIB)
    assert options == {"JAVA_TOOL_OPTIONS": f"-Xmx450m {OURS['JAVA_TOOL_OPTIONS']}"}
    told = heap_of(options, JAVA, limit=700 * MIB, host=8192 * MIB)
    assert told is not None
    assert (told.size, told.why) == (450 * MIB, "MEMORY 700m less 250m")


def test_options_of_the_user_stay_and_get_it_too() -> None:
    options = default_options({"JAVA_TOOL_OPTIONS": "-Dx=1"}, OURS, JAVA, 700 * MIB)
    assert options == {"JAVA_TOOL_OPTIONS": "-Xmx450m -Dx=1"}


@pytest.mark.parametrize(
    ("environment", "command"),
    [
        ({"JAVA_TOOL_OPTIONS": "-Xmx600m"}, JAVA),
        ({"JAVA_TOOL_OPTIONS": "-XX:MaxRAMPercentage=50"}, JAVA),
        ({"JDK_JAVA_OPTIONS": "-XX:MaxHeapSize=600m"}, JAVA),
        ({"_JAVA_OPTIONS": "-Xmx600m"}, JAVA),
        ({}, ("java", "-Xmx600m", "-jar", "app.jar")),
        ({}, ("/bin/sh", "-c", "exec java -Xmx600m -jar app.jar")),
        ({}, ("/tiny",)),
    ],
)
def test_who_says_how_large_it_is_or_is_no_java_gets_none(
    environment: dict[str, str], command: tuple[str, ...]
) -> None:
    image = OURS if command is JAVA else {}
    assert default_options(environment, image, command, 700 * MIB) == {}
    assert default_options(environment, image, command, None) == {}


def test_what_java_takes_besides_is_told_and_fits_by_default() -> None:
    for memory in (384, 700, 2048):
        environment = {**OURS, **default_options({}, OURS, JAVA, memory * MIB)}
        told = heap_of(environment, JAVA, limit=memory * MIB, host=8192 * MIB)
        assert told is not None
        assert told.needs <= memory * MIB
    assert "metaspace 96m + 230 threads 57m" in str(told)


def test_options_change_what_it_takes_besides() -> None:
    environment = {
        "JAVA_TOOL_OPTIONS": "-Xmx100m -Xss128k -XX:MaxMetaspaceSize=200m -XX:MaxDirectMemorySize=1g",
        "SERVER_TOMCAT_THREADS_MAX": "20",
    }
    told = heap_of(environment, JAVA, limit=700 * MIB, host=8192 * MIB)
    assert told is not None
    assert (told.metaspace, told.stack, told.threads) == (200 * MIB, 128 * 1024, 50)
    assert told.direct == 1024 * MIB
