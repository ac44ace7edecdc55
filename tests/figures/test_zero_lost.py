"""What users notice of releases, at length; the figures are printed."""

import time
from collections.abc import Sequence
from typing import Any

from deploy.values.inventory import Host
from tests.support.balanced import Balanced
from tests.support.probing import Request, Span, longest_gap, probing, quantile, told
from tests.support.rollouts import Releases

REQUESTS = 100_000
RATE = 200.0
DEPLOYS = 20
BACK = 5
EVERY = REQUESTS / RATE / (DEPLOYS + BACK)
"""Seconds from one release to the next, so that all of them fit into the requests."""
RECREATES = 20
START = 1.0
"""Seconds that the application takes to start, where the gap is measured."""


def release_in_turn(releases: Releases, begun: float, **wish: Any) -> list[Span]:
    """The deploys and the ways back, each at its time; when each was at work."""
    spans: list[Span] = []
    builds = [releases.build(str(number)) for number in (1, 2, 3)]
    for number in range(DEPLOYS + BACK):
        time.sleep(max(0.0, begun + number * EVERY - time.time()))
        begin = time.time()
        if number % 5 == 4:
            releases.roll_back(**wish)
        else:
            releases.deploy(builds[number % 3], force=True, **wish)
        spans.append(Span(begin=begin, end=time.time()))
    return spans


def split(requests: Sequence[Request], spans: Sequence[Span]) -> tuple[list[float], list[float]]:
    """How long requests took while a release was at work, and how long else; milliseconds."""
    during: list[float] = []
    rest: list[float] = []
    for request in requests:
        busy = any(span.holds(request.due) for span in spans)
        (during if busy else rest).append(request.seconds * 1000)
    return during, rest


def test_start_first_and_rollbacks_lose_nothing(releases: Releases) -> None:
    releases.deploy(releases.build("3"))
    lose_nothing("start-first", releases, releases.hosts, strategy="start-first")


def test_recreate_on_two_hosts_behind_a_balancer_loses_nothing(balanced: Balanced) -> None:
    balanced.deploy(balanced.releases.build("3"))
    wish = balanced.wish(strategy="recreate")
    lose_nothing("recreate behind a balancer", balanced.releases, (balanced.balancer,), **wish)


def lose_nothing(what: str, releases: Releases, asked: Sequence[Host], **wish: Any) -> None:
    """Ask some hosts all the while, print what users noticed, and see that no request was lost."""
    with probing(asked, releases.root, rate=RATE, seconds=REQUESTS / RATE + 60) as probe:
        spans = release_in_turn(releases, time.time() + 2, **wish)
        time.sleep(max(0.0, probe.begun + REQUESTS / RATE + 1 - time.time()))
    during, rest = split(probe.requests, spans)
    took = [span.end - span.begin for span in spans]
    print(
        f"\n{what}: {len(probe.lost)} of {len(probe.requests)} requests lost over {DEPLOYS} deploys and "
        f"{BACK} rollbacks, {quantile(took, 0.5):.1f} s each"
        f"\nwhile releasing: p50 {quantile(during, 0.5):.1f} ms, p99 {quantile(during, 0.99):.1f} ms"
        f" ({len(during)} requests)"
        f"\nelse:            p50 {quantile(rest, 0.5):.1f} ms, p99 {quantile(rest, 0.99):.1f} ms"
        f" ({len(rest)} requests)"
    )
    assert len(probe.requests) >= REQUESTS
    assert not probe.lost, told(probe.requests)


def test_the_gap_of_recreate_on_one_host(releases: Releases) -> None:
    one = releases.hosts[:1]
    builds = [releases.build("1"), releases.build("2")]
    wish: dict[str, Any] = {"only": one, "strategy": "recreate", "app_env": {"START_DELAY": str(START)}}
    releases.deploy(builds[0], **wish)
    gaps: list[float] = []
    for number in range(RECREATES):
        with probing(one, releases.root, rate=RATE, seconds=120) as probe:
            time.sleep(0.5)
            releases.deploy(builds[(number + 1) % 2], **wish)
            time.sleep(0.5)
        gaps.append(longest_gap(probe.requests, 0))
    print(
        f"\nrecreate on one host: nothing answers for {quantile(gaps, 0.5):.2f} s (median of {RECREATES}), "
        f"{max(gaps):.2f} s at most; the application itself starts in {START:g} s"
    )
    assert quantile(gaps, 0.5) < START + 2
