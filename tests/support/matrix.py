"""A signal or a kill at every step of a rollout.

The cases come from the program: each step that it can do, and what it announces besides. A step without a
scene in which it is reached fails its case, and one that a recorded rollout announces without being a case
fails `test_every_announced_step_has_its_cases`.
"""

import re
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import docker
import pytest

from deploy.rollout.steps import DOING
from deploy.values.adopting_steps import Adopt, Close, GiveBack, Reinstate, Return
from deploy.values.balancing import AskBack, AskOut, PutBack, SetMembers, StartBalancer, TakeOut
from deploy.values.build import Build
from deploy.values.errors import LockedError
from deploy.values.inventory import Host
from deploy.values.steps import ReviveProxy, Settle
from tests.support.held import held_at
from tests.support.rollouts import Releases
from tests.support.sandbox import RunningSandbox
from tests.support.state import HostState, one_release_serves, states_of

BEFORE = ("connect", "lock", "facts")
"""What a rollout announces before its first step on a host."""
OF_REPAIR = (Settle, ReviveProxy)
"""Steps that no deploy has; a repair killed at each is tried on an engine in memory."""
OF_ADOPTING = (Adopt, Close, GiveBack, Return, Reinstate)
"""Steps that take a foreign container on the host: `test_adopt_killed.py` has their cases."""
OF_BALANCING = (StartBalancer, SetMembers, TakeOut, PutBack, AskOut, AskBack)
"""Steps for hosts behind a balancer: `test_every_step_behind.py` has their cases."""
STEPS = (
    *BEFORE,
    *dict.fromkeys(step.name for step in DOING if step not in (*OF_REPAIR, *OF_ADOPTING, *OF_BALANCING)),
)
STEPS_BEHIND = tuple(step.name for step in OF_BALANCING)
BOTH = ("start-first", "recreate")
ON_EMPTY_HOSTS = ("network", "proxy", "balancer")
"""Steps of a first release only."""
AFTER_A_KILL = {"discard": "health", "idle": "stop"}
"""Steps that a rollout has only after another was killed, and where that was."""
AFTER_COMMIT = ("prune",)
"""Steps from which there is no way back: the release is in service on every host."""
NOT_RECREATE = ("drain",)
UNDER_WAY_SECONDS = 2.0
"""What a host was told before its deployer was killed ends in this time: a removal, a reload of nginx.

And nginx forgets an address after a second, which the engine may have given to the next container."""
LOCK_SECONDS = 20
"""When the lock of an owner that was killed is free at the latest."""


def strategies(step: str) -> tuple[str, ...]:
    """The ways to replace in which a step is reached."""
    return BOTH[:1] if step in NOT_RECREATE else BOTH


@dataclass
class Steady:
    """Hosts on which one release always serves, from case to case: that saves setting them up anew."""

    releases: Releases
    hosts: tuple[Host, ...]
    builds: list[Build] = field(default_factory=list)
    serving: int = 0
    broken: bool = True
    """Whether the last case may have left the hosts as no case may find them."""
    settings: dict[str, str] = field(default_factory=dict)
    """What a process is told besides, by its keys."""

    def begin(self) -> None:
        """See one release served."""
        if self.broken:
            self.empty()
            self.deploy(0)
        self.broken = True

    def empty(self) -> None:
        """Make the hosts as new."""
        self.releases.sandbox.reset()

    def build(self, number: int) -> Build:
        """One of three builds, in turn."""
        while len(self.builds) < 3:
            self.builds.append(self.releases.build(str(len(self.builds) + 1)))
        return self.builds[number % 3]

    def version(self, number: int) -> str:
        """What it shows."""
        return self.build(number).tag

    def deploy(self, number: int, **settings: Any) -> None:
        """Roll one out, from this process."""
        self.releases.deploy(self.build(number), only=self.hosts, **settings)
        self.serving = number

    def serves(self, number: int) -> None:
        """See that one release alone serves, on every host."""
        one_release_serves(self.releases, self.hosts, self.version(number))

    def states(self) -> dict[str, HostState]:
        """How the hosts look."""
        return states_of(self.releases, self.hosts)

    def name(self, number: int) -> str:
        """A host as a process names it that has it from its environment."""
        host = self.hosts[number % len(self.hosts)]
        return f"{host.address}:{host.port}"


