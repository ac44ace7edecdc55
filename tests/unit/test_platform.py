import pytest

from deploy.hosts.platform import platforms_of


@pytest.mark.parametrize(
    ("machines", "platforms"),
    [
        (["aarch64", "aarch64"], ("linux/arm64",)),
        (["x86_64"], ("linux/amd64",)),
        (["riscv64"], ("linux/riscv64",)),
        (["x86_64", "aarch64", "x86_64"], ("linux/amd64", "linux/arm64")),
        (["aarch64", "x86_64"], ("linux/amd64", "linux/arm64")),
    ],
)
def test_the_platforms_of_hosts_each_once_and_in_one_order(
    machines: list[str], platforms: tuple[str, ...]
) -> None:
    assert platforms_of(machines) == platforms
