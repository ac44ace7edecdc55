"""A certificate authority of the team's own, and the certificates of registries that it signs.

Its key is made once, lies in `.jarship/ca/ca.key` with mode 0600, and is sent nowhere: whoever has it can
stand in for every registry that the hosts trust by it.
"""

import datetime
import ipaddress
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from deploy.values.errors import InputError

DIRECTORY = Path(".jarship", "ca")
AUTHORITY_DAYS = 3650
CERTIFICATE_DAYS = 825
"""The most that all clients accept of a server's certificate."""
RENEW_DAYS = 30
"""Before its end a certificate is made anew by `registry.up`, and `doctor` warns."""
_BACKDATED = datetime.timedelta(hours=1)
"""For hosts whose clocks are behind."""


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """A server's certificate and its key, as PEM; further certificates of its chain behind it."""

    chain: str
    key: str = field(repr=False)

    @property
    def ends(self) -> datetime.datetime:
        """The moment after which it is not valid."""
        return x509.load_pem_x509_certificate(self.chain.encode()).not_valid_after_utc


@dataclass(frozen=True, kw_only=True)
class Authority:
    """An authority whose key is at hand."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    @property
    def pem(self) -> str:
        """Its certificate, for REGISTRY_CA."""
        return _pem(self.certificate)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of its certificate, in hexadecimal."""
        return self.certificate.fingerprint(hashes.SHA256()).hex()


def ensure(directory: Path, *, now: datetime.datetime) -> Authority:
    """The authority of a directory, made when there is none.

    Raises:
        InputError: its files cannot be read, or others may read its key.
    """
    key_file, certificate_file = directory / "ca.key", directory / "ca.crt"
    if not key_file.exists():
        return _make(directory, now)
    if key_file.stat().st_mode & 0o077:
        raise InputError(f"Others may read the authority's key {key_file}.", advice=f"chmod 600 {key_file}")
    try:
        key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
        certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(
            f"The authority in {directory} cannot be read.",
            why=str(error),
            advice="Bring back both of its files; or remove them for a new authority, of which all hosts are "
            "to be told then: invoke host.setup",
        ) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise InputError(f"ca.key and ca.crt in {directory} do not belong together.")
    return Authority(certificate=certificate, key=key)


def sign(authority: Authority, names: Sequence[str], *, now: datetime.datetime) -> Certificate:
    """A new key and certificate for a server.

    Args:
        names: the host names and IP addresses by which clients know it.
        now: in UTC.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    ends = now + datetime.timedelta(days=CERTIFICATE_DAYS)
    certificate = (
        _builder(names[0], authority.certificate.subject, key, now - _BACKDATED, ends)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False
        )
        .sign(authority.key, hashes.SHA256())
    )
    return Certificate(chain=_pem(certificate), key=_key_pem(key).decode())


def given(
    certificate_file: str, key_file: str, names: Sequence[str], *, now: datetime.datetime
) -> Certificate:
    """A certificate that somebody else signed, checked.

    Raises:
        InputError: it cannot be read, is not of this key, not for these names, or not valid now.
    """
    try:
        chain, key_text = Path(certificate_file).read_text(), Path(key_file).read_text()
        certificate = x509.load_pem_x509_certificate(chain.encode())
        key = serialization.load_pem_private_key(key_text.encode(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise InputError(
            f"{certificate_file} and {key_file} are no certificate and its key.",
            why=str(error),
            advice="Give both as PEM, the key without a passphrase.",
        ) from error
    if key.public_key() != certificate.public_key():
        raise InputError(f"{key_file} is not the key of {certificate_file}.")
    if not certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc:
        raise InputError(f"{certificate_file} is not valid now.", why=validity(certificate))
    missing = [name for name in names if not covers(certificate, name)]
    if missing:
        raise InputError(
            f"{certificate_file} is not for {', '.join(missing)}.",
            why="REGISTRY and REGISTRY_FOR_HOSTS say how the registry is known",
        )
    return Certificate(chain=chain, key=key_text)


def signed_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    """Whether an authority has signed a certificate."""
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def covers(certificate: x509.Certificate, name: str) -> bool:
    """Whether a certificate is for a host name or IP address; RFC 6125, wildcards in the first label only."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    try:
        return ipaddress.ip_address(name) in names.get_values_for_type(x509.IPAddress)
    except ValueError:
        host = name.lower()
    listed = {found.lower() for found in names.get_values_for_type(x509.DNSName)}
    return host in listed or f"*.{host.partition('.')[2]}" in listed


def validity(certificate: x509.Certificate) -> str:
    """From when to when a certificate is valid, in words."""
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return f"it is valid from {begins:%Y-%m-%d %H:%M:%S} to {ends:%Y-%m-%d %H:%M:%S} UTC"


def _make(directory: Path, now: datetime.datetime) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    # Unlike any other's, for clients that look authorities up by their names.
    common_name = f"Jarship registry authority {secrets.token_hex(4)}"
    name = _name(common_name)
    ends = now + datetime.timedelta(days=AUTHORITY_DAYS)
    usage = dict.fromkeys(
        (
            "digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
            "key_agreement", "encipher_only", "decipher_only",
        ),
        False,
    )  # fmt: skip
    certificate = (
        _builder(common_name, name, key, now - _BACKDATED, ends)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.KeyUsage(key_cert_sign=True, crl_sign=True, **usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write(directory / "ca.crt", _pem(certificate).encode(), 0o644)
    # Last: an authority is there when its key is.
    _write(directory / "ca.key", _key_pem(key), 0o600)
    return Authority(certificate=certificate, key=key)


def _builder(
    common_name: str,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    begins: datetime.datetime,
    ends: datetime.datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_name(common_name[:64]))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(file: Path, content: bytes, mode: int) -> None:
    """Write a file that has its mode from the beginning, whole or not at all."""
    partial = file.with_name(f"{file.name}.{os.getpid()}.partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(file)
