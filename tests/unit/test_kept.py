import json
from dataclasses import replace
from typing import Any

import pytest

from deploy.rollout.kept import in_files, read_spec, spec_label
from deploy.values import labels
from deploy.values.confinement import Confinement
from deploy.values.mounts import Mount
from deploy.values.release import ContainerSpec

SPEC = ContainerSpec(
    environment={"PROFILE": "prod", "PASSWORD": "s3cret=x", "EMPTY": ""},
    port=9000,
    memory=700 * 2**20,
    cpus=1.8,
    mounts=(
        Mount(source="/srv/logs", target="/logs"),
        Mount(source="/etc/app", target="/app", read_only=True),
    ),
    log_file="/logs/app.log",
    user="10001:10001",
    stop_timeout=60,
    secrets=("PASSWORD",),
    confinement=Confinement(
        no_new_privileges=True, cap_add=("NET_RAW",), pids_limit=512, tmp_size=2**26, read_only=True
    ),
)


def seen(spec: ContainerSpec, **changes: Any) -> dict[str, Any]:
    """As the engine's inspection has it: the image's own variables between ours."""
    environment = [f"{name}={value}" for name, value in spec.environment.items()]
    config = {"Env": ["PATH=/usr/bin", *environment], "Labels": {labels.SPEC: spec_label(spec)}}
    return {"Config": config | changes}


def test_a_container_tells_what_it_was_made_from() -> None:
    assert read_spec(seen(SPEC)) == SPEC
    bare = ContainerSpec(environment={}, port=8080)
    assert read_spec(seen(bare)) == bare


def test_a_container_from_before_there_was_confinement_goes_back_to_what_it_was() -> None:
    told = json.loads(spec_label(SPEC))
    del told["confinement"]
    before = read_spec(seen(SPEC, Labels={labels.SPEC: json.dumps(told)}))
    assert before == replace(SPEC, confinement=None)


def test_the_label_holds_no_value_of_the_environment() -> None:
    assert "s3cret" not in spec_label(SPEC)
    assert "prod" not in spec_label(SPEC)


@pytest.mark.parametrize(
    "changes",
    [
        {"Labels": {}},
        {"Labels": {labels.SPEC: "{"}},
        {"Labels": {labels.SPEC: "[]"}},
        {"Labels": {labels.SPEC: '{"environment": []}'}},
        {"Env": ["PATH=/usr/bin"]},
    ],
)
def test_a_container_that_does_not_say_is_known_as_such(changes: dict[str, Any]) -> None:
    assert read_spec(seen(SPEC, **changes)) is None


def test_secrets_that_are_files_come_from_elsewhere_than_the_environment() -> None:
    filed = replace(SPEC, in_files=("PASSWORD",))
    document = seen(filed)
    document["Config"]["Env"].remove("PASSWORD=s3cret=x")
    assert in_files(document["Config"]["Labels"]) == ("PASSWORD",)
    assert read_spec(document, {"PASSWORD": "s3cret=x"}) == filed
    assert read_spec(document) is None
    assert read_spec(document, {"OTHER": "s3cret=x"}) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"in_files": null}'])
def test_a_container_that_says_nothing_of_files_has_none(text: str) -> None:
    assert in_files({labels.SPEC: text} if text else {}) == ()
