"""`plan` and `deploy --plan` on real hosts: what is told comes true, and nothing is touched by telling it."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from deploy import plan_file
from deploy.hosts.engine import through
from deploy.rollout.order import order
from deploy.rollout.preview import preview, what_runs
from deploy.rollout.reach import reach
from deploy.rollout.stock import take_stock
from deploy.rollout.survey import survey
from deploy.values.build import Build
from deploy.values.errors import HostError, InputError
from deploy.values.events import Stream
from deploy.values.images import Download, Stock, to_pull
from deploy.values.inventory import Host
from deploy.values.planned import Planned
from tests.support.images import OURS, remove_images
from tests.support.rollouts import SECRET, Releases, invoke
from tests.support.tars import tar_of

STATE = (
    "docker ps -aq --no-trunc | sort; docker images -aq --no-trunc | sort; docker network ls -q | sort;"
    " docker volume ls -q | sort; ls -A /tmp /home/deploy; docker inspect $(docker ps -aq) 2> /dev/null"
)
OLD_NGINX = """#!/bin/sh
echo "nginx version: nginx/1.26.3" >&2
[ "$1" = -v ] || echo 'nginx: [emerg] unknown directive "keepalive_min_timeout"' >&2
[ "$1" = -v ]
"""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A task that ran as a process."""

    code: int
    out: str
    err: str


def run(releases: Releases, *words: str, **settings: str) -> Ended:
    process = invoke(*words, folder=releases.root, environ=releases.environ(**settings))
    out, err = process.communicate(timeout=120)
    return Ended(code=process.returncode, out=out, err=err)


def file_of(releases: Releases, build: Build) -> str:
    path = releases.root / f"build-{build.tag}.json"
    path.write_text(build.model_dump_json())
    return f"--build={path}"


def state(releases: Releases) -> list[str]:
    return [releases.sandbox.run(host, STATE, check=False) for host in releases.hosts]


def now(releases: Releases, host: Host) -> str:
    return releases.sandbox.run(host, "date +%s.%N").strip()


def events(releases: Releases, host: Host, since: str) -> str:
    """What a host's engine did since a moment."""
    script = f"docker events --since {since} --until $(date +%s.%N) --format '{{{{.Type}}}} {{{{.Action}}}}'"
    return releases.sandbox.run(host, script)


def make_plan(releases: Releases, build: Build, *, force: bool = False, **changes: Any) -> Planned:
    """As the task does, without a process."""
    settings = releases.settings(**changes)
    moment = datetime.now(UTC)
    rollout = order(build, settings, info=None, now=moment, deployed_by="tester@desk", force=force)
    with reach(rollout.inventory, Stream()) as sites:
        seen = survey(rollout, sites, Stream())
        return preview(build, rollout, seen, what_runs(seen, sites), now=moment)


def test_from_a_plan_to_a_release_and_not_a_second_time(releases: Releases) -> None:
    build = releases.build("1")
    path = releases.root / "plan.json"
    before, moments = state(releases), [now(releases, host) for host in releases.hosts]

    planned = run(releases, "plan", file_of(releases, build), f"--out={path}")
    assert planned.code == 8, planned.err
    assert planned.out.count(": start-first (nothing runs yet)\n") == 2
    assert "+ environment      TOKEN" in planned.out
    assert state(releases) == before
    assert [events(releases, *each) for each in zip(releases.hosts, moments, strict=True)] == ["", ""]
    assert "jarship-tiny.lock" not in "".join(state(releases))
    assert SECRET not in path.read_text()

    other = run(releases, "deploy", f"--plan={path}", SECRET_TOKEN=f"another-{SECRET}", MEMORY="65m")
    assert other.code == 2
    assert "MEMORY was 64m, is 65m" in other.err
    assert "connect" not in other.err

    done = run(releases, "deploy", f"--plan={path}")
    assert done.code == 0, done.err
    assert releases.versions() == ["1", "1"]

    again = run(releases, "deploy", f"--plan={path}")
    assert again.code == 5
    assert "it serves 1 (" in again.err
    assert "when it served nothing" in again.err
    assert releases.versions() == ["1", "1"]


def test_the_same_build_is_nothing_to_plan_and_nothing_to_do(releases: Releases) -> None:
    build = releases.build("1")
    releases.deploy(build)
    planned = run(releases, "plan", file_of(releases, build), "--json")
    assert planned.code == 0, planned.err
    read = Planned.model_validate_json(planned.out)
    assert not read.changes
    assert [(host.action, host.changes) for host in read.hosts] == [("nothing", ())] * 2

    again = run(releases, "deploy", file_of(releases, build))
    assert again.code == 0, again.err
    assert "Nothing to do." in again.out

    (host, _) = make_plan(releases, build, force=True).hosts
    assert (host.action, host.changes) == ("replace", ())


