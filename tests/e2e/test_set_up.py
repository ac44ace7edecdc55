"""A team's first day, on a host that begins with nothing but sshd: its key, Docker, a registry, a release.

The tests are one story, told in order; each goes on from where the one before it ended.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import pytest
import requests

from deploy.registry import Registry
from deploy.sandbox import images
from deploy.values.build import Build
from deploy.values.events import Stream
from deploy.values.settings import Settings
from tests.support.bare_host import BareHost, bare_host
from tests.support.images import remove_images
from tests.support.leaks import canary
from tests.support.rollouts import invoke
from tests.support.sandbox import RunningSandbox, bare_settings
from tests.support.tiny import push_tiny

pytestmark = pytest.mark.story
PASSWORD = canary("registry")
CERTIFICATES = "/etc/docker/certs.d"


@dataclass
class Team:
    """A bare host, and what the team knows of it."""

    engine: docker.DockerClient
    bare: BareHost
    folder: Path
    """Nobody's clone, with settings in the environment."""
    registry_image: str
    proxy_image: str

    @property
    def registry(self) -> str:
        """As this machine knows it."""
        return f"127.0.0.1:{self.bare.registry_port}"

    @property
    def registry_there(self) -> str:
        """As the host knows it: no loopback, so that its engine insists on TLS."""
        return f"{self.bare.name}:5000"

    @property
    def authority(self) -> Path:
        """The certificate of the team's own authority."""
        return self.folder / ".jarship/ca/ca.crt"

    def known(self) -> dict[str, str]:
        """The settings, by key."""
        host = self.bare.host
        return {
            "APP_NAME": "tiny",
            "APP_SOURCE": ".",
            "REGISTRY": self.registry,
            "REGISTRY_FOR_HOSTS": self.registry_there,
            "REGISTRY_USER": "ci",
            "REGISTRY_PASSWORD": PASSWORD,
            "HOSTS": f"{host.user}@{host.address}:{host.port}",
            "SSH_KEY": str(self.bare.key),
            "SSH_KNOWN_HOSTS": str(self.bare.known_hosts),
            "PROXY_IMAGE": self.proxy_image,
            "MEMORY": "64m",
            "MONITOR": "0",
            "MOUNTS": "/srv/logs:/logs",
            "REGISTRY_CA": str(self.authority) if self.authority.exists() else "",
        }

    def run(self, *words: str, code: int = 0, **changes: str) -> tuple[str, str]:
        """A task as a process; what it printed on stdout and stderr."""
        known = {key: value for key, value in {**self.known(), **changes}.items() if value}
        environ = {f"JARSHIP_{key}": value for key, value in known.items()}
        process = invoke(*words, folder=self.folder, environ=environ)
        out, err = process.communicate(timeout=240)
        assert process.returncode == code, f"{words}: {process.returncode}\n{out}\n{err}"
        return out, err

    def rows(self, *words: str, code: int = 0, **changes: str) -> list[Mapping[str, Any]]:
        """What a task printed as JSON."""
        return list(json.loads(self.run(*words, "--json", code=code, **changes)[0]))

    def settings(self) -> Settings:
        """The settings, for what is done in this process."""
        return bare_settings(
            app_name="tiny",
            image="tiny",
            registry=self.registry,
            registry_user="ci",
            registry_password=PASSWORD,
            registry_ca=str(self.authority),
            proxy_image=self.proxy_image,
            hosts=(self.bare.host,),
            hosts_sandbox=False,
        )

    def push(self, version: str, created: str = "2026-01-01T00:00:00Z") -> Build:
        """A build of the tiny application in the registry."""
        return push_tiny(self.engine, self.settings(), version, Stream(), created=created)

    def deploy(self, build: Build, *, code: int = 0, **changes: str) -> str:
        """Roll a build out; what it said."""
        file = self.folder / f"{build.tag}.json"
        file.write_text(build.model_dump_json())
        return self.run("deploy", f"--build={file}", code=code, **changes)[1]

    def repositories(self) -> tuple[str, ...]:
        """What the registry has."""
        return self.api().repositories()

    def api(self) -> Registry:
        """The registry's API, with the credentials."""
        from deploy.credentials import Credentials

        login = Credentials(user="ci", password=PASSWORD)
        return Registry(self.registry, login=login, ca=str(self.authority))


@pytest.fixture(scope="module")
def team(
    running_sandbox: RunningSandbox, engine: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Team]:
    folder = tmp_path_factory.mktemp("team")
    registry = images.ensure(
        engine, ["registry"], hub=images.hub_answers(engine), stream=Stream(), setup="auto"
    )["registry"]
    proxy = running_sandbox.sandbox.proxy_image or bare_settings().proxy_image
    with bare_host(engine, tmp_path_factory.mktemp("bare")) as bare:
        team = Team(engine=engine, bare=bare, folder=folder, registry_image=registry, proxy_image=proxy)
        yield team
        with suppress(docker.errors.APIError):
            remove_images(engine, f"{team.registry}/")