@pytest.fixture(scope="module")
def steady(
    running_sandbox: RunningSandbox, engine: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Steady]:
    """One host on which a release serves."""
    root = tmp_path_factory.mktemp("every-step")
    releases = Releases(sandbox=running_sandbox, engine=engine, root=root)
    yield Steady(releases=releases, hosts=running_sandbox.hosts[:1])
    running_sandbox.reset()


def prepare(steady: Steady, step: str) -> dict[str, str]:
    """Set the scene in which a step is reached; returns the settings that this takes."""
    if step in ON_EMPTY_HOSTS:
        steady.empty()
    else:
        steady.begin()
    steady.broken = True
    if step in AFTER_A_KILL:
        settings = {"STRATEGY": "start-first", **steady.settings}
        build = steady.build(steady.serving + 2)
        with held_at(
            steady.releases, build, AFTER_A_KILL[step], only=steady.hosts, settings=settings
        ) as held:
            held.kill()
        steady.serving += 2 if step == "idle" else 0
    return {"MONITOR": "1"} if step == "monitor" else {}


def interrupted(steady: Steady, step: str, strategy: str, number: signal.Signals, *, host: str = "") -> None:
    """A signal at a step: everything is as before, or, after the commit, the new release serves."""
    changes = prepare(steady, step)
    before = steady.states()
    new = steady.serving + 1
    held_case = held_at(
        steady.releases,
        steady.build(new),
        step,
        host=host if step not in BEFORE else "",
        only=steady.hosts,
        settings={"STRATEGY": strategy, **steady.settings, **changes},
    )
    with held_case as held:
        code, said = held.interrupt(number)
    assert code == 128 + number, f"exit code {code}:\n{said}"
    assert "Traceback" not in said
    if step in AFTER_COMMIT:
        assert "in service" in said
        steady.serving = new
        steady.serves(new)
    elif step in AFTER_A_KILL:
        for name, state in steady.states().items():
            assert state.answers == before[name].answers
            assert [each.running for each in state.applications.values()].count(True) == 1
    else:
        assert steady.states() == before, said
    steady.broken = step in ON_EMPTY_HOSTS or step in AFTER_A_KILL


def killed(
    steady: Steady,
    step: str,
    strategy: str,
    *,
    host: str = "",
    after: float = 0.0,
    watch: float = 0.5,
    again: int = 2,
) -> None:
    """Kill -9 at a step: nothing goes live later, and the next deploy brings one release to every host.

    Args:
        steady: the hosts.
        step: where.
        strategy: how hosts are replaced.
        host: as the process names it.
        after: seconds that the step is let go on for before.
        watch: seconds for which nothing may change by itself.
        again: which build the next deploy is of: 1 is the killed one's, 2 another.
    """
    changes = prepare(steady, step)
    old, new = steady.serving, steady.serving + 1
    held_case = held_at(
        steady.releases,
        steady.build(new),
        step,
        host=host if step not in BEFORE else "",
        only=steady.hosts,
        settings={"STRATEGY": strategy, **steady.settings, **changes},
    )
    with held_case as held:
        if after:
            held.go_on()
            time.sleep(after)
        held.kill()
    if after:
        time.sleep(UNDER_WAY_SECONDS)
    left = _without_lock(steady.states())
    if strategy == "start-first" and step not in ON_EMPTY_HOSTS:
        assert {state.answers for state in left.values()} <= {steady.version(old), steady.version(new)}
    time.sleep(watch)
    assert _without_lock(steady.states()) == left, "something changed by itself"
    next_ = old + again
    deploy_when_free(steady, next_, strategy)
    steady.serves(next_)
    steady.broken = False


def deploy_when_free(steady: Steady, number: int, strategy: str) -> None:
    """Deploy; as long as the lock of the killed one is there, be told whose it is and since when."""
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            return steady.deploy(number, strategy=strategy)
        except LockedError as error:
            told = error.why
        assert re.search(r"deploys .+ since .+; held for \d+ s", told), told
        assert time.monotonic() < deadline, "the lock outlived its owner"
        time.sleep(0.2)


def _without_lock(states: dict[str, HostState]) -> dict[str, HostState]:
    return {name: replace(state, locked=False) for name, state in states.items()}


def announced(releases: Releases) -> Sequence[str]:
    """The steps that the last rollout announced."""
    return tuple(dict.fromkeys(event.step for event in releases.events if event.kind == "started"))
