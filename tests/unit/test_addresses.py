import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.values.addresses import (
    Published,
    WrongEntries,
    format_host,
    parse_host,
    parse_host_list,
    parse_hosts,
    parse_port,
    parse_published,
    parse_registry,
    with_url,
)
from deploy.values.inventory import Host


def test_a_port() -> None:
    assert [parse_port(text) for text in ("1", "8080", "65535")] == [1, 8080, 65535]


@pytest.mark.input(22)
@pytest.mark.parametrize(
    "text", ["", "0", "70000", "65536", "80a", "8_080", "\u0668\u0660\u0668\u0660", "-1", "080", "80 ", "1e3"]
)
def test_a_port_is_between_1_and_65535_in_ascii_digits(text: str) -> None:
    with pytest.raises(ValueError, match="port 1–65535"):  # noqa: RUF001
        parse_port(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("8080", Published(port=8080)),
        ("127.0.0.1:8080", Published(address="127.0.0.1", port=8080)),
        ("[::1]:80", Published(address="::1", port=80)),
    ],
)
def test_a_published_port(text: str, expected: Published) -> None:
    assert parse_published(text) == expected
    assert str(expected) == text


@pytest.mark.parametrize(
    "text", ["::1:80", "localhost:80", "[127.0.0.1]:80", "1.2.3:80", "[fe80::1%x]:80", ":80"]
)
def test_a_published_port_is_at_an_ip_address(text: str) -> None:
    with pytest.raises(ValueError, match="8080"):
        parse_published(text)


@pytest.mark.parametrize(
    "text",
    [
        "sandbox",
        "localhost:5000",
        "r.example.com",
        "r.example.com:443",
        "192.0.2.1:5000",
        "[::1]:5000",
        "r:1",
    ],
)
def test_a_registry(text: str) -> None:
    assert parse_registry(text) == text


