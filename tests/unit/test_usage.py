from typing import Any

import pytest

from deploy.rollout.usage import Usage, cpus_used, measure, memory_used

# As Engine 26.1 answered for a container of 64m on cgroup v1, shortened.
STATS: dict[str, Any] = {
    "read": "2026-01-02T03:04:05.678901234Z",
    "cpu_stats": {
        "cpu_usage": {"total_usage": 5_000_000_000, "percpu_usage": [1, 2]},
        "system_cpu_usage": 200_000_000_000,
        "online_cpus": 2,
    },
    "precpu_stats": {
        "cpu_usage": {"total_usage": 4_500_000_000, "percpu_usage": [1, 2]},
        "system_cpu_usage": 198_000_000_000,
        "online_cpus": 2,
    },
    "memory_stats": {
        "usage": 30 * 2**20,
        "stats": {"inactive_file": 1, "total_inactive_file": 10 * 2**20},
        "limit": 64 * 2**20,
    },
}
SEEN: dict[str, Any] = {
    "Id": "c1",
    "State": {"Running": True, "OOMKilled": False},
    "HostConfig": {"Memory": 64 * 2**20, "NanoCpus": 1_800_000_000},
    "RestartCount": 2,
}


class Engine:
    def __init__(self, *events: dict[str, str]) -> None:
        self.told = list(events)
        self.asked: dict[str, Any] = {}

    def stats(self, container: str, *, stream: bool) -> dict[str, Any]:
        assert (container, stream) == ("c1", False)
        return STATS

    def events(self, **asked: Any) -> Any:
        self.asked = asked
        return iter(self.told)


def test_memory_is_counted_without_what_the_kernel_would_give_up() -> None:
    assert memory_used(STATS["memory_stats"]) == 20 * 2**20
    assert memory_used({"usage": 30, "stats": {"inactive_file": 10}}) == 20
    assert memory_used({}) == 0


def test_cpu_is_told_in_cores() -> None:
    assert cpus_used(STATS) == 0.5
    assert cpus_used({}) == 0.0
    alone = {**STATS, "precpu_stats": {"cpu_usage": {"total_usage": 0}}}
    assert cpus_used({**alone, "cpu_stats": {**STATS["cpu_stats"], "system_cpu_usage": 0}}) == 0.0


def test_everything_of_a_running_container() -> None:
    engine = Engine({"status": "oom"}, {"status": "oom"})
    used = measure(engine, SEEN)
    assert used == Usage(
        memory=20 * 2**20, memory_limit=64 * 2**20, cpus=0.5, cpus_limit=1.8, oom_kills=2, restarts=2
    )
    assert engine.asked["until"] == 1767323045, "by the host's clock"
    assert used.cells() == {
        "memory": "20m of 64m (31%)",
        "cpus": "0.50 of 1.8",
        "oom_kills": 2,
        "restarts": 2,
    }


def test_without_limits() -> None:
    used = measure(Engine(), SEEN | {"HostConfig": {"Memory": 0, "NanoCpus": 0}})
    assert used is not None
    assert used.cells() == {"memory": "20m", "cpus": "0.50", "oom_kills": 0, "restarts": 2}


@pytest.mark.parametrize(("running", "killed"), [(True, 1), (False, None)])
def test_a_kill_that_the_engine_has_forgotten_is_still_told_by_the_container(
    running: bool, killed: int | None
) -> None:
    used = measure(Engine(), SEEN | {"State": {"Running": running, "OOMKilled": True}})
    assert (used.oom_kills if used else None) == killed
