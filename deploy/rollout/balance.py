"""What a rollout does at the balancers over its hosts. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from deploy.rollout.stages import all_at_once, together, turns
from deploy.values.addresses import Published
from deploy.values.balancing import (
    AskBack,
    AskOut,
    Balancer,
    Balancing,
    PutBack,
    SetMembers,
    StartBalancer,
    TakeOut,
)
from deploy.values.plan import Stage
from deploy.values.release import PROXY_TAG, HealthCheck, Release, local_tag, network_name
from deploy.values.sizes import Batch
from deploy.values.steps import Discard, MakeNetwork, Prune, Pull, Step


@dataclass(frozen=True, kw_only=True)
class Balance:
    """A release and what stands before its hosts."""

    release: Release
    balancing: Balancing
    app_port: Published
    made_from: str
    """The `proxy` label that a balancer must have."""
    drain_timeout: float
    """Seconds."""
    serving: Mapping[str, HealthCheck]
    """The hosts that serve now, and how what serves there is checked."""

    @property
    def is_in_order(self) -> bool:
        """Whether every balancer is as it should be, and sends to every host."""
        wanted = set(self.balancing.members.values())
        return all(self._is_right(each) and set(each.members) == wanted for each in self.balancing.balancers)

    def _is_right(self, each: Balancer) -> bool:
        return each.running and each.made_from == self.made_from and not each.leftovers

    def at_first(self, each: Balancer) -> tuple[str, ...]:
        """The members of a balancer before the first host's turn: those that it has, or that serve."""
        members = self.balancing.members
        if each.container:
            return tuple(member for member in members.values() if member in each.members)
        return tuple(member for host, member in members.items() if host in self.serving)

    def ahead(self) -> list[Stage]:
        """Before any host is touched: each balancer there, and sending to no host that takes no part."""
        return [
            together("pull", {each.host: self._pulls(each) for each in self.balancing.balancers}),
            together(
                "prepare",
                {each.host: self._set(each, self.at_first(each)) for each in self.balancing.balancers},
            ),
        ]

    def alone(self) -> list[Stage]:
        """Where the hosts are well: balancers that are not."""
        everybody = tuple(self.balancing.members.values())
        steps = {each.host: self._set(each, everybody) for each in self.balancing.balancers}
        pulls = {each.host: self._pulls(each) for each in self.balancing.balancers}
        return [together("pull", pulls), together("balancers", steps), *self.behind()]

    def behind(self) -> list[Stage]:
        """After the commit: balancers that were replaced go."""
        steps: dict[str, list[Step]] = {
            each.host: [Prune(app=self.release.app, containers=(each.container,))]
            for each in self.balancing.balancers
            if each.container and not self._is_right(each)
        }
        return [together("prune", steps, after=True)]

    def _pulls(self, each: Balancer) -> list[Step]:
        release = self.release
        pull = Pull(image=release.proxy_image, keep_as=local_tag(release.app, PROXY_TAG))
        return [] if self._is_right(each) else [pull]

    def _set(self, each: Balancer, members: tuple[str, ...]) -> list[Step]:
        app = self.release.app
        if self._is_right(each):
            same = set(members) == set(each.members)
            return [] if same else [SetMembers(app=app, members=members, was=each.members)]
        steps: list[Step] = [Discard(container=id_, container_name=name) for id_, name in each.leftovers]
        start = StartBalancer(
            app=app,
            image=self.release.proxy_image,
            address=self.app_port.address or "",
            port=self.app_port.port,
            made_from=self.made_from,
            replaces=each.container,
            members=members,
        )
        network = [] if each.container else [MakeNetwork(network=network_name(app), app=app)]
        return [*steps, *network, start]

    def around(self, host: str, steps: Sequence[Step]) -> list[Step]:
        """What replaces a host, with what keeps users away from it meanwhile."""
        return [*self._out(host), *steps, *self._back(host)] if steps else []

    def _out(self, host: str) -> list[Step]:
        """Nothing for the only host: then nobody would answer."""
        steps: list[Step] = []
        member = self.balancing.members.get(host, "")
        others = len(self.balancing.members) > 1
        sending = tuple(each.host for each in self.balancing.balancers if member in self.at_first(each))
        if sending and others:
            steps.append(
                TakeOut(
                    app=self.release.app,
                    member=member,
                    balancers=sending,
                    health=self.serving.get(host),
                    timeout=self.drain_timeout,
                )
            )
        if self.balancing.asks_out and others and host in self.serving:
            steps.append(AskOut(both=self.balancing.asks_back))
        return steps

    def _back(self, host: str) -> list[Step]:
        steps: list[Step] = []
        if self.balancing.balancers:
            steps.append(
                PutBack(
                    app=self.release.app,
                    member=self.balancing.members[host],
                    balancers=tuple(each.host for each in self.balancing.balancers),
                    health=self.release.health,
                    timeout=self.drain_timeout,
                )
            )
        if self.balancing.asks_back:
            steps.append(AskBack(both=self.balancing.asks_out))
        return steps

    def _has_users(self, host: str) -> bool:
        member = self.balancing.members.get(host, "")
        return host in self.serving and all(
            member in self.at_first(each) for each in self.balancing.balancers
        )

    def turns(
        self, hosts: Sequence[str], batch: Batch, *, fleet: int
    ) -> tuple[Sequence[str], Sequence[str], int]:
        """The hosts that go first, which is one, those that follow, and how many of these at a time.

        Behind a balancer one always serves on: hosts without users go first, and all at once is one less.
        """
        size = batch.of(fleet)
        if not self.balancing.active:
            return *turns(hosts, batch), size
        in_order = sorted(hosts, key=self._has_users)
        most = max(1, fleet - 1)
        first = min(len(hosts), most) if all_at_once(hosts, batch) else 1
        return in_order[:first], in_order[first:], min(size, most)


def merged(stages: Collection[Stage], others: Collection[Stage]) -> list[Stage]:
    """Stages of hosts with those of the same names at balancers, whose work goes first."""
    ahead = {stage.name: stage for stage in others}
    return [_merge(stage, ahead.get(stage.name)) for stage in stages]


def _merge(stage: Stage, other: Stage | None) -> Stage:
    if other is None or not other.batches:
        return stage
    work = (*other.batches[0], *(stage.batches[0] if stage.batches else ()))
    return Stage(name=stage.name, batches=(work, *stage.batches[1:]), after_commit=stage.after_commit)