@pytest.mark.input(33)
@pytest.mark.parametrize(
    "text",
    [
        "http://r",
        "https://r:5000",
        "r",
        "r:5000/team",
        "user:pw@r:5000",
        "r:",
        ":5000",
        "-r:5000",
        "r;x:1",
        "",
    ],
)
def test_a_registry_is_host_and_port(text: str) -> None:
    with pytest.raises(ValueError, match="host:port, no scheme"):
        parse_registry(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("h", Host(name="h", address="h")),
        ("deployer@h", Host(name="h", address="h", user="deployer")),
        ("h:2222", Host(name="h:2222", address="h", port=2222)),
        ("h:22", Host(name="h", address="h")),
        ("192.0.2.1=10.0.0.1", Host(name="192.0.2.1", address="192.0.2.1", reached_at="10.0.0.1")),
        ("u@[2001:db8::1]:23", Host(name="[2001:db8::1]:23", address="2001:db8::1", port=23, user="u")),
        ("[::1]", Host(name="::1", address="::1")),
        (
            "a.example.com=2001:db8::1",
            Host(name="a.example.com", address="a.example.com", reached_at="2001:db8::1"),
        ),
        ("h=[::1]", Host(name="h", address="h", reached_at="::1")),
        ("my_alias", Host(name="my_alias", address="my_alias")),
    ],
)
def test_a_host(text: str, expected: Host) -> None:
    assert parse_host(text) == expected
    assert parse_host(format_host(expected)) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("::1:22", r"write \[::1\]:22", marks=pytest.mark.input(25)),
        pytest.param("2001:db8::5", r"write \[2001:db8::5\]:22", marks=pytest.mark.input(25)),
        pytest.param("1:2:3:4:5:6:7:8:2222", r"write \[1:2:3:4:5:6:7:8\]:2222", marks=pytest.mark.input(25)),
        pytest.param("user@", "use user@host:port", marks=pytest.mark.input(26)),
        pytest.param("@h", "use user@host:port", marks=pytest.mark.input(26)),
        pytest.param("h:", "use user@host:port", marks=pytest.mark.input(26)),
        pytest.param(":22", "use user@host:port", marks=pytest.mark.input(26)),
        pytest.param("ssh://h", "use user@host:port", marks=pytest.mark.input(26)),
        pytest.param("[::1", "use user@host:port", marks=pytest.mark.input(26)),
        pytest.param("[h]:22", "use user@host:port", marks=pytest.mark.input(26)),
        pytest.param("[::1]22", "use user@host:port", marks=pytest.mark.input(26)),
        pytest.param("-oProxyCommand=x", "invalid host", marks=pytest.mark.input(27)),
        pytest.param("u@-oProxyCommand=x", "invalid host", marks=pytest.mark.input(27)),
        pytest.param("h;reboot", "invalid host", marks=pytest.mark.input(30)),
        pytest.param("$(id)", "invalid host", marks=pytest.mark.input(30)),
        pytest.param("`id`@h", "invalid user", marks=pytest.mark.input(30)),
        ("h:80a", "port 1–65535"),  # noqa: RUF001
        ("a@b@c", "invalid user"),
        ("1.2.3", "invalid host"),
        ("256.1.1.1", "invalid host"),
        ("a..b", "invalid host"),
        ("h=", "invalid ADDRESS"),
        ("h=10.0.0.1:80", "invalid ADDRESS"),
        ("sandbox", "stands alone"),
        ("", "empty entry"),
    ],
)
def test_a_host_that_is_none_is_told_what_to_write(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_host(text)


def test_a_list_of_hosts_keeps_its_order() -> None:
    assert [host.name for host in parse_hosts("b, a ,c:23")] == ["b", "a", "c:23"]
    assert parse_hosts("sandbox") == ()


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        pytest.param("h,H:22", {2: "listed twice"}, marks=pytest.mark.input(28)),
        pytest.param("a@h,b@h", {2: "listed twice"}, marks=pytest.mark.input(28)),
        pytest.param("", {1: "empty entry"}, marks=pytest.mark.input(29)),
        pytest.param("a,", {2: "empty entry"}, marks=pytest.mark.input(29)),
        pytest.param("a,,b,", {2: "empty entry", 4: "empty entry"}, marks=pytest.mark.input(29)),
        pytest.param("a,u@,b;", {2: "use user@host:port", 3: "invalid host"}, marks=pytest.mark.input(26)),
    ],
)
def test_every_wrong_entry_of_a_list_is_named_by_its_position(text: str, entries: dict[int, str]) -> None:
    with pytest.raises(WrongEntries) as caught:
        parse_host_list(text)

    assert [position for position, _ in caught.value.entries] == list(entries)
    assert all(entries[position] in what for position, what in caught.value.entries)


@pytest.mark.parametrize(
    ("host", "port", "url"),
    [
        ("h", "8080", "http://h:8080"),
        ("h:2222", "80", "http://h"),
        ("h=10.0.0.1", "8080", "http://10.0.0.1:8080"),
        ("[::1]:2222", "8080", "http://[::1]:8080"),
        ("h", "127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("h=10.0.0.1", "127.0.0.1:8080", "http://10.0.0.1:8080"),
        ("h", "0.0.0.0:8080", "http://h:8080"),
    ],
)
def test_the_address_of_the_application_on_a_host(host: str, port: str, url: str) -> None:
    assert with_url(parse_host(host), parse_published(port)).url == url


@given(st.text(max_size=40))
def test_any_text_is_a_host_that_comes_back_or_is_refused(text: str) -> None:
    try:
        host = parse_host(text)
    except ValueError:
        return
    assert parse_host(format_host(host)) == host
    assert not set(format_host(host)) & set(" ;$`'\"\\|&<>()\n\t,")
    assert not host.address.startswith("-")


@given(st.from_regex(r"\A[u@h:2\[\]=,.\-]{0,12}\Z"))
def test_near_misses_of_hosts_come_back_or_are_refused(text: str) -> None:
    try:
        hosts = parse_host_list(text)
    except ValueError:
        return
    assert parse_host_list(",".join(format_host(host) for host in hosts)) == hosts
