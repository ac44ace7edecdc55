import datetime
import ssl
from pathlib import Path

import pytest
from cryptography import x509

from deploy.registry import Registry
from deploy.setup import authority
from deploy.setup.authority import Certificate
from deploy.values.errors import BuildError, InputError
from tests.support.certificates import DAY, NOW, server_context, write_certificate
from tests.support.http_server import Answer, serving


def own(directory: Path) -> authority.Authority:
    return authority.ensure(directory / "ca", now=NOW)


def served(directory: Path, certificate: Certificate) -> ssl.SSLContext:
    chain, key = directory / "server.crt", directory / "server.key"
    chain.write_text(certificate.chain)
    key.write_text(certificate.key)
    return server_context(chain, key)


def test_it_is_made_once_and_its_key_is_its_owners_alone(tmp_path: Path) -> None:
    first = own(tmp_path)
    assert own(tmp_path).fingerprint == first.fingerprint
    assert (tmp_path / "ca").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "ca/ca.key").stat().st_mode & 0o777 == 0o600
    assert "PRIVATE" not in first.pem
    assert "PRIVATE" not in repr(first)
    other = own(tmp_path / "other")
    assert other.certificate.subject != first.certificate.subject


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    own(tmp_path)
    (tmp_path / "ca/ca.key").chmod(0o640)
    with pytest.raises(InputError, match="Others may read") as refused:
        own(tmp_path)
    assert "chmod 600" in refused.value.advice


def test_files_of_two_authorities_are_refused(tmp_path: Path) -> None:
    own(tmp_path)
    own(tmp_path / "other")
    (tmp_path / "ca/ca.crt").write_bytes((tmp_path / "other/ca/ca.crt").read_bytes())
    with pytest.raises(InputError, match="do not belong together"):
        own(tmp_path)
    (tmp_path / "ca/ca.crt").unlink()
    with pytest.raises(InputError, match="cannot be read"):
        own(tmp_path)


@pytest.mark.security(3)
def test_what_it_signs_is_trusted_by_it_and_by_nobody_else(tmp_path: Path) -> None:
    signed = authority.sign(own(tmp_path), ["127.0.0.1", "registry.example.com"], now=NOW)
    ours, other = tmp_path / "ca/ca.crt", write_certificate(tmp_path, "other")[0]
    with serving(lambda _request: Answer(), served(tmp_path, signed)) as address:
        Registry(address, ca=str(ours)).ping()
        for ca in (None, str(other)):
            with pytest.raises(BuildError, match="not trusted"):
                Registry(address, ca=ca).ping()
    certificate = x509.load_pem_x509_certificate(signed.chain.encode())
    assert authority.signed_by(certificate, own(tmp_path).certificate)
    assert not authority.signed_by(certificate, x509.load_pem_x509_certificate(other.read_bytes()))
    assert signed.ends == certificate.not_valid_after_utc


@pytest.mark.parametrize(
    ("names", "name", "covered"),
    [
        (["registry.example.com"], "REGISTRY.example.com", True),
        (["*.example.com"], "registry.example.com", True),
        (["*.example.com"], "a.b.example.com", False),
        (["10.0.0.5"], "10.0.0.5", True),
        (["10.0.0.5"], "10.0.0.6", False),
        (["::1"], "0:0:0:0:0:0:0:1", True),
        (["registry.example.com"], "other.example.com", False),
    ],
)
def test_which_names_a_certificate_is_for(tmp_path: Path, names: list[str], name: str, covered: bool) -> None:
    chain = authority.sign(own(tmp_path), names, now=NOW).chain
    assert authority.covers(x509.load_pem_x509_certificate(chain.encode()), name) is covered


class TestAGivenCertificate:
    def given(self, certificate: Path, key: Path, *names: str) -> Certificate:
        return authority.given(str(certificate), str(key), names or ["127.0.0.1"], now=NOW)

    def test_one_that_fits_is_taken_as_it_is(self, tmp_path: Path) -> None:
        certificate, key = write_certificate(tmp_path, "a")
        assert self.given(certificate, key).chain == certificate.read_text()

    def test_one_that_does_not_is_refused_before_a_host_is_reached(self, tmp_path: Path) -> None:
        certificate, key = write_certificate(tmp_path, "a")
        _, other = write_certificate(tmp_path, "b")
        past = write_certificate(tmp_path, "past", begins=NOW - 9 * DAY, ends=NOW - DAY)
        future = write_certificate(tmp_path, "future", begins=NOW + DAY, ends=NOW + 9 * DAY)

        with pytest.raises(InputError, match="not the key of"):
            self.given(certificate, other)
        with pytest.raises(InputError, match=r"is not for registry\.example\.com"):
            self.given(certificate, key, "127.0.0.1", "registry.example.com")
        for pair in (past, future):
            with pytest.raises(InputError, match="not valid now") as refused:
                self.given(*pair)
            assert f"{(NOW - DAY if pair is past else NOW + DAY):%Y-%m-%d}" in refused.value.why
        with pytest.raises(InputError, match="no certificate and its key"):
            self.given(key, certificate)
        with pytest.raises(InputError, match="no certificate and its key"):
            self.given(tmp_path / "none", key)


def test_its_certificates_end_in_time_to_be_renewed(tmp_path: Path) -> None:
    signed = authority.sign(own(tmp_path), ["r"], now=NOW)
    assert signed.ends - NOW <= datetime.timedelta(days=825)
    assert authority.RENEW_DAYS < authority.CERTIFICATE_DAYS
