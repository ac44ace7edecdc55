"""Faults that are there before a deploy: it changes nothing, says what is wrong, and later works."""

import pytest

from tests.support import injections
from tests.support.expectations import all_as_before, deploy_fails, next_deploy_works
from tests.support.rollouts import APP, Releases
from tests.support.sshd import sshd_option
from tests.support.state import states_of

LARGE = 700 * 2**20


@pytest.mark.fault(1)
def test_a_host_without_power(served: Releases) -> None:
    second = served.hosts[1]
    before = states_of(served, served.hosts)
    with injections.stopped(served.sandbox, second):
        deploy_fails(served, code=5, cause="refuses|reset|banner", host=second.name, step="connect")
        assert all(served.untouched(host) for host in served.hosts)
    all_as_before(served, before, settle=60)


@pytest.mark.fault(2)
def test_a_host_whose_packets_are_dropped(served: Releases) -> None:
    second = served.hosts[1]
    before = states_of(served, served.hosts)
    with injections.cut(served.sandbox, second):
        silent = "10 s|timed out|falls silent"
        failure = deploy_fails(served, code=5, cause=silent, host=second.name, step="connect")
        assert "ssh" in failure.advice
    all_as_before(served, before)


@pytest.mark.fault(4)
def test_a_key_that_was_revoked(served: Releases) -> None:
    second = served.hosts[1]
    before = states_of(served, served.hosts)
    keys = "/home/deploy/.ssh/authorized_keys"
    served.sandbox.run(second, f"cp -p {keys} {keys}.kept && : > {keys}")
    try:
        deploy_fails(served, code=5, cause="refuses deploy", host=second.name, step="connect")
    finally:
        served.sandbox.run(second, f"mv {keys}.kept {keys}")
    all_as_before(served, before)


@pytest.mark.fault(6)
def test_a_dead_engine(served: Releases) -> None:
    second = served.hosts[1]
    build = served.build("bad")
    served.sandbox.run(second, "docker ps -q | xargs docker stop")  # the kill would take them down anyway
    with injections.engine_down(served.sandbox, second):
        failure = deploy_fails(
            served, build, code=5, cause="Docker is not running on host-2", host=second.name
        )
        assert "start docker" in failure.advice
        assert all(served.untouched(host) for host in served.hosts)
    next_deploy_works(served, hosts=served.hosts)


@pytest.mark.fault(8)
def test_too_little_memory_for_two(served: Releases) -> None:
    second = served.hosts[1]
    before = states_of(served, served.hosts)
    with injections.limited_memory(served.sandbox, second, "800m"):
        deploy_fails(
            served,
            code=5,
            cause="no memory to start the new one beside the old(.|\n)*STRATEGY=recreate",
            host=second.name,
            strategy="start-first",
            memory=LARGE,
        )
    all_as_before(served, before)


@pytest.mark.fault(9)
def test_too_few_sessions(served: Releases) -> None:
    second = served.hosts[1]
    before = states_of(served, served.hosts)
    with sshd_option(served.sandbox, second, "MaxSessions 1"):
        deploy_fails(served, code=5, cause="MaxSessions in its sshd_config is below the 3", host=second.name)
    all_as_before(served, before)


@pytest.mark.fault(22)
@pytest.mark.parametrize(
    ("options", "fill", "cause"),
    [
        (
            "size=150m",
            "head -c 50M /dev/zero > {0}/fill; dd if=/dev/zero of={0}/rest bs=64k",
            "MB are free in",
        ),
        ("size=150m,nr_inodes=12000", "i=0; while : > {0}/fill$i; do i=$((i+1)); done", "inodes are free"),
    ],
)
def test_a_full_disk(served: Releases, options: str, fill: str, cause: str) -> None:
    host = served.hosts[1]
    with injections.small_disk(served.sandbox, host, options):
        served.deploy(served.build("even"), only=(host,))
        before = states_of(served, (host,))
        served.sandbox.run(host, fill.format("/var/lib/docker") + " 2> /dev/null", check=False)
        try:
            deploy_fails(
                served, served.build("bad"), code=5, cause=cause, host=host.name, only=(host,), force=True
            )
        finally:
            served.sandbox.run(host, "rm -f /var/lib/docker/fill* /var/lib/docker/rest")
        all_as_before(served, before, hosts=(host,))


@pytest.mark.fault(24)
def test_a_leftover_of_ours_is_taken_away_and_somebody_else_s_container_left(served: Releases) -> None:
    host = served.hosts[1]
    image = served.containers(host)[APP]["Config"]["Image"]
    told = "app=tiny role=app profile=dev release=20200101000000-abcd tag=0"
    labels = " ".join(f"--label io.jarship.{word}" for word in told.split())
    served.sandbox.run(host, f"docker create --name tiny-20200101000000-abcd {labels} {image}")
    served.sandbox.run(host, f"docker create --name tiny-elsewhere {image}")
    try:
        next_version = "odd" if served.version(host) == "even" else "even"
        served.deploy(served.build(next_version))
        names = served.names(host)
    finally:
        served.sandbox.run(host, "docker rm -f tiny-elsewhere")
    assert "tiny-elsewhere" in names
    assert "tiny-20200101000000-abcd" not in names


@pytest.mark.fault(24)
def test_a_foreign_container_with_the_candidate_s_name_is_not_removed(served: Releases) -> None:
    host = served.hosts[1]
    before = states_of(served, served.hosts)
    image = served.containers(host)[APP]["Config"]["Image"]

    def take_the_name() -> None:
        served.sandbox.run(host, f"docker create --name {served.candidate()} {image}")

    with served.at("create", host, take_the_name):
        deploy_fails(served, code=5, cause="already in use", host=host.name, step="create")
    foreign = served.candidate()
    assert foreign in served.names(host)
    served.sandbox.run(host, f"docker rm {foreign}")
    all_as_before(served, before)


@pytest.mark.fault(33)
def test_a_dead_nginx_is_replaced(served: Releases) -> None:
    host = served.hosts[1]
    served.sandbox.run(host, "docker stop tiny-proxy")
    next_deploy_works(served, hosts=served.hosts)


@pytest.mark.fault(40)
def test_a_lock_directory_that_cannot_be_written(served: Releases) -> None:
    host = served.hosts[1]
    before = states_of(served, served.hosts)
    served.sandbox.run(host, "mount -t tmpfs -o ro tmpfs /tmp")
    try:
        deploy_fails(served, code=5, cause="Read-only file system", host=host.name, step="lock")
        assert all(served.untouched(each) for each in served.hosts)
    finally:
        served.sandbox.run(host, "umount /tmp")
    all_as_before(served, before)
