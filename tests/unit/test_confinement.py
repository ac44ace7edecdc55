"""How a container is confined: as settings say it, as the engine is asked for it, as its labels keep it."""

from dataclasses import asdict
from typing import Any

import pytest

from deploy.rollout.containers import confined
from deploy.values.confinement import Confinement, parse_capabilities
from deploy.values.mounts import Mount
from tests.support.settings import make_settings

MIB = 2**20


def test_by_default_it_may_nothing_but_run() -> None:
    assert make_settings().confinement() == Confinement(
        no_new_privileges=True, cap_add=(), pids_limit=1024, tmp_size=64 * MIB, read_only=False
    )


@pytest.mark.security(16)
@pytest.mark.security(18)
def test_the_engine_is_asked_for_it() -> None:
    asked = confined(make_settings(read_only=True, cap_add=("NET_RAW",)).confinement())
    assert asked == {
        "cap_drop": ["ALL"],
        "cap_add": ["NET_RAW"],
        "security_opt": ["no-new-privileges"],
        "pids_limit": 1024,
        "tmpfs": {"/tmp": f"rw,exec,nosuid,nodev,mode=1777,size={64 * MIB}"},
        "read_only": True,
    }


def test_each_can_be_relaxed() -> None:
    relaxed = make_settings(no_new_privileges=False, pids_limit=0, tmp_size=0).confinement()
    asked = {name: value for name, value in confined(relaxed).items() if value}
    assert asked == {"cap_drop": ["ALL"]}


def test_a_directory_of_the_host_at_tmp_takes_the_place_of_the_one_in_memory() -> None:
    mounts = (Mount(source="/srv/tmp", target="/tmp"),)
    assert make_settings(mounts=mounts).confinement().tmp_size == 0


def test_capabilities_are_read_as_docker_and_the_manual_name_them() -> None:
    assert parse_capabilities("sys_nice, CAP_NET_RAW,NET_RAW") == ("NET_RAW", "SYS_NICE")


@pytest.mark.parametrize(
    ("text", "said"), [("ALL", "more than Docker"), ("NET", "capabilities"), ("A,", "cap")]
)
def test_what_is_no_capability_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_capabilities(text)


def test_it_holds_nothing_that_json_cannot_keep() -> None:
    told: dict[str, Any] = asdict(make_settings().confinement())
    assert {type(value) for value in told.values()} <= {bool, int, tuple}