@pytest.mark.fault(3)
def test_1_the_hosts_key_is_shown_and_pinned_by_its_fingerprint(team: Team) -> None:
    _, said = team.run("host.trust", code=2)
    shown = team.bare.run("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key").split()[1]
    assert f"--fingerprint={shown}" in said
    assert team.bare.known_hosts.read_text() == ""

    _, said = team.run("host.trust", "--fingerprint=SHA256:AAAA", code=2)
    assert "No host shows SHA256:AAAA" in said
    (row,) = team.rows("host.trust", f"--fingerprint={shown}")
    assert row["fingerprint"] == shown
    assert team.run("host.trust")[1] == ""


def test_2_the_doctor_names_what_is_missing_and_the_task_that_brings_it(team: Team) -> None:
    out, err = team.run("doctor", code=5)
    assert "✖" in out
    assert "Docker is not installed" in out
    assert "A release would fail" in err


def test_3_who_may_not_set_the_host_up_is_given_what_to_paste(team: Team) -> None:
    team.bare.run("mv /etc/sudoers.d/deploy /root/")
    try:
        _, said = team.run("host.setup", code=5)
    finally:
        team.bare.run("mv /root/deploy /etc/sudoers.d/")
    assert "neither root nor" in said
    assert "sudo apt-get install -y --no-install-recommends docker.io" in said
    assert "sudo usermod -aG docker deploy" in said
    assert team.bare.run("command -v dockerd", check=False) == ""


def test_4_host_setup_brings_docker_its_group_and_the_log_directory(team: Team) -> None:
    (row,) = team.rows("host.setup")
    assert "install docker.io" in row["done"]
    assert "docker" in team.bare.run("id -nG deploy").split()
    assert team.bare.run("stat -c '%u:%g' /srv/logs").strip() == "10001:10001"
    (row,) = team.rows("host.setup")
    assert row["done"].startswith("nothing")


@pytest.mark.security(4)
def test_5_no_registry_is_started_open_to_the_world(team: Team) -> None:
    _, said = team.run("registry.up", code=2, REGISTRY_PASSWORD="")
    assert "without a password" in said
    assert "5000" not in team.bare.run("ss -Hltn", check=False)


@pytest.mark.security(2)
@pytest.mark.security(3)
@pytest.mark.security(4)
def test_6_the_registry_speaks_tls_and_lets_nobody_in_without_the_password(team: Team) -> None:
    image = f"--image={team.registry_image}"
    (row,) = team.rows("registry.up", image)
    assert row["state"] == "running"
    assert row["answers"] == "yes"
    assert str(row["version"]).startswith("2.")
    assert "days" in str(row["tls"])

    key = team.authority.with_name("ca.key")
    assert key.stat().st_mode & 0o777 == 0o600
    inside = "docker exec jarship-registry cat"
    assert ":$2b$" in team.bare.run(f"{inside} /etc/docker/registry/htpasswd")
    stored = team.bare.run("docker exec jarship-registry find / -xdev -name 'ca.*'", check=False)
    assert "ca.key" not in stored

    url, verify = f"https://{team.registry}/v2/", str(team.authority)
    assert requests.get(url, verify=verify, timeout=5).status_code == 401
    assert requests.post(f"{url}tiny/blobs/uploads/", verify=verify, timeout=5).status_code == 401
    plain = requests.get(f"http://{team.registry}/v2/", timeout=5)
    assert plain.status_code == 400
    assert "HTTPS server" in plain.text

    container = json.loads(team.bare.run("docker inspect jarship-registry"))[0]["HostConfig"]
    assert container["RestartPolicy"]["Name"] == "unless-stopped"
    assert container["LogConfig"]["Config"]["max-size"]
    assert "is wanted" in team.run("registry.up", image)[1]


@pytest.mark.fault(20)
@pytest.mark.security(3)
def test_7_a_host_that_does_not_trust_it_yet_is_refused_before_anything_changes(team: Team) -> None:
    said = team.deploy(team.push("1"), code=5)
    assert "ca.crt is missing" in said
    assert "invoke host.setup --profile=dev" in said
    assert team.bare.run("docker ps -aq --filter name=tiny") == ""
    found = team.rows("doctor", code=5)
    (trust,) = (row for row in found if row["where"] != "here" and row["subject"] == "trust")
    assert trust["verdict"] == "error"
    (registry,) = (row for row in found if row["where"] != "here" and row["subject"] == "registry")
    assert "certificate" in registry["says"]
    assert "the host's clock says" in registry["says"]


