"""Push to a registry with TLS and a password: by its authority's certificate, and never by plain HTTP."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import docker
import pytest

from deploy.artifact.push import push
from deploy.registry import open_registry
from deploy.setup import authority
from deploy.values.errors import BuildError
from deploy.values.events import Stream
from tests.support.builds import build_of_image
from tests.support.leaks import canary
from tests.support.registry import start_registry
from tests.support.secured import IMAGE, PASSWORD, Secured


def test_a_push_ends_in_a_digest_that_the_registry_tells_over_tls(
    engine: docker.DockerClient, secured: Secured
) -> None:
    settings = secured.settings()
    pushed = push(build_of_image(engine, IMAGE, tag="1.0"), settings, engine, Stream()).pushed
    assert pushed is not None
    assert open_registry(settings, engine.info()).digest("app", "1.0") == pushed.digest


def test_a_wrong_password_is_told_and_not_shown(engine: docker.DockerClient, secured: Secured) -> None:
    wrong = canary("registry-wrong")
    with pytest.raises(BuildError, match="refuses the credentials") as refused:
        push(build_of_image(engine, IMAGE, tag="1.1"), secured.settings(password=wrong), engine, Stream())
    assert wrong not in f"{refused.value.what}{refused.value.why}{refused.value.advice}"


@pytest.mark.fault(20)
@pytest.mark.security(3)
def test_another_authority_is_refused_and_plain_http_not_tried(
    engine: docker.DockerClient, secured: Secured, tmp_path: Path
) -> None:
    authority.ensure(tmp_path, now=datetime.now(UTC))
    before = secured.registry.container.logs().decode()
    with pytest.raises(BuildError, match="certificate") as refused:
        push(
            build_of_image(engine, IMAGE, tag="1.2"),
            secured.settings(ca=tmp_path / "ca.crt"),
            engine,
            Stream(),
        )
    assert "REGISTRY_CA" in f"{refused.value.why} {refused.value.advice}"
    said = secured.registry.container.logs().decode().removeprefix(before)
    assert "HTTP request to an HTTPS server" not in said


@pytest.mark.fault(20)
def test_an_expired_certificate_is_told(
    engine: docker.DockerClient, tmp_path: Path, secured: Secured
) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=authority.CERTIFICATE_DAYS + 10)
    ours = authority.ensure(tmp_path, now=long_ago)
    expired = authority.sign(ours, ["127.0.0.1"], now=long_ago)
    running = start_registry(engine, users={"ci": PASSWORD}, certificate=expired)
    try:
        there = Secured(registry=running, ca=tmp_path / "ca.crt")
        with pytest.raises(BuildError, match="certificate") as refused:
            push(build_of_image(engine, IMAGE, tag="1.0"), there.settings(), engine, Stream())
        assert "certificate has expired" in refused.value.why
    finally:
        running.remove()
