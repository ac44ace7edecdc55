"""A rollout as a report of tests, which Jenkins and others show: one case a host and phase."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deploy.files import write_atomically
from deploy.output import report
from deploy.output.clean import safe, safe_lines
from deploy.output.mask import Mask
from deploy.output.record import RELEASING, Writer, report_of
from deploy.values.account import Account, Ending, HostAccount, Phase
from deploy.values.errors import Failure
from deploy.values.moments import moment

HERE = "this machine"
"""Stands for a host where steps of this machine are told, and those of all hosts together."""
STOPPED = "Stopped, because the rollout failed elsewhere."


@dataclass(frozen=True, kw_only=True)
class _Case:
    host: str
    phase: str
    seconds: float = 0
    failed: str = ""
    skipped: str = ""


def junit_writer(root: Path, mask: Mask) -> Writer:
    """Writes `build/junit-TASK.xml` for a task that releases."""

    def write(account: Account) -> None:
        if account.fact("task") in RELEASING:
            write_atomically(report_of(root, account.fact("task")), as_xml(account, mask))

    return write


def as_xml(account: Account, mask: Mask) -> str:
    """The report, in the form that JUnit made common: a suite, its cases, a failure in those that failed."""
    # Here, as it costs each start some milliseconds. It only writes: nothing is parsed.
    from xml.etree import ElementTree as Xml

    ending = account.ending or Ending(exit_code=1)
    cases = list(_cases(account, ending))
    suite = Xml.Element(
        "testsuite",
        name=f"jarship {account.fact('task')}",
        timestamp=moment(account.began).removesuffix("Z"),
        time=f"{account.ended - account.began:.3f}",
        tests=str(len(cases)),
        failures=str(sum(bool(case.failed) for case in cases)),
        errors="0",
        skipped=str(sum(bool(case.skipped) for case in cases)),
    )
    for case in cases:
        element = Xml.SubElement(
            suite,
            "testcase",
            classname=safe(f"{account.fact('task')}.{_dotless(case.host)}", mask),
            name=safe(case.phase, mask),
            time=f"{case.seconds:.3f}",
        )
        if case.failed:
            failure = Xml.SubElement(element, "failure", message=safe(case.failed, mask), type=ending.result)
            failure.text = "\n".join(safe_lines(report.failure(_failure(ending), mask), mask))
        elif case.skipped:
            Xml.SubElement(element, "skipped", message=safe(case.skipped, mask))
    Xml.indent(suite)
    return Xml.tostring(suite, encoding="unicode", xml_declaration=False) + "\n"


def _dotless(host: str) -> str:
    """Readers of reports take dots for levels, which an address does not mean."""
    return host.replace(".", "-")


def _failure(ending: Ending) -> Failure:
    return Failure(
        ending.what,
        why=ending.why,
        advice=ending.advice,
        host=ending.host,
        step=ending.step,
        details=ending.details,
    )


def _cases(account: Account, ending: Ending) -> Iterator[_Case]:
    """Every phase of every host; the one that the task failed in has the failure, wherever it was."""
    where = {name or HERE for name in ending.host.split(", ")} if ending.what else set()
    phase = account.phases.get(ending.step, ending.step) or "result"
    blamed = {(host, phase) for host in where}
    seen = set()
    for host, done in [(HERE, account.here), *((each.host, each.phases) for each in account.hosts)]:
        for one in done:
            seen.add((host, one.name))
            yield _case(host, one, ending.what if (host, one.name) in blamed else "")
    for host, name in sorted(blamed - seen):
        yield _Case(host=host, phase=name, failed=ending.what)
    yield from (_not_back(host) for host in account.hosts if host.state in {"broken", "begun"})


def _case(host: str, phase: Phase, failed: str) -> _Case:
    skipped = STOPPED if phase.failed and not failed else ""
    return _Case(host=host, phase=phase.name, seconds=phase.seconds, failed=failed, skipped=skipped)


def _not_back(host: HostAccount) -> _Case:
    return _Case(host=host.host, phase="undo", failed=f"{host.host} is not back on {host.was or 'nothing'}.")
