import shutil
import stat
from pathlib import Path

from deploy.sandbox.keys import ensure_key
from deploy.sandbox.state import Home, HostState, State


def some_state(home: Home) -> State:
    host = HostState(name="host-1", ssh_port=20001, app_port=20002, host_key="ssh-ed25519 AAAA")
    return State(id="0badcafe", home=str(home.path), registry_port=20000, hosts=(host,))


def test_state_is_remembered_with_a_known_hosts_file(tmp_path: Path) -> None:
    home = Home(tmp_path / "sandbox")
    home.save(some_state(home))
    assert home.load() == some_state(home)
    assert home.known_hosts.read_text() == "[127.0.0.1]:20001 ssh-ed25519 AAAA\n"
    assert stat.S_IMODE(home.path.stat().st_mode) == 0o700


def test_a_copied_clone_does_not_take_up_the_sandbox_of_its_origin(tmp_path: Path) -> None:
    home = Home(tmp_path / "sandbox")
    home.save(some_state(home))
    shutil.copytree(home.path, tmp_path / "copy")
    assert Home(tmp_path / "copy").load() is None


def test_a_damaged_or_missing_state_is_none(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert home.load() is None
    (tmp_path / "state.json").write_text("{")
    assert home.load() is None


def test_everything_is_forgotten(tmp_path: Path) -> None:
    home = Home(tmp_path / "sandbox")
    with home.locked():
        home.save(some_state(home))
        home.remove()
    home.remove()
    assert not home.path.exists()


def test_keys_are_made_once_and_private(tmp_path: Path) -> None:
    file = tmp_path / "id_ed25519"
    public = ensure_key(file)
    assert public.startswith("ssh-ed25519 ")
    assert ensure_key(file) == public
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
