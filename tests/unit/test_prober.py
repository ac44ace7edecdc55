"""The prober finds what users would lose, and counts it."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from deploy.values.inventory import Host
from tests.support.prober import Target
from tests.support.probing import Request, longest_gap, probing, quantile, read, told


class _Application(BaseHTTPRequestHandler):
    """Loses every tenth request, each time in another way."""

    protocol_version = "HTTP/1.1"
    seen = 0

    def do_GET(self) -> None:
        type(self).seen += 1
        if self.seen % 20 == 10:
            self.connection.close()
            self.close_connection = True
            return
        body = b"version=1 host=x"
        self.send_response(502 if self.seen % 20 == 0 else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def application() -> Iterator[Host]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Application)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port = server.server_address[1]
    yield Host(name="h", address="127.0.0.1", url=f"http://127.0.0.1:{port}")
    server.shutdown()
    server.server_close()


def test_it_counts_resets_and_errors_and_never_retries(application: Host, tmp_path: Path) -> None:
    _Application.seen = 0
    with probing([application], tmp_path, rate=200, seconds=1) as probe:
        probe.process.wait(20)
    assert len(probe.requests) == _Application.seen == 200
    assert len(probe.lost) == 20
    assert sum("502" in request.came for request in probe.lost) == 10
    kinds = [request.kind for request in probe.requests]
    assert kinds.count("kept-GET") + kinds.count("kept-POST") == 100
    assert kinds.count("kept-POST") + kinds.count("new-POST") == 40
    assert probe.versions() == ["1"]


def test_it_ends_when_it_is_told_to(application: Host, tmp_path: Path) -> None:
    with probing([application], tmp_path, rate=50, seconds=60):
        pass


@pytest.mark.parametrize("url", ["http://192.0.2.1:80", "http://127.0.0.1", "http://example.com:80"])
def test_it_probes_this_machine_only(url: str) -> None:
    with pytest.raises(ValueError, match=r"127\.0\.0\.1|address"):
        Target.of(url)


def request(due: float, came: str = "1", target: int = 0) -> Request:
    return Request(due=due, seconds=0.01, target=target, kind="new-GET", came=came)


def test_the_longest_gap_is_between_answers_of_one_target() -> None:
    seen = [request(0.0), request(0.5, target=1), request(1.0, "lost: 502"), request(2.0), request(2.1)]
    assert longest_gap(seen, 0) == 2.0
    assert longest_gap(seen, 1) == 0.0
    assert told(seen).startswith("1 of 5 requests lost\n1.000 host-1 new-GET: lost: 502")


def test_quantiles() -> None:
    values = [float(number) for number in range(1, 101)]
    assert (quantile(values, 0.5), quantile(values, 0.99), quantile([7.0], 0.99)) == (50.0, 99.0, 7.0)


def test_requests_are_read_in_the_order_they_were_due(tmp_path: Path) -> None:
    file = tmp_path / "out"
    file.write_text("2.0\t0.1\t0\tnew-GET\tlost: TimeoutError: a\n1.0\t0.2\t1\tkept-POST\t2\n")
    first, second = read(file)
    assert (first.came, first.target, first.lost) == ("2", 1, False)
    assert second.lost
