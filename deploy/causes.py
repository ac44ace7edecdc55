"""What goes wrong between an engine and a registry: from their own words to a cause and its mending.

The engine reports failures of push and pull as text inside a stream that answered 200, so the text is all
there is. The phrases are those of Docker Engine 20.10 to 28 and of registry 2.8 (seen in its answers, or in
the sources of moby and distribution).
"""

import re
from dataclasses import dataclass

from deploy.plain_http import mending_line


@dataclass(frozen=True, kw_only=True)
class Cause:
    """Why a registry did not do what it was asked."""

    kind: str
    """A short name, such as `denied`."""
    what: str
    """One clause that follows the registry's name: `refuses the credentials`."""
    advice: str
    transient: bool = False
    """Whether the same call may succeed a moment later."""


_NETWORK = (
    (
        "plain-http",
        r"server gave http response to https client|wrong_version_number|wrong version number",
        "speaks plain HTTP, which Docker uses only where it has been told to",
    ),
    ("certificate", r"x509|certificate|tls: |ssl: ", "has a TLS certificate that is not trusted here"),
    ("refused", r"connection refused", "refuses connections"),
    ("unknown-host", r"no such host|name or service not known|name resolution|nodename", "has no address"),
)
_ANSWERS = (
    ("transient", r"blob upload (?:unknown|invalid)", "lost an upload that was under way"),
    (
        "absent",
        r"pull access denied|may require 'docker login'",
        "does not have it, or not for these credentials",
    ),
    ("platform", r"does not match the specified platform|no matching manifest", "has it for other platforms"),
    (
        "denied",
        r"unauthorized|authentication required|no basic auth|denied|forbidden|incorrect username",
        "refuses the credentials",
    ),
    (
        "read-only",
        r"method not allowed|unsupported|read-?only",
        "does not take changes: it is read-only",
    ),
    ("full", r"no space left|insufficient storage|disk quota|quota exceeded", "has no space left"),
    ("rate", r"toomanyrequests|too many requests", "answers that there are too many requests"),
    (
        "corrupt",
        r"filesystem layer verification failed|digest (?:invalid|did not match|verification)",
        "sent or received content that does not fit its digest",
    ),
    ("unknown", r"manifest unknown|not found|name unknown|blob unknown", "does not have it"),
    (
        "transient",
        r"connection reset|broken pipe|\beof\b|i/o timeout|timeout|deadline exceeded|timed out|"
        r"internal server error|bad gateway|service unavailable|gateway time|"
        r"use of closed network connection|connection aborted|server misbehaving|retry after",
        "broke the transfer off",
    ),
)
_TRANSIENT = {"refused", "rate", "transient"}


def explain(text: str, registry: str) -> Cause:
    """The cause behind an engine's or a registry's words.

    Args:
        text: the words, such as the `errorDetail` of a push.
        registry: `host:port`.
    """
    words = text.lower()
    for kind, pattern, what in _NETWORK + _ANSWERS:
        if re.search(pattern, words):
            return Cause(kind=kind, what=what, advice=_advice(kind, registry), transient=kind in _TRANSIENT)
    return Cause(kind="other", what="failed", advice=_advice("other", registry))


def _advice(kind: str, registry: str) -> str:
    hub = registry == "docker.io"
    return {
        "plain-http": "Give it TLS, or, in a network that you trust, let the engine use plain HTTP: "
        + mending_line(registry),
        "certificate": "Let the engine trust its authority (no restart needed), and set REGISTRY_CA to the "
        f"same file: sudo install -D -m 0644 ca.crt /etc/docker/certs.d/{registry}/ca.crt",
        "refused": f"Check REGISTRY, and that the registry runs: curl -v {registry}/v2/",
        "unknown-host": "Check the name's spelling, this machine's DNS, and the engine's proxy settings."
        + (" Or name a BASE_IMAGE and a PROXY_IMAGE in a registry that is reached." if hub else ""),
        "absent": f"Check the image's name; if it is private, log in: docker login {registry}",
        "platform": "Name an image for that platform, or set PLATFORM to the one that the hosts have.",
        "denied": "Check REGISTRY_USER and REGISTRY_PASSWORD, and that this user may write there. "
        f"Without them the credentials of this command are used: docker login {registry}",
        "read-only": "Switch its maintenance mode off (storage.maintenance.readonly), or push later.",
        "full": "Make space on the registry's storage: delete old tags, then run its garbage collection.",
        "rate": "Wait a minute and run the command again, or log in for a higher limit.",
        "corrupt": "Run the command again; if it stays, the registry's storage is damaged.",
        "unknown": "Check the repository and tag; `invoke push` puts a build there.",
        "transient": "Run the command again; if it stays, look at the registry's log.",
        "other": "Look at the registry's log and at the engine's (journalctl -u docker).",
    }[kind]
