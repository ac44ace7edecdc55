from collections.abc import Sequence
from typing import Any

import pytest
from cryptography import x509

from deploy.host_tasks import report as shown
from deploy.setup.doctor import of_certificate
from deploy.setup.findings import Finding, Reporter, of_host
from deploy.setup.trust import Trust
from deploy.setup.wants import Directory, Wish
from deploy.values.facts import HostFacts, PathFacts
from deploy.values.settings import Settings
from tests.support.certificates import DAY, NOW, write_certificate
from tests.support.fleet import a_container, a_proxy, a_release, host_facts

REGISTRY = "registry.example.com:5000"
WISH = Wish(trust=Trust(kind="system", registry=REGISTRY))
LOGS = Directory(path="/srv/logs", uid=10001, gid=10001)


def settings(**given: Any) -> Settings:
    known: dict[str, Any] = {"memory": 100 * 2**20, **given}
    return Settings(profile="prod", app_name="hello", registry=REGISTRY, hosts=(), **known)


def found(facts: HostFacts, wish: Wish = WISH, *, serves: bool = True, **given: Any) -> list[Finding]:
    return list(of_host(facts, settings(**given), wish, serves=serves))


def wrong(findings: Sequence[Finding]) -> dict[str, tuple[str, str]]:
    return {each.subject: (each.verdict, each.says) for each in findings if each.verdict != "ok"}


def only(facts: HostFacts, wish: Wish = WISH, **given: Any) -> Finding:
    (finding,) = [each for each in found(facts, wish, **given) if each.verdict != "ok"]
    return finding


def test_a_host_that_fits_has_nothing_but_hooks() -> None:
    findings = found(host_facts())
    assert wrong(findings) == {}
    assert {each.where for each in findings} == {"h1"}
    assert wrong(found(host_facts(a_container(a_release()), a_proxy(), listening=(22, 8080)))) == {}


@pytest.mark.parametrize(
    ("changes", "given", "subject", "verdict", "advice"),
    [
        ({"disk_free": 2**29}, {}, "disk", "error", "docker system df"),
        ({"disk_free": 2**31}, {}, "disk", "warning", "docker image prune"),
        ({"inodes_free": 100}, {}, "disk", "error", "docker image prune"),
        ({"clock_offset": 40.0}, {}, "clock", "warning", "set-ntp"),
        ({"clock_offset": -4000.0}, {}, "clock", "error", "set-ntp"),
        ({"listening": (22, 8080)}, {}, "port", "error", "sport = :8080"),
        ({}, {"memory": None}, "memory", "warning", "MEMORY=700m"),
        ({}, {"memory": 2**31}, "memory", "error", "MEMORY"),
        ({}, {"cpus": 4.0}, "memory", "error", "CPUS=2"),
        ({}, {"platform": ("linux/arm64",)}, "architecture", "error", "PLATFORM=linux/arm64,linux/amd64"),
        ({"groups": ()}, {}, "user", "warning", "docker.sock"),
    ],
)
def test_what_does_not_fit_is_marked_with_what_to_do(
    changes: dict[str, Any], given: dict[str, Any], subject: str, verdict: str, advice: str
) -> None:
    finding = only(host_facts(**changes), **given)
    assert (finding.subject, finding.verdict) == (subject, verdict)
    assert advice in finding.advice


def test_somebody_elses_container_on_the_port() -> None:
    assert "docker rm -f web" in only(host_facts(a_container(name="web", published=(8080,)))).advice


@pytest.mark.parametrize(
    ("path", "advice"),
    [
        (PathFacts(path="/srv/logs", answer="missing"), "sudo install -d -o 10001 -g 10001 /srv/logs"),
        (
            PathFacts(path="/srv/logs", answer="there", uid=0, mode=0o755, kind="directory"),
            "sudo chown -R 10001:10001 /srv/logs",
        ),
    ],
)
def test_directories_that_the_application_cannot_write(path: PathFacts, advice: str) -> None:
    wish = Wish(trust=WISH.trust, directories=(LOGS,))
    assert only(host_facts(mounts={"/srv/logs": path}), wish).advice == advice


def test_a_balancer_is_asked_neither_for_memory_nor_for_directories() -> None:
    findings = found(host_facts(), Wish(trust=WISH.trust, directories=(LOGS,)), serves=False)
    assert {"memory", "mounts"}.isdisjoint(each.subject for each in findings)


def test_trust_names_the_task() -> None:
    wish = Wish(trust=Trust(kind="insecure", registry=REGISTRY))
    assert only(host_facts(), wish).advice == "invoke host.setup --profile=prod"
    unseen = Wish(trust=Trust(kind="ca", registry=REGISTRY, authority="x"))
    assert only(host_facts(authority=None), unseen).verdict == "warning"


@pytest.mark.fault(20)
@pytest.mark.parametrize(
    ("begins", "ends", "verdict"),
    [(-9, -1, "error"), (1, 9, "error"), (-9, 9, "warning"), (-9, 99, "ok")],
)
def test_a_certificate_is_told_with_its_times(tmp_path: Any, begins: int, ends: int, verdict: str) -> None:
    file, _ = write_certificate(tmp_path, "a", begins=NOW + begins * DAY, ends=NOW + ends * DAY)
    certificate = x509.load_pem_x509_certificate(file.read_bytes())
    finding = of_certificate(Reporter(where="here"), certificate, NOW)
    assert finding.verdict == verdict
    if verdict == "error":
        assert f"{NOW:%Y-%m-%d %H:%M:%S}" in finding.says
        assert f"{NOW + ends * DAY:%Y-%m-%d}" in finding.says


def test_findings_are_lines_with_what_to_do_below() -> None:
    here = Reporter(where="here")
    text = shown(
        [here.ok("engine", "fine"), here.error("disk", "full\x1b[31m", "one\ntwo"), here.warning("a", "b")]
    )
    assert text.splitlines() == [
        "✔ here  engine  fine",
        "✖ here  disk    full",
        "                one",
        "                two",
        "! here  a       b",
    ]
