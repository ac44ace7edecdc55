import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest

from deploy.hosts import known_hosts
from deploy.hosts.host_key import Shown, pin, show
from deploy.values.errors import InputError
from deploy.values.inventory import Access, Host


class _Nobody(paramiko.ServerInterface):
    def __init__(self) -> None:
        self.asked = False

    def get_allowed_auths(self, username: str) -> str:
        self.asked = True
        return "publickey"


@pytest.fixture(scope="module")
def key() -> paramiko.PKey:
    return paramiko.ECDSAKey.generate()


@pytest.fixture
def server(key: paramiko.PKey) -> Iterator[tuple[Host, _Nobody]]:
    nobody = _Nobody()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = int(listener.getsockname()[1])

        def serve() -> None:
            while True:
                try:
                    sock, _ = listener.accept()
                except OSError:
                    return
                transport = paramiko.Transport(sock)
                transport.add_server_key(key)
                transport.start_server(event=threading.Event(), server=nobody)

        threading.Thread(target=serve, daemon=True).start()
        yield Host(name="web1", address="127.0.0.1", port=port, user="deploy"), nobody
        listener.shutdown(socket.SHUT_RDWR)


def shown_by(server: tuple[Host, _Nobody], file: Path) -> Shown:
    return show(server[0], Access(known_hosts=str(file)))


def test_a_key_is_shown_with_where_it_came_from_and_nobody_logs_in(
    server: tuple[Host, _Nobody], key: paramiko.PKey, tmp_path: Path
) -> None:
    shown = shown_by(server, tmp_path / "known")

    assert shown.fingerprint == known_hosts.fingerprint(key.get_base64())
    assert shown.came_from == f"127.0.0.1:{server[0].port}"
    assert shown.answer == "unknown"
    assert not server[1].asked


def test_a_pinned_key_is_known_from_then_on(server: tuple[Host, _Nobody], tmp_path: Path) -> None:
    file = tmp_path / "ssh" / "known"
    pin(shown_by(server, file))

    assert shown_by(server, file).answer == "pinned"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700


def test_what_else_is_in_the_file_stays(server: tuple[Host, _Nobody], tmp_path: Path) -> None:
    file = tmp_path / "known"
    file.write_text("# ours\nother ssh-ed25519 AAAA")  # without an end of line
    file.chmod(0o644)
    pin(shown_by(server, file))

    first, second, third = file.read_text().splitlines()
    assert (first, second) == ("# ours", "other ssh-ed25519 AAAA")
    assert third.startswith(f"[127.0.0.1]:{server[0].port} ecdsa-")
    assert file.stat().st_mode & 0o777 == 0o644


@pytest.mark.fault(3)
def test_a_new_key_takes_the_place_of_the_old_one(server: tuple[Host, _Nobody], tmp_path: Path) -> None:
    file = tmp_path / "known"
    other = paramiko.ECDSAKey.generate()
    name = known_hosts.written("127.0.0.1", server[0].port)
    file.write_text(f"{name} {other.get_name()} {other.get_base64()}\n")
    shown = shown_by(server, file)

    assert shown.answer == "changed"
    pin(shown)
    assert shown_by(server, file).answer == "pinned"
    assert other.get_base64() not in file.read_text()


def test_a_revoked_key_is_not_pinned(
    server: tuple[Host, _Nobody], key: paramiko.PKey, tmp_path: Path
) -> None:
    file = tmp_path / "known"
    file.write_text(f"@revoked * {key.get_name()} {key.get_base64()}\n")
    with pytest.raises(InputError, match="revoked"):
        pin(shown_by(server, file))
