from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
import urllib3
from docker import DockerClient
from docker.errors import APIError, StreamParseError

from deploy.artifact import transfer
from deploy.artifact.transfer import Patience, Progress, TransferError
from deploy.values.errors import BuildError
from deploy.values.events import Event, Stream

Act = dict[str, Any] | BaseException


class FakeApi:
    """The engine's answers, one list of events for each call; an exception among them is raised."""

    def __init__(self, *answers: list[Act]) -> None:
        self.answers = list(answers)
        self.timeout: float = 120
        self.timeouts: list[float] = []

    def push(self, *_: object, **__: object) -> Iterator[dict[str, Any]]:
        self.timeouts.append(self.timeout)
        for act in self.answers.pop(0):
            if isinstance(act, BaseException):
                raise act
            yield act


class FakeClient:
    def __init__(self, *answers: list[Act]) -> None:
        self.api = FakeApi(*answers)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _: None)


def push(
    client: FakeClient,
    stream: Stream | None = None,
    *,
    check: Callable[[], None] = lambda: None,
    patience: Patience = Patience(),  # noqa: B008
) -> tuple[Progress, str]:
    return transfer.push(
        cast("DockerClient", client),
        "r:5000/app",
        "1",
        auth=None,
        check=check,
        stream=stream or Stream(),
        patience=patience,
    )


DONE: list[Act] = [
    {"status": "The push refers to repository [r:5000/app]"},
    {"id": "aaa", "status": "Preparing", "progressDetail": {}},
    {"id": "bbb", "status": "Layer already exists", "progressDetail": {}},
    {"id": "aaa", "status": "Pushing", "progressDetail": {"current": 500_000, "total": 1_000_000}},
    {"id": "aaa", "status": "Pushing", "progressDetail": {"current": 1_024_000}},
    {"id": "aaa", "status": "Pushed", "progressDetail": {}},
    {"status": "1: digest: sha256:00 size: 7"},
    {"aux": {"Tag": "1", "Digest": "sha256:00", "Size": 7}, "progressDetail": {}},
]


def an_error(words: str) -> Act:
    return {"errorDetail": {"message": words}, "error": words}


def test_every_event_is_read() -> None:
    events: list[Event] = []
    client = FakeClient(DONE)
    progress, digest = push(client, Stream(events.append), patience=Patience(silence=7))
    assert (progress.there, progress.sent, digest) == ({"bbb"}, {"aaa"}, "sha256:00")
    assert any("1 layers there, 0.5 of 1.0 MB moved" in event.text for event in events)
    # The client's own patience is as before.
    assert (client.api.timeouts, client.api.timeout) == ([7], 120)


@pytest.mark.parametrize(
    "failure",
    [
        an_error("received unexpected HTTP status: 502 Bad Gateway"),
        an_error("read: connection reset by peer"),
        StreamParseError("half an event"),
        urllib3.exceptions.ProtocolError("Connection broken"),
        ConnectionResetError("reset"),
    ],
)
def test_what_may_pass_is_tried_again(failure: Act) -> None:
    events: list[Event] = []
    client = FakeClient([failure], [failure], DONE)
    assert push(client, Stream(events.append))[1] == "sha256:00"
    assert len([event for event in events if event.kind == "warning"]) == 2


def test_trying_again_ends() -> None:
    client = FakeClient(*[[an_error("503 Service Unavailable")] for _ in range(9)])
    with pytest.raises(TransferError, match="broke the transfer off"):
        push(client)
    assert len(client.api.timeouts) == transfer.ATTEMPTS


@pytest.mark.parametrize(
    ("words", "what", "advice"),
    [
        ("no basic auth credentials", "refuses the credentials", "REGISTRY_PASSWORD"),
        ("denied: requested access to the resource is denied", "refuses the credentials", "docker login"),
        ("http: server gave HTTP response to HTTPS client", "plain HTTP", "insecure-registries"),
        ("write x: no space left on device", "the registry r:5000 has no space", "garbage collection"),
        ("unsupported: The operation is unsupported.", "read-only", "maintenance"),
        ("x509: certificate has expired", "certificate", "certs.d/r:5000/ca.crt"),
    ],
)
def test_what_stays_is_told_at_once(words: str, what: str, advice: str) -> None:
    with pytest.raises(TransferError, match=what) as refused:
        push(FakeClient([an_error(words)]))
    assert "push r:5000/app:1" in refused.value.what
    assert refused.value.why == words
    assert advice in refused.value.advice


def test_an_answer_that_is_an_error_itself_is_told() -> None:
    with pytest.raises(TransferError) as refused:
        push(FakeClient([APIError("404", explanation="no such image: r:5000/app:1")]))
    assert "no such image" in refused.value.why


@pytest.mark.fault(14)
@pytest.mark.parametrize(
    "failure",
    [
        urllib3.exceptions.ReadTimeoutError(cast("Any", None), "", "Read timed out."),
        TimeoutError("timed out"),
    ],
)
def test_silence_is_a_registry_that_hangs(failure: BaseException) -> None:
    with pytest.raises(TransferError, match="the registry r:5000 hangs") as refused:
        push(FakeClient([*DONE[:3], failure]))
    assert "60 s" in refused.value.why
    assert "curl -m 5" in refused.value.advice


RETRYING: Act = {"id": "aaa", "status": "Retrying in 1 second"}


def test_while_the_engine_tries_again_the_registry_is_asked_why() -> None:
    def check() -> None:
        raise BuildError("The registry r:5000 refuses connections.")

    with pytest.raises(BuildError, match="refuses connections"):
        push(FakeClient([RETRYING, RETRYING]), check=check, patience=Patience(retrying=0))


def test_a_registry_that_is_well_again_is_waited_for() -> None:
    asked: list[None] = []
    answer = [RETRYING, RETRYING, *DONE]
    push(FakeClient(answer), check=lambda: asked.append(None), patience=Patience(retrying=0))
    assert asked


def test_what_the_engine_has_tried_again_is_not_tried_again_from_here() -> None:
    client = FakeClient([RETRYING, an_error("503 Service Unavailable")], DONE)
    with pytest.raises(TransferError):
        push(client)
    assert len(client.api.answers) == 1
