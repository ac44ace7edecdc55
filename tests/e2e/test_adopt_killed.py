"""A signal or kill -9 at every step that only adopting has, on the way there and on the way back."""

import signal
from collections.abc import Iterator
from dataclasses import dataclass, field

import docker
import pytest

from deploy.rollout.survey import Manner
from deploy.values.adopting import kept_name
from deploy.values.build import Build
from deploy.values.inventory import Host
from tests.support.held import held_at
from tests.support.matrix import LOCK_SECONDS
from tests.support.rollouts import APP, Releases
from tests.support.sandbox import RunningSandbox
from tests.support.shell_pipeline import Stands, run_by_hand, stands
from tests.support.state import answers, one_release_serves, state_of

THERE = ("adopt", "close")
BACK = ("give-back", "return", "reinstate")

pytestmark = pytest.mark.thorough


@dataclass
class Moving:
    """A host with a container that was run by hand, and with what takes its place."""

    releases: Releases
    host: Host
    build: Build
    was: Stands
    only: tuple[Host, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.only = (self.host,)

    @property
    def is_home(self) -> bool:
        """Whether it stands as it was run by hand, and answers."""
        containers = self.releases.containers(self.host)
        name = APP if APP in containers else kept_name(APP, self.was.id)
        home = stands(self.releases, self.host, name) == self.was
        return home and answers(self.releases, self.host) == "0.0"

    def begin(self, step: str) -> tuple[str, ...]:
        """Set the scene for a step; returns the task that has it."""
        if step in BACK:
            if self.is_home:
                self.releases.deploy(self.build, adopt=True, only=self.only)
            return ("rollback", "--to=adopted")
        if not self.is_home:
            self.releases.roll_back("adopted", only=self.only)
        return ("deploy", f"--build={self.releases.build_file(self.build)}", "--adopt")

    def serves(self) -> None:
        """See the release serve, and what it took the place of kept."""
        one_release_serves(self.releases, self.only, "1", beside=[kept_name(APP, self.was.id)])


@pytest.fixture(scope="module")
def moving(
    running_sandbox: RunningSandbox, engine: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Moving]:
    """One host as the shell pipeline leaves it."""
    running_sandbox.reset()
    releases = Releases(sandbox=running_sandbox, engine=engine, root=tmp_path_factory.mktemp("adopt"))
    host = running_sandbox.hosts[0]
    was = run_by_hand(releases, host, "0.0", "--restart=on-failure:3")
    yield Moving(releases=releases, host=host, build=releases.build("1"), was=was)
    running_sandbox.reset()


@pytest.mark.fault(37)
@pytest.mark.parametrize("step", [*THERE, *BACK])
def test_a_signal_at_a_step_gives_everything_back(moving: Moving, step: str) -> None:
    words = moving.begin(step)
    before = state_of(moving.releases, moving.host)
    with held_at(moving.releases, moving.build, step, only=moving.only, words=words) as held:
        code, said = held.interrupt(signal.SIGTERM)
    assert code == 143, said
    assert "Traceback" not in said
    assert state_of(moving.releases, moving.host) == before
    if step in THERE:
        assert moving.is_home
    else:
        moving.serves()


@pytest.mark.fault(38)
@pytest.mark.parametrize("step", [*THERE, *BACK])
def test_after_a_kill_at_a_step_one_release_serves(moving: Moving, step: str) -> None:
    """What is mended by `repair` at one step goes on with the next `deploy` at another."""
    words = moving.begin(step)
    with held_at(moving.releases, moving.build, step, kind="finished", only=moving.only, words=words) as held:
        held.kill()
    if step in ("close", "give-back"):
        moving.releases.deploy(moving.build, only=moving.only, manner=Manner(wait=LOCK_SECONDS + 5))
    else:
        changed = moving.releases.repair(only=moving.only).changed
        assert changed == (step != "reinstate"), "with that, it was back"
        assert moving.is_home == (step != "return")
    if not moving.is_home:
        moving.serves()