def test_settings_alone_are_a_change_told_by_name(releases: Releases) -> None:
    build = releases.build("1")
    releases.deploy(build, app_env={"GONE": "1", "SAME": "1", "OTHER": "canary-before"})
    variables = {"SAME": "1", "OTHER": "canary-after", "NEW": "2"}
    planned = make_plan(releases, build, app_env=variables, memory=80 * 2**20, cpus=0.5)
    told = [(change.kind, change.what, change.name, change.now) for change in planned.hosts[0].changes]
    assert told == [
        ("changed", "memory", "", "80m"),
        ("added", "cpus", "", "0.5"),
        ("removed", "environment", "GONE", ""),
        ("added", "environment", "NEW", ""),
        ("changed", "environment", "OTHER", ""),
    ]
    assert planned.hosts[0].pull.bytes == 0
    assert "canary" not in planned.model_dump_json()
    plan_file.write(releases.root / "plan.json", planned)
    assert plan_file.read(releases.root / "plan.json") == planned


def test_a_host_that_moved_after_the_plan_is_not_touched(releases: Releases) -> None:
    from deploy.rollout.site import Bench
    from deploy.rollout.transaction import roll_out

    releases.deploy(releases.build("1"))
    build = releases.build("2")
    planned = make_plan(releases, build)
    host = releases.hosts[1]
    releases.sandbox.run(host, "docker restart -t 0 tiny-proxy && docker stop -t 1 tiny")
    before = [releases.names(each) for each in releases.hosts]
    rollout = order(
        build, releases.settings(), info=None, now=datetime.now(UTC), deployed_by="tester@desk", force=False
    )
    with pytest.raises(HostError, match="has moved") as raised:
        roll_out(rollout, Bench(root=releases.root, mask=str), Stream(), planned=planned)
    assert raised.value.host == host.name
    assert "1 (" in raised.value.details[0]
    assert "does not run any more" in raised.value.details[0]
    assert [releases.names(each) for each in releases.hosts] == before


@pytest.fixture
def layered(releases: Releases) -> Iterator[Sequence[str]]:
    """Two images in the registry, the second one layer above the first; as the hosts know them."""
    client, settings = releases.engine, releases.settings()
    repository = f"{settings.registry}/jarship-test/layered"
    container = client.containers.create(settings.proxy_image, ["true"])
    names = []
    try:
        client.images.get(settings.proxy_image).tag(repository, "1")
        container.put_archive("/", tar_of({"extra": b"0" * 50_000}))
        container.commit(repository, "2")
        for tag in ("1", "2"):
            *_, last = client.api.push(repository, tag, stream=True, decode=True)
            names.append(f"registry:5000/jarship-test/layered@{last['aux']['Digest']}")
        yield names
    finally:
        container.remove()
        remove_images(client, repository)


@pytest.mark.thorough
def test_what_is_told_of_a_pull_is_what_the_engine_pulls(releases: Releases, layered: Sequence[str]) -> None:
    host, (lower, upper) = releases.hosts[0], layered
    releases.sandbox.run(host, "docker image prune -af > /dev/null")
    for image in (lower, upper):
        told = estimate(releases, host, image)
        said = releases.sandbox.run(host, f"docker pull {image}")
        assert told.layers == said.count("Pull complete")
        assert told.whole_layers == told.layers + said.count("Already exists")
    assert told.layers == 1
    assert told.size < 1000
    assert estimate(releases, host, upper).size == 0


def estimate(releases: Releases, host: Host, image: str) -> Download:
    from deploy.registry import open_registry
    from deploy.rollout.registered import contents_of, images_of

    repository, _, digest = image.removeprefix("registry:5000/").partition("@")
    images = images_of(open_registry(releases.settings(), None), repository, digest)
    with releases.sandbox.connect(host) as connection, closing(through(connection)) as client:
        stock: Stock = take_stock(client.api)
    return to_pull(contents_of(image, images), stock, *images)


@pytest.fixture
def old_nginx(releases: Releases) -> Iterator[str]:
    """A repository with proxies that are too old: `told` says so, `silent` does not."""
    client, settings = releases.engine, releases.settings()
    name = f"{OURS}/old-nginx"
    container = client.containers.create(settings.proxy_image, ["true"])
    try:
        container.commit(name, "told", changes="ENV NGINX_VERSION=1.26.3")
        container.put_archive("/usr/sbin", tar_of({"nginx": OLD_NGINX.encode()}, mode=0o755))
        container.commit(name, "silent", changes="ENV NGINX_VERSION=")
        yield name
    finally:
        container.remove()
        remove_images(client, name)


def test_a_proxy_that_says_it_is_too_old_is_refused_before_any_host_is_asked(
    releases: Releases, old_nginx: str
) -> None:
    build = releases.build("1", proxy_image=f"{old_nginx}:told")
    with pytest.raises(InputError, match=r"is nginx 1\.26\.3; 1\.27\.4 is the oldest"):
        make_plan(releases, build, proxy_image=f"{old_nginx}:told")


def test_a_proxy_that_does_not_say_is_found_out_when_it_starts(releases: Releases, old_nginx: str) -> None:
    build = releases.build("1", proxy_image=f"{old_nginx}:silent")
    with pytest.raises(HostError) as raised:
        releases.deploy(build, proxy_image=f"{old_nginx}:silent")
    assert "nginx 1.27.4 or newer" in raised.value.what + raised.value.why
    assert [releases.names(host) for host in releases.hosts] == [set(), set()]
