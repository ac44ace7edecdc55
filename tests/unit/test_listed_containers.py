"""What the engine says of a container is read as it was recorded from an engine 20.10."""

from typing import Any

import pytest

from deploy.hosts import containers
from deploy.values.facts import PublishedPort

ID = "024c0f573b60725640677ffbd2a1154d975ecb7e39314562ed77e872d3128ec4"
IMAGE_ID = "sha256:062ff6b6d1e2d3bf25e93d0b633bea41a92123111ac857c6ad4e91b7b8685e44"
PORT = PublishedPort(address="127.0.0.1", port=18080, container_port=8080)


def an_entry(**changes: Any) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "Id": ID,
        "Names": ["/hello"],
        "Image": "registry:5000/hello@sha256:" + "a" * 64,
        "ImageID": IMAGE_ID,
        "Command": "java -jar app.jar",
        "Created": 1795449411,
        "Ports": [
            {"IP": "127.0.0.1", "PrivatePort": 8080, "PublicPort": 18080, "Type": "tcp"},
            {"PrivatePort": 9090, "Type": "tcp"},
        ],
        "Labels": {"io.jarship.app": "hello", "io.jarship.role": "app"},
        "State": "running",
        "Status": "Up 10 minutes",
        "HostConfig": {"NetworkMode": "hello"},
        "NetworkSettings": {"Networks": {"hello": {"IPAddress": "172.18.0.2"}, "old": {"IPAddress": ""}}},
        "Mounts": [],
    }
    return entry | changes


def a_document(**state: Any) -> dict[str, Any]:
    return {
        "Id": ID,
        "Created": "2026-11-23T15:56:51.814156615Z",
        "Name": "/hello",
        "Image": IMAGE_ID,
        "RestartCount": 2,
        "State": {
            "Status": "running",
            "Running": True,
            "Paused": False,
            "Restarting": False,
            "OOMKilled": False,
            "Dead": False,
            "Pid": 25300,
            "ExitCode": 0,
            "Error": "",
            "StartedAt": "2026-11-23T15:56:52.995713386Z",
            "FinishedAt": "0001-01-01T00:00:00Z",
            **state,
        },
        "HostConfig": {
            "PortBindings": {"8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": "18080"}]},
            "RestartPolicy": {"Name": "unless-stopped", "MaximumRetryCount": 0},
        },
        "Config": {"Image": "registry:5000/hello:1.0", "Labels": {"io.jarship.app": "hello"}},
        "NetworkSettings": {
            "Ports": {"8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": "18080"}], "9090/tcp": None},
            "Networks": {"hello": {"IPAddress": "172.18.0.2", "Aliases": ["hello-1", "024c0f573b60"]}},
        },
    }


class TestTheList:
    def test_a_running_container(self) -> None:
        found = containers.listed(an_entry())

        assert (found.id, found.name, found.state) == (ID, "hello", "running")
        assert found.running
        assert (found.app, found.role) == ("hello", "app")
        assert found.published == (PORT,)
        assert found.addresses == {"hello": "172.18.0.2"}
        assert found.exit_code is None
        assert not found.inspected

    @pytest.mark.parametrize(
        ("status", "code"), [("Exited (137) 3 days ago", 137), ("Exited (0) 1 second ago", 0)]
    )
    def test_the_exit_code_is_in_the_status(self, status: str, code: int) -> None:
        found = containers.listed(an_entry(State="exited", Status=status))

        assert found.exit_code == code
        assert not found.running

    @pytest.mark.parametrize(
        ("status", "health"),
        [
            ("Up 3 seconds (health: starting)", "starting"),
            ("Up 2 minutes (healthy)", "healthy"),
            ("Up 2 minutes (unhealthy)", "unhealthy"),
            ("Up 2 minutes", "none"),
        ],
    )
    def test_health_is_in_the_status(self, status: str, health: str) -> None:
        assert containers.listed(an_entry(Status=status)).health == health

    def test_names_that_links_gave_it_are_not_its_own(self) -> None:
        assert containers.listed(an_entry(Names=["/other/db", "/db"])).name == "db"

    def test_null_is_nothing(self) -> None:
        found = containers.listed(an_entry(Labels=None, Ports=None, NetworkSettings=None, Names=None))

        assert (found.labels, found.published, found.addresses, found.name) == ({}, (), {}, "")


class TestInspect:
    def test_a_running_container(self) -> None:
        found = containers.inspected(a_document())

        assert (found.id, found.name, found.state) == (ID, "hello", "running")
        assert found.image == "registry:5000/hello:1.0"
        assert found.image_id == IMAGE_ID
        assert (found.restart_policy, found.restart_count) == ("unless-stopped", 2)
        assert found.published == (PORT,)
        assert found.addresses == {"hello": "172.18.0.2"}
        assert found.aliases == {"hello": ("hello-1", "024c0f573b60")}
        assert found.started_at == "2026-11-23T15:56:52.995713386Z"
        assert found.finished_at == ""
        assert found.created_at == pytest.approx(1795449411.814156)
        assert found.inspected

    @pytest.mark.fault(25)
    def test_one_that_was_killed_for_its_memory(self) -> None:
        found = containers.inspected(a_document(Status="exited", Running=False, OOMKilled=True, ExitCode=137))

        assert (found.oom_killed, found.exit_code) == (True, 137)

    @pytest.mark.fault(26)
    def test_one_that_is_between_two_crashes_tells_the_last_exit_code(self) -> None:
        found = containers.inspected(a_document(Status="restarting", Restarting=True, ExitCode=1))

        assert (found.state, found.exit_code, found.restart_count) == ("restarting", 1, 2)

    def test_one_that_never_ran_has_no_exit_code_but_says_what_it_would_publish(self) -> None:
        document = a_document(
            Status="created",
            Running=False,
            StartedAt="0001-01-01T00:00:00Z",
            Error="port is already allocated",
        )
        document["NetworkSettings"]["Ports"] = {}
        found = containers.inspected(document)

        assert found.exit_code is None
        assert found.started_at == ""
        assert found.error == "port is already allocated"
        assert found.published == (PORT,)

    def test_a_port_that_the_engine_will_choose_is_none_yet(self) -> None:
        document = a_document()
        document["NetworkSettings"]["Ports"] = {}
        document["HostConfig"]["PortBindings"] = {"8080/tcp": [{"HostIp": "", "HostPort": ""}]}

        assert containers.inspected(document).published == ()

    def test_no_restart_policy_is_no(self) -> None:
        document = a_document()
        document["HostConfig"]["RestartPolicy"] = {"Name": "", "MaximumRetryCount": 0}

        assert containers.inspected(document).restart_policy == "no"


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("1970-01-01T00:00:01Z", 1.0),
        ("1970-01-01T00:00:01.5Z", 1.5),
        ("1970-01-01T00:00:01.123456789Z", 1.123456),
        ("0001-01-01T00:00:00Z", 0.0),
        ("", 0.0),
    ],
)
def test_the_engines_times_are_read(moment: str, expected: float) -> None:
    assert containers.seconds(moment) == pytest.approx(expected)
