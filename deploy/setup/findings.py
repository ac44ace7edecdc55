"""What a check found, and the checks that only compare: of facts with settings. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from deploy.setup.trust import Seen, Trust, lack
from deploy.setup.wants import Wish
from deploy.values import labels
from deploy.values.facts import HostFacts
from deploy.values.release import proxy_name
from deploy.values.settings import Settings

Verdict = Literal["ok", "warning", "error"]
MARKS: dict[Verdict, str] = {"ok": "✔", "warning": "!", "error": "✖"}
HERE = "here"

_GIB = 1 << 30
DISK_NEEDED = 1 * _GIB
"""Less than this does not hold a new release's image beside the old one's."""
DISK_WISHED = 3 * _GIB
CLOCK_WARNING = 30.0
"""Seconds by which a clock may be off before times in logs and audits mislead."""
CLOCK_ERROR = 300.0
"""Beyond this certificates and tokens are judged by a wrong time."""
INODES_NEEDED = 50_000


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    where: str
    """A host's name, or `here`."""
    subject: str
    """Such as `engine`."""
    verdict: Verdict
    says: str
    advice: str = ""
    """What to do; a command to paste where there is one."""

    @property
    def mark(self) -> str:
        """✔, ! or ✖."""
        return MARKS[self.verdict]


@dataclass(frozen=True, kw_only=True)
class Reporter:
    """Makes the findings of one place."""

    where: str

    def ok(self, subject: str, says: str) -> Finding:
        """All is well."""
        return Finding(where=self.where, subject=subject, verdict="ok", says=says)

    def warning(self, subject: str, says: str, advice: str = "") -> Finding:
        """A release works, and something should be changed all the same."""
        return Finding(where=self.where, subject=subject, verdict="warning", says=says, advice=advice)

    def error(self, subject: str, says: str, advice: str = "") -> Finding:
        """A release would fail."""
        return Finding(where=self.where, subject=subject, verdict="error", says=says, advice=advice)


def of_host(facts: HostFacts, settings: Settings, wish: Wish, *, serves: bool) -> Iterator[Finding]:
    """What a host's facts say, compared with what the settings want.

    Args:
        serves: whether the application runs there; a balancer has only the proxy.
    """
    report = Reporter(where=facts.host.name)
    yield report.ok("engine", f"Docker {facts.engine_version} on {facts.platform}")
    yield _group(report, facts)
    yield _architecture(report, facts, settings)
    yield disk(report, facts.disk_free, facts.inodes_free, facts.data_root)
    if serves:
        yield _memory(report, facts, settings)
        yield from _directories(report, facts, wish)
    yield _port(report, facts, settings)
    yield _clock(report, facts)
    yield trusted(
        report, wish.trust, Seen(registry_config=facts.registry_config, ca=facts.authority), settings
    )


def disk(report: Reporter, free: int, inodes: int | None, where: str) -> Finding:
    """Whether there is room for another release."""
    says = f"{free / _GIB:.1f} GiB free at {where}"
    advice = "docker system df; docker image prune"
    if inodes is not None and inodes < INODES_NEEDED:
        return report.error("disk", f"{says}, and only {inodes} inodes", advice)
    if free < DISK_NEEDED:
        return report.error("disk", says, advice)
    return report.warning("disk", says, advice) if free < DISK_WISHED else report.ok("disk", says)


def trusted(
    report: Reporter, trust: Trust, seen: Seen, settings: Settings, *, local: bool = False
) -> Finding:
    """Whether an engine trusts the registry as REGISTRY_TRUST says."""
    task = f"invoke host.setup --profile={settings.profile}{' --local' if local else ''}"
    missing = lack(trust, seen)
    if missing:
        return report.error("trust", missing, task)
    if trust.kind == "ca" and seen.ca is None:
        return report.warning("trust", f"{trust.ca_file} cannot be looked at by this user", task)
    how = {"ca": "by REGISTRY_CA", "insecure": "without TLS, as REGISTRY_TRUST says", "system": "as it is"}
    if trust.kind == "tunnel":
        return report.ok("trust", "the registry is reached through the machine that deploys")
    return report.ok("trust", f"{trust.registry} is trusted {how[trust.kind]}")


