"""Host keys are judged as OpenSSH judges them, in every form that an entry can have."""

import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.hosts.known_hosts import KnownHosts, fingerprint, matches, parse, written

ED = "AAAAC3NzaC1lZDI1NTE5AAAAIGXcQ1GNIdzSfLPZ0dWPFkwvVKFOsgDXSvnxlOk5yTqS"
OTHER = "AAAAC3NzaC1lZDI1NTE5AAAAIJzZsdGfdFTkHqA0CCpVpR3GlEcyWqIYS4fGOh41Kf7k"
RSA = "AAAAB3NzaC1yc2EAAAADAQABAAAAQQ=="

# What `ssh-keygen -H` made of the names.
HASHED_NAME = "|1|Cty2Le4VZ06WJlQLcZmAEn7DJqc=|20gKBAvZVXKeWDyvGrTRETBoYbI="
HASHED_PORT = "|1|ZsmcEptRN6ajWl63Gc2ym1cN37c=|k2O7I3GrpMG16xS0Sql8UA4eZh0="


def known(*lines: str) -> KnownHosts:
    return KnownHosts(parse("\n".join(lines), "known_hosts"))


def hashed(name: str, salt: bytes = b"01234567890123456789") -> str:
    digest = hmac.new(salt, name.encode(), hashlib.sha1).digest()
    return f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"


FORMS = [
    pytest.param("web1.example.com", "web1.example.com", 22, id="by name"),
    pytest.param("[web1.example.com]:2222", "web1.example.com", 2222, id="by name and port"),
    pytest.param("192.0.2.10", "192.0.2.10", 22, id="by address"),
    pytest.param("[192.0.2.10]:2222", "192.0.2.10", 2222, id="by address and port"),
    pytest.param("2001:db8::1", "2001:db8::1", 22, id="by IPv6 address"),
    pytest.param("web1.example.com,192.0.2.10", "192.0.2.10", 22, id="name and address in one line"),
    pytest.param(HASHED_NAME, "web1.example.com", 22, id="hashed name"),
    pytest.param(HASHED_PORT, "web1.example.com", 2222, id="hashed name and port"),
    pytest.param("*.example.com", "web1.example.com", 22, id="wildcard"),
    pytest.param("web?.example.com", "web1.example.com", 22, id="single character"),
    pytest.param("[*.example.com]:2222", "web1.example.com", 2222, id="wildcard with port"),
    pytest.param("Web1.Example.COM", "web1.example.com", 22, id="upper case"),
]


@pytest.mark.fault(3)
@pytest.mark.parametrize(("written_as", "name", "port"), FORMS)
def test_the_pinned_key_passes_and_a_changed_one_does_not(written_as: str, name: str, port: int) -> None:
    pins = known(f"{written_as} ssh-ed25519 {ED}")

    assert pins.judge(name, port, ED).answer == "pinned"
    verdict = pins.judge(name, port, OTHER)

    assert verdict.answer == "changed"
    assert (verdict.entries[0].file, verdict.entries[0].line) == ("known_hosts", 1)


@pytest.mark.fault(3)
def test_a_key_of_another_type_than_the_pinned_one_has_changed() -> None:
    assert known(f"web1 ssh-ed25519 {ED}").judge("web1", 22, RSA).answer == "changed"


@pytest.mark.fault(3)
def test_a_host_without_an_entry_is_unknown() -> None:
    pins = known(f"web1 ssh-ed25519 {ED}", f"{HASHED_NAME} ssh-ed25519 {ED}")

    assert pins.judge("web2", 22, ED).answer == "unknown"
    assert known().judge("web1", 22, ED).answer == "unknown"


def test_several_keys_of_a_host_are_all_good_also_of_one_type() -> None:
    pins = known(f"web1 ssh-ed25519 {ED}", f"web1 ssh-rsa {RSA}", f"web1 ssh-ed25519 {OTHER}")

    assert [pins.judge("web1", 22, key).answer for key in (ED, RSA, OTHER)] == ["pinned"] * 3
    assert pins.key_types("web1", 22) == ("ssh-ed25519", "ssh-rsa")


def test_an_entry_without_port_accepts_on_any_port_and_refuses_on_its_own_only() -> None:
    pins = known(f"web1 ssh-ed25519 {ED}")

    assert pins.judge("web1", 2222, ED).answer == "pinned"
    assert pins.judge("web1", 2222, OTHER).answer == "unknown"
    assert pins.judge("web1", 22, OTHER).answer == "changed"


def test_an_entry_with_port_says_nothing_of_another_port() -> None:
    pins = known(f"[web1]:2222 ssh-ed25519 {ED}")

    assert pins.judge("web1", 22, ED).answer == "unknown"
    assert pins.judge("web1", 2223, ED).answer == "unknown"


def test_a_revoked_key_is_refused_though_it_is_pinned_too() -> None:
    pins = known(f"web1 ssh-ed25519 {ED}", f"@revoked * ssh-ed25519 {ED}")

    assert pins.judge("web1", 22, ED).answer == "revoked"
    assert pins.judge("web1", 22, OTHER).answer == "changed"


def test_a_certificate_authority_pins_no_key() -> None:
    pins = known(f"@cert-authority * ssh-ed25519 {ED}")

    assert pins.judge("web1", 22, ED).answer == "unknown"
    assert pins.key_types("web1", 22) == ()


def test_an_exception_wins_over_a_wildcard() -> None:
    pins = known(f"*.example.com,!web2.example.com ssh-ed25519 {ED}")

    assert pins.judge("web1.example.com", 22, ED).answer == "pinned"
    assert pins.judge("web2.example.com", 22, ED).answer == "unknown"


def test_lines_that_are_no_entries_are_left_out() -> None:
    lines = ["", "# comment", "#web1 ssh-ed25519 " + ED, "web1 ssh-ed25519", "web1 ssh-ed25519 ***", "\t "]

    assert parse("\n".join(lines), "f") == ()


def test_tabs_spaces_and_a_comment_are_read() -> None:
    (entry,) = parse(f"\tweb1 \t ssh-ed25519  {ED} deploy@desk\r\n", "f")

    assert (entry.names, entry.key_type, entry.key, entry.line) == (("web1",), "ssh-ed25519", ED, 1)


def test_a_broken_hash_matches_nothing() -> None:
    for pattern in ("|1|", "|1|x|y", "|1|!!|!!", "|2|aaaa|bbbb", "|1|a|b|c"):
        assert not matches((pattern,), "web1")


def test_the_fingerprint_is_what_ssh_keygen_prints() -> None:
    assert fingerprint(ED) == "SHA256:66tMu5emvttEdrViBXvd7GtuUIxZsNpFMFay6qNQqyc"


NAMES = st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,20}[a-z0-9])?", fullmatch=True)


@given(NAMES, NAMES, st.integers(1, 65535))
def test_a_name_matches_itself_only(one: str, other: str, port: int) -> None:
    for pattern in (written(one, port), hashed(written(one, port))):
        assert matches((pattern,), written(one, port))
        assert matches((pattern,), written(other, port)) == (one == other)


@given(st.text(max_size=300) | st.builds("web1 ssh-ed25519 {}".format, st.text(min_size=1)))
def test_any_file_can_be_read_and_asked(text: str) -> None:
    KnownHosts(parse(text, "f")).judge("web1", 22, ED)
