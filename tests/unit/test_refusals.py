from dataclasses import replace
from typing import Any

import pytest

from deploy.rollout.found import Found, find
from deploy.rollout.refusals import Wanted, refuse, tight
from deploy.rollout.release import ImageFacts
from deploy.setup.trust import Trust
from deploy.values.addresses import Published
from deploy.values.errors import HostError
from deploy.values.facts import HostFacts, PathFacts
from deploy.values.images import Content, Layer, Stock
from deploy.values.mounts import Mount
from deploy.values.release import ContainerSpec
from tests.support.fleet import a_container, a_proxy, a_release, host_facts
from tests.support.settings import make_settings

LOGS = Mount(source="/srv/logs", target="/logs")


def wanted(*, platforms: tuple[str, ...] = ("linux/amd64",), strategy: str = "auto", **spec: Any) -> Wanted:
    release = a_release(spec=ContainerSpec(environment={}, port=8080, **spec))
    return Wanted(
        release=release,
        platforms=platforms,
        app_port=Published(port=8080),
        strategy=strategy,
        user=(10001, 10001),
    )


def said(facts: HostFacts, wish: Wanted | None = None) -> str:
    """What the refusal says; empty when there is none."""
    try:
        refuse(wish or wanted(), {"h1": facts}, {"h1": found(facts)})
    except HostError as error:
        return "\n".join(error.details)
    return ""


def found(facts: HostFacts) -> Found:
    return find(facts, app="hello", profile="dev", sends_to="", at=Published(port=8080))


def test_a_host_that_fits_is_not_refused() -> None:
    assert said(host_facts()) == ""
    assert said(host_facts(a_container(a_release()), a_proxy(), listening=(22, 8080))) == ""


def test_a_foreign_container_by_our_name() -> None:
    assert "docker rm -f hello" in said(host_facts(a_container(name="hello")))
    assert "profile prod" in said(host_facts(a_container(a_release(profile="prod"))))
    assert "not this tool's proxy" in said(host_facts(a_container(name="hello-proxy")))


@pytest.mark.fault(23)
def test_somebody_else_on_our_port() -> None:
    assert "container named web is there and holds port 8080" in said(
        host_facts(a_container(name="web", published=(8080,)))
    )
    assert "sport = :8080" in said(host_facts(listening=(22, 8080)))


@pytest.mark.fault(7)
def test_an_image_for_another_machine() -> None:
    text = said(host_facts(), wanted(platforms=("linux/arm64",)))
    assert "linux/arm64" in text
    assert "PLATFORM=linux/amd64" in text
    assert said(host_facts(), wanted(platforms=("linux/arm64", "linux/amd64"))) == ""


def test_limits_above_the_host() -> None:
    assert "MEMORY is 2048m, the host has 1024m" in said(host_facts(), wanted(memory=2**31))
    assert "Set CPUS to 2" in said(host_facts(), wanted(cpus=2.5))
    assert said(host_facts(), wanted(memory=2**30, cpus=2)) == ""


@pytest.mark.fault(8)
def test_start_first_without_the_memory_for_two_is_refused_with_the_figures() -> None:
    here = host_facts(a_container(a_release()), a_proxy())
    text = said(here, wanted(memory=700 * 2**20, strategy="start-first"))
    assert "two at once may take 1469m, the host has 1024m" in text
    assert "STRATEGY=recreate" in text
    assert said(here, wanted(memory=700 * 2**20, strategy="auto")) == ""
    assert said(here, wanted(memory=200 * 2**20, strategy="start-first")) == ""


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (PathFacts(path="/srv/logs", answer="missing"), "sudo install -d -o 10001 -g 10001 /srv/logs"),
        (
            PathFacts(path="/srv/logs", answer="there", uid=0, gid=0, mode=0o755, kind="directory"),
            "sudo chown -R 10001:10001 /srv/logs",
        ),
        (
            PathFacts(
                path="/srv/logs",
                answer="there",
                uid=10001,
                gid=10001,
                mode=0o755,
                kind="directory",
                unwritable=("/srv/logs/app.log",),
            ),
            "cannot write /srv/logs/app.log",
        ),
        (PathFacts(path="/srv/logs", answer="there", uid=10001, mode=0o755, kind="directory"), ""),
        (PathFacts(path="/srv/logs", answer="denied"), ""),
    ],
)
def test_a_mount_that_the_application_could_not_write(path: PathFacts, words: str) -> None:
    text = said(host_facts(mounts={"/srv/logs": path}), wanted(mounts=(LOGS,)))
    assert (words in text) if words else not text


def test_a_read_only_mount_need_not_be_writable() -> None:
    path = PathFacts(path="/srv/logs", answer="there", uid=0, mode=0o755, kind="directory")
    mount = Mount(source="/srv/logs", target="/logs", read_only=True)
    assert said(host_facts(mounts={"/srv/logs": path}), wanted(mounts=(mount,))) == ""


