"""What a container is, by its inspection, against what it would be."""

from dataclasses import replace
from typing import Any

from docker.types import HostConfig
from hypothesis import given
from hypothesis import strategies as st

from deploy.rollout.containers import confined, release_labels
from deploy.rollout.running import Running, as_it_runs, as_it_would, compare
from deploy.values.confinement import Confinement
from deploy.values.mounts import Mount
from deploy.values.planned import Change
from deploy.values.release import ContainerSpec, Release
from tests.support.fleet import a_release
from tests.support.plans import IMAGE, NEW, OLD, SECRET

values = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=6)
variables = st.dictionaries(st.sampled_from(["A", "B", "C", "D"]), values)


CONFINED = Confinement(
    no_new_privileges=False, cap_add=("NET_RAW",), pids_limit=512, tmp_size=2**26, read_only=False
)


def inspection(release: Release) -> dict[str, Any]:
    """What the engine shows of a release's container (Engine API, ContainerInspect), as far as it is read."""
    spec = release.spec
    environment = {**IMAGE.environment, **spec.variables()}
    return {
        "Config": {
            "Env": [f"{name}={value}" for name, value in environment.items()],
            "User": spec.user or IMAGE.user,
            "StopTimeout": spec.stop_timeout,
            "Labels": release_labels(release, "[]"),
        },
        "HostConfig": {
            "Memory": spec.memory or 0,
            "NanoCpus": round(spec.cpus * 1e9) if spec.cpus else 0,
            **(HostConfig("1.41", **confined(spec.confinement)) if spec.confinement else {}),
            "Binds": [f"{m.source}:{m.target}:{'ro' if m.read_only else 'rw'}" for m in spec.mounts] or None,
        },
    }


def changes(old: Release, new: Release) -> list[Change]:
    return list(compare(as_it_runs(inspection(old)), as_it_would(new, IMAGE)))


def words(old: Release, new: Release) -> list[str]:
    return [f"{c.kind} {c.what} {c.name or f'{c.was}>{c.now}'}" for c in changes(old, new)]


def test_a_release_that_runs_is_what_it_would_be() -> None:
    spec = ContainerSpec(
        environment={"PROFILE": "dev", "A": "x=y=z", "EMPTY": ""},
        port=8080,
        memory=300 * 2**20,
        cpus=1.8,
        mounts=(Mount(source="/a", target="/b"), Mount(source="/c", target="/d", read_only=True)),
        user="1:2",
        stop_timeout=7,
        confinement=CONFINED,
    )
    release = a_release(spec=spec)
    assert as_it_runs(inspection(release)) == as_it_would(release, IMAGE)


def test_a_secret_that_becomes_a_file_is_told_by_its_name() -> None:
    then = replace(OLD, spec=ContainerSpec(environment={"TOKEN": SECRET}, port=8080))
    now = replace(then, spec=replace(then.spec, in_files=("TOKEN",)))
    assert words(then, now) == ["added secrets as files >TOKEN", "removed environment TOKEN"]
    assert not changes(now, now)


def test_confinement_is_told_in_words() -> None:
    open_, closed = replace(OLD.spec, confinement=None), replace(OLD.spec, confinement=CONFINED)
    tight = replace(CONFINED, cap_add=(), no_new_privileges=True, read_only=True, pids_limit=0, tmp_size=0)
    assert words(replace(OLD, spec=open_), replace(OLD, spec=closed)) == [
        "added capabilities >NET_RAW",
        "added new privileges >by setuid and file capabilities",
        "added processes >at most 512",
        "added /tmp >64m in memory",
    ]
    assert words(replace(OLD, spec=closed), replace(OLD, spec=replace(OLD.spec, confinement=tight))) == [
        "changed capabilities NET_RAW>none",
        "changed new privileges by setuid and file capabilities>none",
        "removed processes at most 512>",
        "removed /tmp 64m in memory>",
        "added root >read-only",
    ]


def test_a_new_build_is_another_release_and_digest() -> None:
    new = replace(OLD, tag="1.0", digest="sha256:" + "c" * 64)
    assert words(OLD, new) == [
        "changed release 0.9-1234567>1.0",
        f"changed digest {OLD.digest}>{new.digest}",
    ]


def test_variables_by_name_limits_and_mounts_by_value() -> None:
    mounts = (Mount(source="/srv/logs", target="/logs"),)
    new = replace(OLD, spec=replace(NEW.spec, mounts=mounts, cpus=1.5))
    assert words(OLD, new) == [
        "added memory >300m",
        "added cpus >1.5",
        "removed environment GONE",
        "added environment GREETING",
        "changed environment TOKEN",
        "added mount >/srv/logs:/logs",
    ]
    assert words(new, OLD)[:2] == ["removed memory 300m>", "removed cpus 1.5>"]
    assert words(new, OLD)[-1] == "removed mount /srv/logs:/logs>"


def test_a_variable_of_the_image_counts_when_it_changes() -> None:
    other = replace(IMAGE, environment={**IMAGE.environment, "JAVA_VERSION": "25"})
    found = compare(as_it_runs(inspection(OLD)), as_it_would(OLD, other))
    assert [(change.kind, change.name) for change in found] == [("added", "JAVA_VERSION")]


def test_a_container_that_another_tool_started_is_read_too() -> None:
    foreign = {
        "Config": {"Env": ["A=1"], "Labels": None},
        "HostConfig": {"Memory": 734003200, "Binds": ["/a:/b"]},
    }
    runs = as_it_runs(foreign)
    assert (runs.memory, runs.mounts, runs.health) == (734003200, frozenset({"/a:/b"}), None)


@given(variables, variables)
def test_no_value_of_a_variable_leaves(old: dict[str, str], new: dict[str, str]) -> None:
    before = replace(as_it_would(OLD, IMAGE), environment={name: f"<{text}>" for name, text in old.items()})
    after = replace(before, environment={name: f"<{text}>" for name, text in new.items()})
    found = compare(before, after)
    told = repr((before, after, found))
    assert not [text for one in (before, after) for text in one.environment.values() if text in told]
    assert {change.name for change in found} == {
        name for name in old.keys() | new.keys() if old.get(name) != new.get(name)
    }


@given(variables)
def test_nothing_is_different_from_itself(environment: dict[str, str]) -> None:
    one: Running = replace(as_it_would(OLD, IMAGE), environment=environment)
    assert compare(one, one) == ()


def test_a_secret_is_in_no_representation() -> None:
    assert SECRET not in repr(as_it_would(NEW, IMAGE))
