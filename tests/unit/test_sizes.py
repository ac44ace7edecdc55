import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.values.sizes import (
    MINIMUM_MEMORY,
    Batch,
    format_cpus,
    format_memory,
    parse_batch,
    parse_cpus,
    parse_memory,
    whole_number,
)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("6m", 6291456),
        ("700m", 734003200),
        ("700M", 734003200),
        ("700mb", 734003200),
        ("700MiB", 734003200),
        ("1.5g", 1610612736),
        ("716800k", 734003200),
        ("734003200b", 734003200),
    ],
)
def test_memory_as_docker_writes_it(text: str, size: int) -> None:
    assert parse_memory(text) == size


@pytest.mark.parametrize(
    "text",
    [
        "",
        "700",
        "-1m",
        "4m",
        "0",
        "nan",
        "infm",
        "1e9m",
        "7_0m",
        "\u0667\u0660\u0660m",
        "700 m",
        "m",
        "9999999g",
    ],
)
def test_memory_that_is_none_is_told_what_to_write(text: str) -> None:
    with pytest.raises(ValueError, match="use 700m; minimum 6m"):
        parse_memory(text)


@given(st.integers(MINIMUM_MEMORY, 2**45))
def test_a_formatted_size_reads_as_the_same(size: int) -> None:
    assert parse_memory(format_memory(size)) == size


@pytest.mark.parametrize(("text", "cpus"), [("1.8", 1.8), ("2", 2.0), ("0.01", 0.01), ("64", 64.0)])
def test_cpus(text: str, cpus: float) -> None:
    assert parse_cpus(text) == cpus
    assert format_cpus(cpus) == text


@pytest.mark.parametrize(
    "text", ["", "1,8", "0", "0.0", "0.001", "-1", "nan", "inf", "1e2", "1_0", "\u0662", ".5"]
)
def test_cpus_that_are_none_are_told_what_to_write(text: str) -> None:
    with pytest.raises(ValueError, match=r"a number above 0, as 1\.8"):
        parse_cpus(text)


@given(st.integers(1, 9999), st.integers(0, 99))
def test_formatted_cpus_read_as_the_same(whole: int, hundredths: int) -> None:
    cpus = whole + hundredths / 100
    assert parse_cpus(format_cpus(cpus)) == pytest.approx(cpus)


@pytest.mark.parametrize(
    "text", ["", "nan", "-1", "0", "3601", "1e9", "1.5", "6_0", "\u0666", "+5", " 5", "007"]
)
def test_whole_numbers_keep_to_their_range(text: str) -> None:
    with pytest.raises(ValueError, match="use 1–3600 seconds"):  # noqa: RUF001
        whole_number(1, 3600, "seconds")(text)


@given(st.integers(0, 3600))
def test_whole_numbers_in_their_range_are_read(number: int) -> None:
    assert whole_number(0, 3600, "seconds")(str(number)) == number


@pytest.mark.parametrize(
    ("text", "hosts", "at_a_time"),
    [("1", 8, 1), ("3", 8, 3), ("9", 8, 8), ("25%", 8, 2), ("25%", 3, 1), ("100%", 5, 5), ("1%", 1, 1)],
)
def test_a_batch_of_hosts(text: str, hosts: int, at_a_time: int) -> None:
    batch = parse_batch(text)

    assert batch.of(hosts) == at_a_time
    assert str(batch) == text


@pytest.mark.parametrize("text", ["", "0", "0%", "101%", "-1", "1.5", "all", "1%%", "10000"])
def test_a_batch_that_is_none_is_told_what_to_write(text: str) -> None:
    with pytest.raises(ValueError, match="a number of hosts, as 1, or a share of them, as 25%"):
        parse_batch(text)


@given(
    st.one_of(
        st.integers(1, 999).map(lambda n: Batch(count=n)), st.integers(1, 100).map(lambda n: Batch(percent=n))
    )
)
def test_a_batch_is_at_least_one_host_and_never_more_than_there_are(batch: Batch) -> None:
    assert all(1 <= batch.of(hosts) <= hosts for hosts in range(1, 20))