def test_a_log_file_that_the_application_could_not_write() -> None:
    log = PathFacts(path="/srv/logs/app.log", answer="there", uid=0, mode=0o644, kind="file")
    assert "cannot write LOG_FILE" in said(host_facts(log=log))


@pytest.mark.security(3)
def test_an_engine_that_does_not_trust_the_registry_is_told_with_the_task() -> None:
    wish = replace(wanted(), trust=Trust(kind="insecure", registry="registry.example.com:5000"))
    text = said(host_facts(), wish)
    assert "does not list registry.example.com:5000" in text
    assert "`invoke host.setup --profile=dev`" in text


def test_every_reason_on_every_host_is_told_at_once() -> None:
    facts = host_facts(a_container(name="hello"), listening=(8080,))
    found = find(facts, app="hello", profile="dev", sends_to="")
    with pytest.raises(HostError) as raised:
        refuse(wanted(), {"h1": facts, "h2": facts}, {"h1": found, "h2": found})
    assert raised.value.host == "h1, h2"
    assert len(raised.value.details) == 4


PULL = (Content(image="i", layers=(Layer(diff_id="a", size=100_000_000), Layer(diff_id="b", size=1_000))),)


@pytest.mark.fault(22)
def test_too_little_disk_for_the_pull_is_refused_with_the_figures() -> None:
    wish = replace(wanted(), contents=PULL)
    text = said(host_facts(disk_free=200_000_000), wish)
    assert "100.0 MB to pull take about 316.8 MB" in text
    assert "200.0 MB are free in /var/lib/docker" in text
    assert "docker system df" in text
    assert said(host_facts(disk_free=320_000_000), wish) == ""


@pytest.mark.fault(22)
def test_what_the_host_has_already_needs_no_disk() -> None:
    wish = replace(wanted(), contents=PULL)
    assert said(host_facts(disk_free=20_000_000, stock=Stock(chains=(("a", "z"),))), wish) == ""
    assert "0.0 MB to pull" in said(host_facts(disk_free=0, stock=Stock(chains=(("a", "b"),))), wish)


@pytest.mark.fault(22)
def test_too_few_inodes_for_the_pull() -> None:
    wish = replace(wanted(), contents=PULL)
    assert "12407 files" in said(host_facts(inodes_free=5000), wish)
    assert said(host_facts(inodes_free=None), wish) == ""


@pytest.mark.parametrize("version", ["19.03.15", "18.09", "1.13.1", "4.9.3"])
def test_an_engine_that_is_too_old(version: str) -> None:
    text = said(host_facts(engine_version=version))
    assert f"Docker Engine is {version}, and 20.10 is the oldest" in text
    assert "apt-get" in text


@pytest.mark.parametrize("version", ["20.10.24+dfsg1", "20.10.5-ce", "24.0.7", "28.5.1-rc.1", "", "dev"])
def test_an_engine_that_is_new_enough_or_does_not_say(version: str) -> None:
    assert said(host_facts(engine_version=version)) == ""


def test_root_without_its_capabilities_writes_only_what_is_its_own() -> None:
    theirs = PathFacts(path="/srv/logs", answer="there", uid=1000, gid=1000, mode=0o755, kind="directory")
    assert theirs.writable_by(0, 0)
    assert theirs.writable_by(0, 0, overrides=False) is False
    tight = make_settings().confinement()
    root = replace(wanted(mounts=(LOGS,), confinement=tight), user=(0, 0))
    able = replace(wanted(mounts=(LOGS,), confinement=replace(tight, cap_add=("DAC_OVERRIDE",))), user=(0, 0))
    facts = host_facts(mounts={"/srv/logs": theirs})
    assert "cannot write /srv/logs" in said(facts, root)
    assert said(facts, able) == ""


def a_java(options: str, memory: int | None) -> Wanted:
    image = ImageFacts(platform="linux/amd64", user="", labels={}, command=("java", "Main"))
    spec = ContainerSpec(environment={"JAVA_TOOL_OPTIONS": options}, port=8080, memory=memory)
    return replace(wanted(), release=a_release(spec=spec), image=image)


def test_a_heap_that_does_not_fit_is_refused_and_a_tight_one_warned_of() -> None:
    facts = host_facts()
    too_large = a_java("-Xmx800m", 700 * 2**20)
    assert "Java's heap may take 800m (as its options say), and MEMORY is 700m" in said(facts, too_large)
    assert "the host has" in said(facts, a_java(f"-Xmx{facts.memory_total}", None))
    close = a_java("-Xmx600m", 700 * 2**20)
    assert said(facts, close) == ""
    assert "heap 600m + metaspace 96m" in tight(close, facts)
    assert tight(a_java("-Xmx300m", 700 * 2**20), facts) == ""
    assert tight(wanted(), facts) == ""
