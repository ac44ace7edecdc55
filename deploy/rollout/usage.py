"""What a container uses of what it may: memory, CPU, and how often that was not enough."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deploy.hosts.containers import seconds
from deploy.rollout.health import Inspect
from deploy.values.sizes import format_cpus


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What one container uses. Sizes in bytes, CPU in cores."""

    memory: int
    """Without the file cache that the kernel gives up when it needs to."""
    memory_limit: int | None
    cpus: float
    """Over the second in which it was asked."""
    cpus_limit: float | None
    oom_kills: int
    """Since the container was made, as far as the engine remembers: its last 256 events."""
    restarts: int
    """By the engine, since it was last started by hand or by a rollout."""

    def cells(self) -> dict[str, object]:
        """For a table."""
        limit = f" of {_mib(self.memory_limit)} ({self.memory * 100 // self.memory_limit}%)" if (
            self.memory_limit
        ) else ""  # fmt: skip
        cpus = f" of {format_cpus(self.cpus_limit)}" if self.cpus_limit else ""
        return {
            "memory": f"{_mib(self.memory)}{limit}",
            "cpus": f"{self.cpus:.2f}{cpus}",
            "oom_kills": self.oom_kills,
            "restarts": self.restarts,
        }


def measure(api: Any, seen: Inspect) -> Usage | None:
    """Ask the engine, which takes a second or two; None when the container does not run.

    Args:
        api: the engine's.
        seen: the container's inspection.
    """
    if not seen["State"]["Running"]:
        return None
    stats = api.stats(seen["Id"], stream=False)
    told = {"container": seen["Id"], "event": "oom"}
    # By the host's own clock: until a moment that has not come yet, the engine would wait for it.
    until = int(seconds(stats["read"]))
    killed = len(list(api.events(since=0, until=until, filters=told, decode=True)))
    host_config = seen["HostConfig"]
    return Usage(
        memory=memory_used(stats.get("memory_stats") or {}),
        memory_limit=host_config.get("Memory") or None,
        cpus=cpus_used(stats),
        cpus_limit=host_config["NanoCpus"] / 1e9 if host_config.get("NanoCpus") else None,
        oom_kills=max(killed, int(bool(seen["State"].get("OOMKilled")))),
        restarts=int(seen.get("RestartCount", 0)),
    )


def memory_used(stats: Mapping[str, Any]) -> int:
    """Bytes, as `docker stats` counts them: without inactive file cache, named otherwise by cgroup v1 and v2.

    Source: docker/cli, cli/command/container/stats_helpers.go.
    """
    usage, detail = int(stats.get("usage") or 0), stats.get("stats") or {}
    cache = int(detail.get("total_inactive_file", detail.get("inactive_file", 0)) or 0)
    return usage - cache if cache < usage else usage


def cpus_used(stats: Mapping[str, Any]) -> float:
    """Cores in use between the engine's two samples.

    Source: as `memory_used`; there in percent of one core.
    """
    now, before = stats.get("cpu_stats") or {}, stats.get("precpu_stats") or {}
    used = _total(now) - _total(before)
    passed = int(now.get("system_cpu_usage") or 0) - int(before.get("system_cpu_usage") or 0)
    per_core = (now.get("cpu_usage") or {}).get("percpu_usage") or ()
    cores = int(now.get("online_cpus") or len(per_core))
    return used / passed * cores if used > 0 and passed > 0 else 0.0


def _total(sample: Mapping[str, Any]) -> int:
    return int((sample.get("cpu_usage") or {}).get("total_usage") or 0)


def _mib(size: int) -> str:
    return f"{size // 2**20}m"
