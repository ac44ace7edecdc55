import pytest

from deploy.hosts.platform import common_platform
from deploy.values.errors import HostError


@pytest.mark.parametrize(
    ("machine", "platform"),
    [("aarch64", "linux/arm64"), ("x86_64", "linux/amd64"), ("riscv64", "linux/riscv64")],
)
def test_hosts_of_one_kind_have_its_platform(machine: str, platform: str) -> None:
    assert common_platform({"192.0.2.10": machine, "192.0.2.11": machine}) == platform


def test_hosts_of_several_kinds_are_refused_by_name() -> None:
    with pytest.raises(HostError) as caught:
        common_platform({"192.0.2.10": "aarch64", "192.0.2.11": "x86_64"})
    assert caught.value.details == ("192.0.2.10: linux/arm64", "192.0.2.11: linux/amd64")
