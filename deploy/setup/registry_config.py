"""The files inside a registry's container: its configuration and its users. Pure.

Source: https://distribution.github.io/distribution/about/configuration/ (registry 2.8).
"""

import json
from typing import Any

import bcrypt

from deploy.values.errors import InputError

DIRECTORY = "/etc/docker/registry"
CONFIG = f"{DIRECTORY}/config.yml"
USERS = f"{DIRECTORY}/htpasswd"
CERTIFICATE = f"{DIRECTORY}/tls.crt"
KEY = f"{DIRECTORY}/tls.key"
STORAGE = "/var/lib/registry"
PORT = 5000
"""Inside the container."""
BCRYPT_COST = 8
"""The registry checks the password at every request: 15 ms each at this cost, 60 ms at 10."""
LONGEST_PASSWORD = 72
"""Bytes; bcrypt takes no more into account."""


def config(*, tls: bool, users: bool, read_only: bool = False) -> str:
    """The configuration; JSON, which YAML includes.

    Without a cache of blobs, which would go on answering for those that a garbage collection has removed.
    """
    http: dict[str, Any] = {"addr": f":{PORT}", "headers": {"X-Content-Type-Options": ["nosniff"]}}
    if tls:
        http["tls"] = {"certificate": CERTIFICATE, "key": KEY, "minimumtls": "tls1.2"}
    content: dict[str, Any] = {
        "version": 0.1,
        "log": {"level": "info", "fields": {"service": "registry"}},
        "storage": {
            "filesystem": {"rootdirectory": STORAGE},
            "delete": {"enabled": True},
            "maintenance": {
                "uploadpurging": {"enabled": True, "age": "168h", "interval": "24h", "dryrun": False},
                "readonly": {"enabled": read_only},
            },
        },
        "http": http,
        "health": {"storagedriver": {"enabled": True, "interval": "10s", "threshold": 3}},
    }
    if users:
        content["auth"] = {"htpasswd": {"realm": "registry", "path": USERS}}
    return json.dumps(content, indent=2) + "\n"


def with_read_only(text: str, read_only: bool) -> str:
    """A configuration of `config`, with its maintenance mode on or off.

    Raises:
        ValueError: it is another one.
    """
    content = json.loads(text)
    content["storage"]["maintenance"]["readonly"] = {"enabled": read_only}
    return json.dumps(content, indent=2) + "\n"


def with_user(htpasswd: str, user: str, password: str) -> str:
    """A password file with a user's line new, and those of others as they are; the same when it is right.

    Raises:
        InputError: the password cannot be kept by bcrypt.
    """
    secret = password.encode()
    if len(secret) > LONGEST_PASSWORD:
        raise InputError(
            f"REGISTRY_PASSWORD has more than {LONGEST_PASSWORD} bytes, which is all that bcrypt heeds.",
            advice="Take a shorter one: openssl rand -base64 32",
        )
    lines = [line for line in htpasswd.splitlines() if line.strip()]
    own = [line for line in lines if line.partition(":")[0] == user]
    if own and _fits(secret, own[-1].partition(":")[2]):
        return htpasswd
    others = [line for line in lines if line not in own]
    hashed = bcrypt.hashpw(secret, bcrypt.gensalt(BCRYPT_COST)).decode()
    return "".join(f"{line}\n" for line in (*others, f"{user}:{hashed}"))


def _fits(secret: bytes, hashed: str) -> bool:
    try:
        return bcrypt.checkpw(secret, hashed.encode())
    except ValueError:  # Not bcrypt's, such as an old MD5 line, which the registry does not take either.
        return False
