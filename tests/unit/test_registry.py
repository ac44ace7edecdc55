import base64
import hashlib
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from deploy.credentials import Credentials
from deploy.registry import Registry
from deploy.values.errors import BuildError
from tests.support.certificates import DAY, NOW, server_context, write_certificate
from tests.support.http_server import Answer, Answering, Request, serving

LOGIN = Credentials(user="ci", password="pa ss:ü")
BASIC = "Basic " + base64.b64encode("ci:pa ss:ü".encode()).decode()
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
INDEX = "application/vnd.oci.image.index.v1+json"


@pytest.fixture
def servers() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


class Recorder:
    """Answers by a function, and keeps what it was asked."""

    def __init__(self, answering: Answering) -> None:
        self.answering = answering
        self.asked: list[Request] = []

    def __call__(self, request: Request) -> Answer:
        self.asked.append(request)
        return self.answering(request)


def an_error(status: int, code: str, message: str = "", **detail: object) -> Answer:
    errors = [{"code": code, "message": message, "detail": detail}]
    return Answer(status=status, body=json.dumps({"errors": errors}).encode())


def plain(address: str, login: Credentials | None = None, *, read_seconds: float = 30) -> Registry:
    return Registry(address, login=login, insecure=True, read_seconds=read_seconds)


def needs_basic(request: Request) -> Answer:
    if request.authorization == BASIC:
        return Answer()
    return Answer(status=401, headers={"WWW-Authenticate": 'Basic realm="r"'}, body=b"")


def test_credentials_are_sent_when_they_are_asked_for_and_then_at_once(servers: ExitStack) -> None:
    recorder = Recorder(needs_basic)
    registry = plain(servers.enter_context(serving(recorder)), LOGIN)
    registry.ping()
    registry.ping()
    # The first two looked for the scheme and for a challenge.
    assert [request.authorization for request in recorder.asked] == ["", "", BASIC, BASIC]


def test_refused_credentials_are_told_and_not_tried_again(servers: ExitStack) -> None:
    recorder = Recorder(needs_basic)
    registry = plain(servers.enter_context(serving(recorder)), Credentials(user="ci", password="wrong"))
    for _ in range(2):
        with pytest.raises(BuildError, match="refuses the credentials") as refused:
            registry.ping()
    assert "REGISTRY_PASSWORD" in refused.value.advice
    assert "wrong" not in str(vars(refused.value))
    assert len([request for request in recorder.asked if request.authorization]) == 2


def test_a_password_file_of_the_user_is_not_used(
    servers: ExitStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder(needs_basic)
    address = servers.enter_context(serving(recorder))
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login ci password other\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with pytest.raises(BuildError, match="refuses the credentials"):
        plain(address).ping()
    assert {request.authorization for request in recorder.asked} == {""}


class TokenService:
    """A registry that takes tokens, and the service that gives them."""

    def __init__(self, servers: ExitStack, *, seconds: int = 300) -> None:
        self.seconds = seconds
        self.service = Recorder(self.give)
        self.registry = Recorder(self.check)
        self.realm = f"http://{servers.enter_context(serving(self.service))}/token"
        self.address = servers.enter_context(serving(self.registry))

    def give(self, request: Request) -> Answer:
        known = request.authorization == BASIC or b"refresh_token=identity" in request.body
        if not known:
            return an_error(401, "UNAUTHORIZED", "who are you")
        token = f"token-{len(self.service.asked)}"
        return Answer(body=json.dumps({"token": token, "expires_in": self.seconds}).encode())

    def check(self, request: Request) -> Answer:
        if request.authorization.startswith("Bearer token-"):
            return Answer(headers={"Docker-Content-Digest": "sha256:" + "0" * 64})
        challenge = f'Bearer realm="{self.realm}",service="r",scope="repository:team/app:pull"'
        return Answer(status=401, headers={"WWW-Authenticate": challenge}, body=b"")


def test_a_token_is_fetched_once_and_kept_from_the_registry_s_password(servers: ExitStack) -> None:
    tokens = TokenService(servers)
    registry = plain(tokens.address, LOGIN)
    for _ in range(3):
        assert registry.digest("team/app", "1") == "sha256:" + "0" * 64
    (asked,) = tokens.service.asked
    assert parse_qs(asked.path.partition("?")[2]) == {"service": ["r"], "scope": ["repository:team/app:pull"]}
    assert BASIC not in {request.authorization for request in tokens.registry.asked}


def test_a_token_that_ends_is_fetched_anew(servers: ExitStack) -> None:
    tokens = TokenService(servers, seconds=5)
    registry = plain(tokens.address, LOGIN)
    registry.digest("team/app", "1")
    registry.digest("team/app", "1")
    assert len(tokens.service.asked) == 2


def test_an_identity_token_is_exchanged(servers: ExitStack) -> None:
    tokens = TokenService(servers)
    registry = plain(tokens.address, Credentials(identity_token="identity"))
    assert registry.digest("team/app", "1")
    assert tokens.service.asked[0].method == "POST"


def test_a_token_service_that_refuses_is_refused_credentials(servers: ExitStack) -> None:
    with pytest.raises(BuildError, match="refuses the credentials") as refused:
        plain(TokenService(servers).address).ping()
    assert "who are you" in refused.value.why


def test_a_session_serves_many_threads(servers: ExitStack) -> None:
    registry = plain(servers.enter_context(serving(needs_basic)), LOGIN)
    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(registry.ping) for _ in range(40)]:
            done.result()