def _group(report: Reporter, facts: HostFacts) -> Finding:
    if facts.user == "root" or "docker" in facts.groups:
        return report.ok("user", f"{facts.user} may use Docker")
    return report.warning(
        "user", f"{facts.user} uses Docker, though not by the group docker", "id; ls -l /var/run/docker.sock"
    )


def _architecture(report: Reporter, facts: HostFacts, settings: Settings) -> Finding:
    named = settings.platform
    if named and not any(f"{each}/".startswith(f"{facts.platform}/") for each in named):
        return report.error(
            "architecture",
            f"it is {facts.platform}, and PLATFORM is {','.join(named)}",
            f"PLATFORM={','.join((*named, facts.platform))}, or another host",
        )
    return report.ok("architecture", facts.platform)


def _memory(report: Reporter, facts: HostFacts, settings: Settings) -> Finding:
    total, free = facts.memory_total >> 20, facts.memory_available >> 20
    says = f"{free} of {total} MiB available"
    if settings.memory is None:
        return report.warning(
            "memory",
            f"{says}; the application has no limit",
            "MEMORY=700m keeps the host alive when it grows",
        )
    if settings.memory > facts.memory_total:
        return report.error(
            "memory", f"{says}; MEMORY is {settings.memory >> 20}m", "A smaller MEMORY, or host"
        )
    if settings.cpus and settings.cpus > facts.cpus:
        return report.error("memory", f"CPUS is {settings.cpus:g}, it has {facts.cpus}", f"CPUS={facts.cpus}")
    return report.ok("memory", f"{says}, {facts.cpus} CPUs")


def _directories(report: Reporter, facts: HostFacts, wish: Wish) -> Iterator[Finding]:
    for directory in wish.directories:
        seen = facts.mounts[directory.path]
        owner = f"{directory.uid}:{directory.gid}"
        if seen.answer == "missing":
            yield report.error(
                "mounts",
                f"{directory.path} is missing",
                f"sudo install -d -o {directory.uid} -g {directory.gid} {directory.path}",
            )
        elif seen.unwritable or seen.writable_by(directory.uid, directory.gid) is False:
            yield report.error(
                "mounts",
                f"{directory.path}, or a file in it, cannot be written by the application's user {owner}",
                f"sudo chown -R {owner} {directory.path}",
            )
        else:
            yield report.ok("mounts", f"{directory.path} is the application's to write")


def _port(report: Reporter, facts: HostFacts, settings: Settings) -> Finding:
    port = settings.app_port.port
    publishers = [item.name for item in facts.publishing(port) if not _is_ours(item.labels, settings)]
    if publishers:
        name = publishers[0]
        return report.error("port", f"{port} is published by the container {name}", f"docker rm -f {name}")
    ours = any(item.name == proxy_name(settings.app_name) for item in facts.publishing(port))
    if port in facts.listening and not ours:
        return report.error("port", f"{port} is taken", f"sudo ss -ltnp sport = :{port}")
    return report.ok("port", f"{port} is {'the proxy of ' + settings.app_name if ours else 'free'}")


def _is_ours(said: object, settings: Settings) -> bool:
    return isinstance(said, dict) and said.get(labels.APP) == settings.app_name


def _clock(report: Reporter, facts: HostFacts) -> Finding:
    off = facts.clock_offset
    says = f"{abs(off):.0f} s {'ahead of' if off > 0 else 'behind'} this machine's"
    if abs(off) > CLOCK_ERROR:
        return report.error("clock", says, "timedatectl set-ntp true")
    if abs(off) > CLOCK_WARNING:
        return report.warning("clock", says, "timedatectl set-ntp true")
    return report.ok("clock", "as this machine's" if abs(off) < 2 else says)
