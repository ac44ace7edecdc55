from pathlib import Path
from typing import Any

import pytest

from deploy.setup.trust import Seen, Trust, certificates, lack, of_hosts, of_this_machine
from deploy.values.errors import InputError
from deploy.values.settings import Settings
from tests.support.certificates import write_certificate

REGISTRY = "registry.example.com:5000"


def pem(directory: Path, name: str) -> str:
    return write_certificate(directory, name)[0].read_text()


def settings(**given: Any) -> Settings:
    return Settings(profile="dev", app_name="hello", registry=REGISTRY, hosts=(), **given)


def listing(name: str, *, secure: bool = False) -> dict[str, Any]:
    return {"IndexConfigs": {name: {"Secure": secure}}, "InsecureRegistryCIDRs": ["127.0.0.0/8"]}


class TestAnAuthority:
    def test_the_same_certificate_is_trust_however_it_is_written(self, tmp_path: Path) -> None:
        one = pem(tmp_path, "one")
        trust = Trust(kind="ca", registry=REGISTRY, authority=one)

        assert trust.ca_file == "/etc/docker/certs.d/registry.example.com:5000/ca.crt"
        assert lack(trust, Seen(registry_config={}, ca=one)) == ""
        assert lack(trust, Seen(registry_config={}, ca=one.replace("\n", "\r\n") + "\n\n")) == ""

    def test_so_is_one_of_several_as_during_a_change_of_authority(self, tmp_path: Path) -> None:
        one, two = pem(tmp_path, "one"), pem(tmp_path, "two")

        trust = Trust(kind="ca", registry=REGISTRY, authority=two)
        assert lack(trust, Seen(registry_config={}, ca=one + two)) == ""

    def test_another_or_none_is_told(self, tmp_path: Path) -> None:
        trust = Trust(kind="ca", registry=REGISTRY, authority=pem(tmp_path, "one"))

        assert "another certificate" in lack(trust, Seen(registry_config={}, ca=pem(tmp_path, "two")))
        assert "is missing" in lack(trust, Seen(registry_config={}, ca=""))

    def test_loopback_is_never_checked_by_docker(self, tmp_path: Path) -> None:
        trust = Trust(kind="ca", registry="127.0.0.1:5000", authority=pem(tmp_path, "one"))

        assert lack(trust, Seen(registry_config={}, ca="")) == ""

    def test_what_was_not_seen_is_not_judged(self, tmp_path: Path) -> None:
        trust = Trust(kind="ca", registry=REGISTRY, authority=pem(tmp_path, "one"))

        assert lack(trust, Seen(registry_config={}, ca=None)) == ""


@pytest.mark.parametrize(
    ("registry", "config", "words"),
    [
        (REGISTRY, listing(REGISTRY), ""),
        (REGISTRY, listing(REGISTRY, secure=True), "insist on TLS"),
        (REGISTRY, listing("other:5000"), "does not list registry.example.com:5000"),
        ("127.0.0.1:5000", {}, ""),
        ("192.0.2.5:5000", {"InsecureRegistryCIDRs": ["192.0.2.0/24"]}, ""),
    ],
)
def test_a_registry_without_tls_must_be_listed(registry: str, config: dict[str, Any], words: str) -> None:
    found = lack(Trust(kind="insecure", registry=registry), Seen(registry_config=config))
    assert (words in found) if words else not found


def test_the_system_needs_nothing() -> None:
    trust = Trust(kind="system", registry=REGISTRY)
    assert trust.ca_file == ""
    assert lack(trust, Seen(registry_config={})) == ""


def test_what_the_settings_say_is_for_the_name_that_each_side_knows(tmp_path: Path) -> None:
    file, _ = write_certificate(tmp_path, "ca")
    given = settings(registry_ca=str(file), registry_for_hosts="10.0.0.5:5000")

    assert of_hosts(given).registry == "10.0.0.5:5000"
    assert of_this_machine(given).registry == REGISTRY
    assert certificates(of_hosts(given).authority) == certificates(file.read_text())
    assert of_hosts(settings()).kind == "system"
    assert of_hosts(settings(registry_trust="insecure")).kind == "insecure"


def test_a_file_that_is_no_certificate_is_refused(tmp_path: Path) -> None:
    certificate, key = write_certificate(tmp_path, "ca")
    both = tmp_path / "both.pem"
    both.write_text(certificate.read_text() + key.read_text())

    for file, words in {
        tmp_path / "no": "cannot be read",
        key: "no certificate",
        both: "private key",
    }.items():
        with pytest.raises(InputError, match=words):
            of_hosts(settings(registry_ca=str(file)))
