import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.request import urlopen

import docker
import docker.errors
import pytest

from tests.unit.conftest import OutsideError


def test_another_machine_is_out_of_reach() -> None:
    with socket.socket() as client, pytest.raises(OutsideError):
        client.connect(("192.0.2.1", 80))
    with pytest.raises(OutsideError):
        socket.getaddrinfo("registry.example.com", 443)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client, pytest.raises(OutsideError):
        client.sendto(b"?", ("192.0.2.1", 53))


def test_no_engine_is_in_reach() -> None:
    with pytest.raises(docker.errors.DockerException):
        docker.from_env(timeout=1).ping()
    with socket.socket(socket.AF_UNIX) as client, pytest.raises(OutsideError):
        client.connect("/var/run/docker.sock")


def test_this_machine_itself_is_in_reach() -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.handle_request)
    thread.start()
    with urlopen(f"http://127.0.0.1:{server.server_port}/", timeout=5) as answer:
        assert answer.status == 204
    thread.join()
    server.server_close()