@pytest.mark.security(1)
@pytest.mark.security(3)
@pytest.mark.security(12)
def test_8_host_setup_makes_it_trust_the_registry_and_the_release_runs(team: Team) -> None:
    pid = team.bare.run("pgrep -x dockerd")
    running = team.bare.run("docker inspect -f '{{.State.StartedAt}}' jarship-registry")
    (row,) = team.rows("host.setup")
    assert row["done"] == f"trust the registry {team.registry_there}"
    assert team.bare.run(f"cat {CERTIFICATES}/{team.registry_there}/ca.crt") == team.authority.read_text()
    assert team.registry_there not in team.bare.run("docker info -f '{{.RegistryConfig.IndexConfigs}}'")

    build = team.push("1")
    team.deploy(build)
    assert build.pushed is not None
    image = team.bare.run("docker inspect -f '{{.Config.Image}}' tiny").strip()
    assert image == f"{team.registry_there}/tiny@{build.pushed.digest}"
    assert team.api().digest("tiny", "1") == build.pushed.digest
    assert team.bare.run("pgrep -x dockerd") == pid
    assert team.bare.run("docker inspect -f '{{.State.StartedAt}}' jarship-registry") == running
    # Neither the password nor an environment file is left on the host.
    assert team.bare.run("find / -xdev \\( -name '.env*' -o -name '*.env' \\) -newer /etc/hostname") == ""
    assert "No such file" in team.bare.run("cat /home/deploy/.docker/config.json", check=False)


def test_9_the_doctor_is_content(team: Team) -> None:
    found = team.rows("doctor")
    there = {row["subject"]: row["verdict"] for row in found if row["where"] != "here"}
    assert {subject for subject, verdict in there.items() if verdict == "error"} == set()
    assert {"ssh", "forwarding", "sessions", "engine", "disk", "memory", "clock", "trust"} <= set(there)
    here = {row["subject"]: row["verdict"] for row in found if row["where"] == "here"}
    assert here["registry"] == here["push"] == here["certificate"] == "ok"


def test_10_the_list_says_which_hosts_use_what(team: Team) -> None:
    for day in (2, 3, 4):
        team.push(str(day), f"2026-01-0{day}T00:00:00Z")
    team.deploy(team.push("2", "2026-01-02T00:00:00Z"))
    used = {tuple(row["tags"]): row["used"] for row in team.rows("registry.list", "--repository=tiny")}
    host = team.bare.host.name
    assert used == {
        ("1",): [f"{host} keeps it"],
        ("2",): [f"{host} runs it"],
        ("3",): [],
        ("4",): [],
    }


def test_11_nothing_is_pruned_while_a_host_cannot_be_asked(team: Team) -> None:
    other = team.folder / ".env.other"
    other.write_text(
        "APP_NAME=tiny\nAPP_SOURCE=.\nREGISTRY=registry.example.com:5000\nHOSTS=deploy@127.0.0.1:1\n"
    )
    _, said = team.run("registry.prune", "--keep=1", code=5)
    assert "127.0.0.1:1 refuses the connection" in said
    other.write_text("HOSTS=\n")
    _, said = team.run("registry.prune", "--keep=1", code=2)
    assert "The hosts of profile other are not known" in said
    other.unlink()
    assert set(team.api().tags("tiny")) == {"1", "2", "3", "4"}


def test_12_what_nobody_uses_is_pruned_and_its_space_freed(team: Team) -> None:
    host = f"--host={team.bare.host.name}"
    tried = team.rows("registry.prune", "--keep=1", "--dry-run", host)
    assert set(team.api().tags("tiny")) == {"1", "2", "3", "4"}
    gone = team.api().manifest("tiny", "3").config.digest
    done = team.rows("registry.prune", "--keep=1", host)

    verdicts = {row["tags"]: row["verdict"] for row in done if row["repository"] == "tiny"}
    assert verdicts["3"] == "deleted"
    assert [row["verdict"].replace("would go", "deleted") for row in tried] == [
        row["verdict"] for row in done
    ]
    assert set(team.api().tags("tiny")) == {"1", "2", "4"}
    storage = "/var/lib/registry/docker/registry/v2/blobs/sha256"
    stored = team.bare.run(f"docker exec jarship-registry ls {storage}/{gone[7:9]}", check=False)
    assert gone[7:] not in stored
    team.push("5", "2026-01-05T00:00:00Z")  # It takes changes again, and remembers no blob that is gone.
    assert "is wanted" in team.run("registry.up", f"--image={team.registry_image}")[1]


@pytest.mark.fault(15)
def test_13_another_password_lets_the_old_one_in_no_more_and_keeps_what_is_stored(team: Team) -> None:
    new = canary("rotated")
    team.run("registry.up", f"--image={team.registry_image}", REGISTRY_PASSWORD=new)
    _, said = team.run("registry.list", code=4)
    assert "refuses the credentials" in said
    rows = team.rows("registry.list", "--repository=tiny", REGISTRY_PASSWORD=new)
    assert len(rows) == 4
    team.run("registry.up", f"--image={team.registry_image}")


def test_14_a_registry_that_is_taken_down_keeps_what_it_stored_unless_told(team: Team) -> None:
    host = f"--host={team.bare.host.name}"
    team.run("registry.down", host)
    (row,) = team.rows("registry.status", host)
    assert (row["state"], row["answers"]) == ("absent", "no")
    team.run("registry.up", f"--image={team.registry_image}", host)
    assert "2" in team.api().tags("tiny")
    team.run("registry.down", "--data", host)
    assert team.bare.run("docker volume ls -q --filter name=jarship-registry") == ""
