"""SSH keys of a sandbox: the one that gets in, and one for the sshd of each host."""

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
)

from deploy.sandbox.state import write


def ensure_key(file: Path) -> str:
    """Make an ed25519 key in a file of mode 0600 unless it is there.

    Returns:
        Its public part, as known_hosts and authorized_keys write it.
    """
    if not file.exists():
        made = Ed25519PrivateKey.generate()
        write(file, made.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode())
    public = load_ssh_private_key(file.read_bytes(), password=None).public_key()
    return public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
