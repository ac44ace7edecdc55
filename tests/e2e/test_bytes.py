"""What a one-line change of the example costs on the wire: layers beside a Dockerfile that copies the jar.

Run it alone with `nox -s e2e -- -k bytes`; it prints the table.
"""

import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import docker
import pytest

from deploy.artifact import transfer
from deploy.artifact.image import build_image
from deploy.artifact.push import push
from deploy.hosts.engine import through
from deploy.values.events import Stream
from deploy.values.inventory import Host
from tests.support.applications import PAGE, Application, build_application
from tests.support.images import OURS, load_image, remove_images
from tests.support.sandbox import ROOT, RunningSandbox, bare_settings
from tests.support.tars import tar_of

WHOLE = """\
FROM {base}
ARG JAR_FILE=target/*.jar
COPY ${{JAR_FILE}} app.jar
CMD ["java", "-jar", "app.jar"]
"""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one release took, as the registry's network interface counted it."""

    pushed: int
    """Bytes."""
    pulled: int
    """Bytes."""
    push_seconds: float
    """Of build and push."""
    pull_seconds: float


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Where images are built and pushed, and where they are pulled."""

    sandbox: RunningSandbox
    builder: docker.DockerClient
    puller: docker.DockerClient

    def release(self, application: Application, kind: str, tag: str, *, nocache: bool = False) -> Cost:
        """Build, push and pull one version."""
        given = bare_settings(
            app_name="hello",
            image=f"{OURS}/{kind}",
            app_source=str(application.root / "app"),
            dockerfile="Dockerfile" if kind == "whole" else None,
        )
        registry = self.sandbox.sandbox.registry
        images = {"base_image": f"{registry}/{OURS}/java:1", "proxy_image": f"{registry}/{OURS}/proxy:1"}
        settings = self.sandbox.sandbox.apply(given).model_copy(update=images)
        jar = application.build.jar.model_copy(update={"path": str(application.jar)})
        build = application.build.model_copy(update={"jar": jar})
        begun, before = time.monotonic(), self.traffic()
        made = build_image(build, settings, ROOT, self.builder, Stream(), nocache=nocache)
        push(made.model_copy(update={"tag": tag}), settings, self.builder, Stream())
        pushed, middle = time.monotonic(), self.traffic()
        self.puller.images.pull(f"{registry}/{OURS}/{kind}", tag)
        after = self.traffic()
        return Cost(
            pushed=middle[0] - before[0],
            pulled=after[1] - middle[1],
            push_seconds=pushed - begun,
            pull_seconds=time.monotonic() - pushed,
        )

    def traffic(self) -> tuple[int, int]:
        """Bytes that the registry has received and sent so far."""
        counted = self.sandbox.run("registry", "grep eth0: /proc/net/dev").partition(":")[2].split()
        return int(counted[0]), int(counted[8])


@contextmanager
def knowing_the_registry(sandbox: RunningSandbox, host: Host) -> Iterator[None]:
    """The registry at the same address of 127.0.0.1 inside a host as it has here."""
    port = sandbox.sandbox.registry.rpartition(":")[2]
    options = ("ExitOnForwardFailure=yes", f"UserKnownHostsFile={sandbox.sandbox.known_hosts}")
    tunnel = subprocess.Popen(
        [
            *("ssh", "-N", "-i", str(sandbox.sandbox.key), "-p", str(host.port)),
            *(f"-o{option}" for option in options),
            *("-R", f"127.0.0.1:{port}:127.0.0.1:{port}", f"{host.user}@{host.address}"),
        ],
        stdin=subprocess.DEVNULL,
    )
    try:
        sandbox.run(
            host,
            f"for i in $(seq 100); do ss -Hltn sport = :{port} | grep -q . && exit; sleep .1; done; exit 1",
        )
        yield
    finally:
        tunnel.terminate()
        tunnel.wait()


@pytest.fixture
def machines(sandbox: RunningSandbox, engine: docker.DockerClient) -> Iterator[tuple[Machine, Machine]]:
    """Two machines that build, each with an engine of its own; what they build is pulled to this one."""
    registry = sandbox.sandbox.registry
    engine.images.get(sandbox.environment()["BASE_IMAGE"]).tag(f"{registry}/{OURS}/java", "1")
    load_image(engine, f"{registry}/{OURS}/proxy:1", tar_of({"proxy": b"proxy"}))
    for name in ("java", "proxy"):
        transfer.push(
            engine, f"{registry}/{OURS}/{name}", "1", auth=None, check=lambda: None, stream=Stream()
        )
    with ExitStack() as stack:
        clients: list[docker.DockerClient] = []
        for host in sandbox.hosts:
            stack.enter_context(knowing_the_registry(sandbox, host))
            connection = stack.enter_context(sandbox.connect(host))
            clients.append(stack.enter_context(closing(through(connection, timeout=300))))
            for name in ("java", "proxy"):
                clients[-1].images.pull(f"{registry}/{OURS}/{name}", "1")
            stack.callback(remove_images, clients[-1], f"{registry}/{OURS}/", f"jarship-build/{OURS}/")
        one, two = (Machine(sandbox=sandbox, builder=client, puller=engine) for client in clients)
        yield one, two
    remove_images(engine, f"{registry}/{OURS}/")


def versions(hello: Application, folder: Path, dockerfile: str) -> list[Application]:
    """The example as it is, and with its page changed by one line, twice."""
    made: list[Application] = []
    for page in ("Hello", "Hello you", "Hello all"):
        root = folder / page.replace(" ", "-")
        shutil.copytree(hello.root, root)
        source = root / "app" / PAGE
        source.write_text(source.read_text().replace("<h1>Hello</h1>", f"<h1>{page}</h1>"))
        (root / "app/Dockerfile").write_text(dockerfile)
        made.append(replace(hello, root=root) if page == "Hello" else build_application(root))
    return made


def table(rows: Sequence[tuple[str, Cost, Cost]]) -> str:
    """The costs as README has them."""
    lines = [
        "|A one-line change|bytes pushed|bytes pulled|build and push|pull|",
        "|---|---|---|---|---|",
    ]
    for where, whole, layered in rows:
        for kind, cost in (("whole jar", whole), ("Jarship", layered)):
            seconds = f"{cost.push_seconds:.1f} s|{cost.pull_seconds:.1f} s"
            lines.append(f"|{kind}, {where}|{cost.pushed:,}|{cost.pulled:,}|{seconds}|")
    return "\n".join(lines)


@pytest.mark.thorough
def test_bytes_of_a_one_line_change_are_a_hundredth_of_the_whole_jars(
    machines: tuple[Machine, Machine],
    hello: Application,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    one, two = machines
    dockerfile = WHOLE.format(base=f"{one.sandbox.sandbox.registry}/{OURS}/java:1")
    first, changed, other = versions(hello, tmp_path, dockerfile)
    costs: dict[str, tuple[Cost, Cost]] = {}
    for kind in ("whole", "layered"):
        one.release(first, kind, "1")
        costs[kind] = one.release(changed, kind, "2"), two.release(other, kind, "3", nocache=True)
    rows = [
        ("same machine", costs["whole"][0], costs["layered"][0]),
        ("a second, fresh one", costs["whole"][1], costs["layered"][1]),
    ]
    with capsys.disabled():
        print(f"\n{table(rows)}")
    for _, whole, layered in rows:
        assert whole.pushed > 100 * layered.pushed
        assert whole.pulled > 100 * layered.pulled
        assert whole.pulled > 10_000_000, "what is compared with is a whole jar"