def test_plain_http_is_never_spoken_where_it_is_not_allowed(servers: ExitStack) -> None:
    recorder = Recorder(lambda _: Answer())
    address = servers.enter_context(serving(recorder))
    with pytest.raises(BuildError, match="speaks plain HTTP") as refused:
        Registry(address, login=LOGIN).ping()
    assert "insecure-registries" in refused.value.advice
    assert "kill -HUP" in refused.value.advice
    assert recorder.asked == []


@pytest.mark.fault(20)
@pytest.mark.parametrize(
    ("begins", "ends", "words"),
    [
        (NOW - DAY, NOW + DAY, ""),
        (NOW - 2 * DAY, NOW - DAY, "expired"),
        (NOW + DAY, NOW + 2 * DAY, "not yet valid"),
    ],
    ids=["valid", "expired", "early"],
)
def test_tls_is_checked_against_the_given_authority(
    servers: ExitStack, tmp_path: Path, begins: object, ends: object, words: str
) -> None:
    certificate, key = write_certificate(tmp_path, "right", begins=begins, ends=ends)  # type: ignore[arg-type]
    recorder = Recorder(lambda _: Answer())
    address = servers.enter_context(serving(recorder, server_context(certificate, key)))
    registry = Registry(address, ca=str(certificate))
    if not words:
        registry.ping()
        return
    with pytest.raises(BuildError, match="certificate") as refused:
        registry.ping()
    assert words in refused.value.why
    assert recorder.asked == []


@pytest.mark.fault(20)
@pytest.mark.parametrize("insecure", [True, False])
def test_tls_of_an_unknown_authority_is_refused_even_where_plain_http_is_allowed(
    servers: ExitStack, tmp_path: Path, insecure: bool
) -> None:
    recorder = Recorder(lambda _: Answer())
    context = server_context(*write_certificate(tmp_path, "right"))
    address = servers.enter_context(serving(recorder, context))
    with pytest.raises(BuildError, match="certificate that is not trusted") as refused:
        Registry(address, login=LOGIN, insecure=insecure).ping()
    assert "REGISTRY_CA" in refused.value.advice
    assert recorder.asked == []


