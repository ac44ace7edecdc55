"""A machine that nothing was done to, in a container: bare Debian with Python, git and a clone of this."""

import io
import re
import secrets
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import docker

from deploy.sandbox import containers, images
from deploy.sandbox.containers import File, Spec, marks
from deploy.values import labels
from deploy.values.events import Stream

ROOT = Path(__file__).parents[2]
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)

CGROUPS = ROOT / "docker" / "sandbox" / "host" / "cgroups"
"""What has to be done where an engine is to run in a container; on a real machine its init system did it."""
BOOT = "sh /cgroups.sh; while :; do sleep 3600 & wait; done\n"


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A fresh machine that runs."""

    client: docker.DockerClient
    container: str

    def run(
        self, script: str, *, workdir: str = "/", user: str = "root", show: bool = True
    ) -> tuple[int, str]:
        """Run a shell script on it without a terminal, shown as it goes.

        Returns:
            Exit code, and stdout alone.
        """
        made = self.client.api.exec_create(
            self.container, ["sh", "-c", script], workdir=workdir, user=user, environment={"LANG": "C.UTF-8"}
        )
        out = bytearray()
        for stdout, stderr in self.client.api.exec_start(made["Id"], stream=True, demux=True):
            out += stdout or b""
            if show:
                sys.stderr.buffer.write((stdout or b"") + (stderr or b""))
                sys.stderr.flush()
        return self.client.api.exec_inspect(made["Id"])["ExitCode"], out.decode(errors="replace")

    def must(self, script: str, *, workdir: str = "/") -> str:
        """Run a script that has to succeed, silently.

        Returns:
            Its stdout.
        """
        code, out = self.run(f"exec 2>&1; {script}", workdir=workdir, show=False)
        if code:
            raise RuntimeError(f"{script!r} ended with exit code {code}: {out}")
        return out


@contextmanager
def bare_machine(client: docker.DockerClient, stream: Stream) -> Iterator[Machine]:
    """Start a fresh machine with a clone of HEAD in /project; leave no trace of it at the end."""
    image = _image(client, stream)
    name = f"fresh-{secrets.token_hex(4)}"
    mark = marks(name, str(ROOT))
    rights = containers.confinement(client, image, mark)
    spec = Spec(
        name=f"jarship-{name}",
        sandbox=name,
        home=str(ROOT),
        image=image,
        hostname="fresh",
        network=f"jarship-{name}-net",
        ports={},
        volume_at="/var/lib/docker",
        files=(
            File(path="/boot.sh", content=BOOT.encode(), mode=0o755),
            File(path="/cgroups.sh", content=CGROUPS.read_bytes(), mode=0o755),
        ),
        confinement=rights,
        cgroups="1" if str(client.info().get("CgroupVersion")) == "1" else "2",
    )
    try:
        containers.ensure_network(client, spec.network, mark)
        containers.bring_up(client, spec, None)
        machine = Machine(client=client, container=spec.name)
        _trust_our_authorities(machine)
        _clone(machine)
        yield machine
    finally:
        containers.remove_everything(client, f"{labels.SANDBOX}={name}")


def _image(client: docker.DockerClient, stream: Stream) -> str:
    hub = images.hub_answers(client)
    base = images.HUB_BASE if hub else images.base_reference()
    if not client.images.list(base):
        if hub:
            images.pull(client, base, stream)
        else:
            images.build_base(client, base, stream, "auto")
    tag = "jarship-fresh:latest"
    with stream.step("fresh.image", "build a bare machine's image"):
        client.images.build(path=str(Path(__file__).parent), tag=tag, buildargs={"BASE": base}, rm=True)
    return tag


def _trust_our_authorities(machine: Machine) -> None:
    """Give it the certificate authorities that only this machine trusts, such as a company's proxy has."""
    if not Path(BUNDLE).exists():
        return
    theirs = set(CERTIFICATE.findall(machine.must(f"cat {BUNDLE}")))
    ours = [found for found in CERTIFICATE.findall(Path(BUNDLE).read_text()) if found not in theirs]
    for number, certificate in enumerate(ours):
        _put(machine, f"/usr/local/share/ca-certificates/ours-{number}.crt", f"{certificate}\n".encode())
    machine.must("update-ca-certificates")


def _clone(machine: Machine) -> None:
    """Clone this repository's HEAD, as a developer would from a server."""
    with tempfile.TemporaryDirectory() as place:
        bundle = Path(place, "project.bundle")
        subprocess.run(["git", "bundle", "create", "-q", str(bundle), "HEAD"], cwd=ROOT, check=True)
        _put(machine, "/srv/project.bundle", bundle.read_bytes())
    machine.must("git clone -q /srv/project.bundle /project")


def _put(machine: Machine, path: str, content: bytes) -> None:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        entry = tarfile.TarInfo(path.lstrip("/"))
        entry.size, entry.mode = len(content), 0o644
        tar.addfile(entry, io.BytesIO(content))
    machine.client.api.put_archive(machine.container, "/", made.getvalue())
