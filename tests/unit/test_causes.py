import json
import os
import subprocess
from pathlib import Path

import pytest

from deploy.causes import explain
from deploy.plain_http import allowed, is_loopback, mending_line

R = "192.0.2.5:5000"


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("plain-http", f'Get "https://{R}/v2/": http: server gave HTTP response to HTTPS client'),
        ("plain-http", "[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)"),
        ("certificate", f'Get "https://{R}/v2/": x509: certificate signed by unknown authority'),
        ("certificate", "x509: certificate has expired or is not yet valid: current time … is after …"),
        (
            "certificate",
            "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate",
        ),
        ("refused", f'Get "http://{R}/v2/": dial tcp {R}: connect: connection refused'),
        ("unknown-host", "dial tcp: lookup registry-1.docker.io: no such host"),
        ("unknown-host", "[Errno -2] Name or service not known"),
        ("denied", "no basic auth credentials"),
        ("denied", "unauthorized: authentication required"),
        ("denied", "denied: requested access to the resource is denied"),
        (
            "absent",
            "pull access denied for app, repository does not exist or may require 'docker login': denied",
        ),
        ("read-only", "unsupported: The operation is unsupported."),
        ("read-only", "asked for an upload to app, it answered 405 Method Not Allowed: UNSUPPORTED: …"),
        ("full", "write /var/lib/registry/docker/registry/v2/blobs/x: no space left on device"),
        ("rate", "toomanyrequests: You have reached your pull rate limit."),
        ("corrupt", "filesystem layer verification failed for digest sha256:00"),
        ("unknown", "manifest for 192.0.2.5:5000/app:1 not found: manifest unknown: manifest unknown"),
        (
            "platform",
            "image with reference a was found but does not match the specified platform: wanted linux/arm64",
        ),
        ("transient", "received unexpected HTTP status: 502 Bad Gateway"),
        ("transient", "read tcp 192.0.2.1:1->192.0.2.5:5000: read: connection reset by peer"),
        ("transient", "net/http: TLS handshake timeout"),
        ("transient", f'Put "http://{R}/v2/app/blobs/uploads/x": EOF'),
        ("transient", "blob upload unknown"),
        ("other", "something that nobody has seen"),
    ],
)
def test_the_words_of_engine_and_registry_tell_the_cause(kind: str, words: str) -> None:
    assert explain(words, R).kind == kind


@pytest.mark.parametrize(
    "kind", ["no basic auth credentials", "denied", "x509: bad", "http response to https client"]
)
def test_what_asking_again_does_not_mend_is_not_transient(kind: str) -> None:
    assert not explain(kind, R).transient


@pytest.mark.parametrize("words", ["connection refused", "EOF", "i/o timeout", "503 Service Unavailable"])
def test_what_may_pass_is_transient(words: str) -> None:
    assert explain(words, R).transient


def test_refused_credentials_name_their_keys() -> None:
    assert "REGISTRY_USER and REGISTRY_PASSWORD" in explain("no basic auth credentials", R).advice


@pytest.fixture
def stubs(tmp_path: Path) -> dict[str, str]:
    """An environment in which sudo does as it is told, and kill tells what it was told."""
    places = tmp_path / "bin"
    places.mkdir()
    # dash and bash have a kill of their own: it comes through sudo, which here is a command.
    (places / "sudo").write_text('#!/bin/sh\n[ "$1" = kill ] && echo "$@" && exit\nexec "$@"\n')
    (places / "cat").write_text("#!/bin/sh\necho 4711\n")
    for stub in places.iterdir():
        stub.chmod(0o755)
    return {**os.environ, "PATH": f"{places}:{os.environ['PATH']}"}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, {"insecure-registries": [R]}),
        ({"log-driver": "local"}, {"log-driver": "local", "insecure-registries": [R]}),
        ({"insecure-registries": ["other"]}, {"insecure-registries": ["other", R]}),
        ({"insecure-registries": [R]}, {"insecure-registries": [R]}),
    ],
)
def test_the_mending_line_keeps_what_is_in_daemon_json(
    tmp_path: Path, stubs: dict[str, str], before: object, after: object
) -> None:
    file = tmp_path / "etc" / "daemon.json"
    if before is not None:
        file.parent.mkdir()
        file.write_text(json.dumps(before))
    line = mending_line(R, str(file))
    assert "\n" not in line
    done = subprocess.run(["sh", "-c", line], env=stubs, capture_output=True, text=True, check=True)
    assert json.loads(file.read_text()) == after
    assert done.stdout == "kill -HUP 4711\n"


def test_the_mending_line_leaves_a_broken_daemon_json_alone(tmp_path: Path, stubs: dict[str, str]) -> None:
    file = tmp_path / "daemon.json"
    file.write_text("{broken")
    done = subprocess.run(
        ["sh", "-c", mending_line(R, str(file))], env=stubs, capture_output=True, text=True, check=False
    )
    assert done.returncode
    assert done.stdout == ""
    assert file.read_text() == "{broken"


@pytest.mark.parametrize(
    ("registry", "expected"),
    [
        ("localhost", True),
        ("LOCALHOST:5000", True),
        ("127.0.0.1:5000", True),
        ("127.9.9.9", True),
        ("[::1]:5000", True),
        ("192.0.2.5:5000", False),
        ("localhost.example.com", False),
    ],
)
def test_loopback_is_told_by_the_address_alone(registry: str, expected: bool) -> None:
    assert is_loopback(registry) is expected


INFO = {
    "RegistryConfig": {
        "InsecureRegistryCIDRs": ["127.0.0.0/8", "198.51.100.0/24"],
        "IndexConfigs": {
            "docker.io": {"Secure": True},
            "r.example.com:5000": {"Secure": False},
        },
    }
}


@pytest.mark.parametrize(
    ("registry", "expected"),
    [
        ("127.0.0.1:5000", True),
        ("r.example.com:5000", True),
        ("198.51.100.7:5000", True),
        ("docker.io", False),
        ("192.0.2.5:5000", False),
    ],
)
def test_plain_http_is_allowed_where_the_engine_allows_it(registry: str, expected: bool) -> None:
    assert allowed(registry, INFO) is expected


def test_without_an_engine_plain_http_is_allowed_to_loopback_only() -> None:
    assert allowed("127.0.0.1:5000", None)
    assert not allowed("192.0.2.5:5000", None)
    assert not allowed("192.0.2.5:5000", {})