def test_an_authority_that_is_no_certificate_is_told(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("no certificate")
    with pytest.raises(BuildError, match="REGISTRY_CA"):
        Registry("127.0.0.1:1", ca=str(tmp_path / "ca.crt")).ping()


def test_a_registry_that_does_not_answer_is_named_in_bounded_time(servers: ExitStack) -> None:
    def hang(request: Request) -> Answer:
        time.sleep(5)
        return Answer()

    address = servers.enter_context(serving(hang))
    before = time.monotonic()
    with pytest.raises(BuildError, match=rf"{address} did not answer within 0.2 s"):
        plain(address, read_seconds=0.2).ping()
    assert time.monotonic() - before < 4


def test_what_is_no_registry_is_told(servers: ExitStack) -> None:
    address = servers.enter_context(serving(lambda _: Answer(status=404, body=b"<html>nginx")))
    with pytest.raises(BuildError, match="is not a registry v2"):
        plain(address).ping()


def test_errors_are_told_in_the_registrys_words(servers: ExitStack) -> None:
    enclosed = {"Op": "mkdir", "Path": "/var/lib/registry", "Err": 28}
    answer = an_error(500, "UNKNOWN", "unknown error", DriverName="filesystem", Enclosed=enclosed)
    address = servers.enter_context(serving(lambda _: answer))
    with pytest.raises(BuildError, match="has no space left") as refused:
        plain(address).manifest("app", "1")
    assert "500" in refused.value.why
    assert "mkdir /var/lib/registry: no space left on device" in refused.value.why


def test_a_gateway_that_stumbles_once_is_asked_again(servers: ExitStack) -> None:
    answers = [Answer(), Answer(status=502), Answer()]
    recorder = Recorder(lambda _: answers.pop(0))
    plain(servers.enter_context(serving(recorder))).ping()
    assert len(recorder.asked) == 3


def manifest_of(*layers: str) -> bytes:
    described = [{"digest": digest, "size": 7} for digest in layers]
    return json.dumps(
        {"mediaType": MANIFEST, "config": {"digest": "sha256:c", "size": 3}, "layers": described}
    ).encode()


def digest_of(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def test_an_index_is_followed_to_its_platform(servers: ExitStack) -> None:
    image = manifest_of("sha256:1")
    described = {"digest": digest_of(image), "platform": {"os": "linux", "architecture": "arm64"}}
    index = json.dumps({"mediaType": INDEX, "manifests": [described]}).encode()
    there = {"/v2/app/manifests/1": index, f"/v2/app/manifests/{digest_of(image)}": image, "/v2/": b"{}"}
    registry = plain(servers.enter_context(serving(lambda asked: Answer(body=there[asked.path]))))
    manifest = registry.image_manifest("app", "1", "linux/arm64")
    assert [layer.digest for layer in manifest.layers] == ["sha256:1"]
    assert manifest.digest == digest_of(image)
    with pytest.raises(BuildError, match="linux/amd64"):
        registry.image_manifest("app", "1", "linux/amd64")


@pytest.mark.fault(18)
def test_content_that_does_not_fit_its_digest_is_refused(servers: ExitStack) -> None:
    registry = plain(servers.enter_context(serving(lambda _: Answer(body=manifest_of()))))
    with pytest.raises(BuildError, match="does not fit"):
        registry.manifest("app", "sha256:" + "0" * 64)
    with pytest.raises(BuildError, match="does not fit"):
        registry.config("app", "sha256:" + "0" * 64)


def test_what_is_not_there_is_none_or_false(servers: ExitStack) -> None:
    address = servers.enter_context(
        serving(lambda asked: Answer() if asked.path == "/v2/" else an_error(404, "NAME_UNKNOWN"))
    )
    registry = plain(address)
    assert registry.digest("app", "1") is None
    assert registry.blob_size("app", "sha256:0") is None
    assert not registry.blob_exists("app", "sha256:0")
    assert registry.tags("app") == ()


def test_tags_come_page_by_page(servers: ExitStack) -> None:
    pages = {
        "/v2/app/tags/list?n=1000": Answer(
            headers={"Link": '</v2/app/tags/list?last=b&n=1000>; rel="next"'}, body=b'{"tags": ["b", "a"]}'
        ),
        "/v2/app/tags/list?last=b&n=1000": Answer(body=b'{"tags": ["c"]}'),
        "/v2/": Answer(),
    }
    registry = plain(servers.enter_context(serving(lambda asked: pages[asked.path])))
    assert registry.tags("app") == ("a", "b", "c")


def test_storage_elsewhere_gets_no_credentials(servers: ExitStack) -> None:
    storage = Recorder(lambda _: Answer(body=b"x"))
    elsewhere = servers.enter_context(serving(storage)).replace("127.0.0.1", "localhost")

    def redirect(request: Request) -> Answer:
        allowed = needs_basic(request)
        moved = Answer(status=307, headers={"Location": f"http://{elsewhere}/blob"}, body=b"")
        return moved if allowed.status == 200 and "blobs" in request.path else allowed

    registry = plain(servers.enter_context(serving(redirect)), LOGIN)
    assert registry.blob_exists("app", "sha256:0")
    assert [request.authorization for request in storage.asked] == [""]
