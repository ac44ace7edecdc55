from typing import Any

import pytest

from deploy.places import choose, known_registry_host, registry_host
from deploy.values.errors import InputError
from deploy.values.inventory import Host
from deploy.values.settings import Settings

ONE = Host(name="web1", address="192.0.2.10", user="deploy")
TWO = Host(name="192.0.2.11", address="192.0.2.11", reached_at="10.0.0.11")
BALANCER = Host(name="192.0.2.20", address="192.0.2.20")


def settings(registry: str = "registry.example.com:5000", **given: Any) -> Settings:
    known: dict[str, Any] = {"hosts": (ONE, TWO), "balancers": (BALANCER,), **given}
    return Settings(profile="dev", app_name="hello", registry=registry, **known)


def test_all_hosts_and_balancers_are_chosen_or_one_by_its_name() -> None:
    inventory = settings().inventory()
    assert choose(inventory, "") == (ONE, TWO, BALANCER)
    assert choose(inventory, "web1") == (ONE,)
    with pytest.raises(InputError, match="No host 'web9'") as refused:
        choose(inventory, "web9")
    assert "192.0.2.20" in refused.value.advice


@pytest.mark.parametrize(
    ("given", "host"),
    [
        (settings("192.0.2.10:5000"), ONE),
        (settings(registry_for_hosts="10.0.0.11:5000"), TWO),
        (settings("192.0.2.20:5000"), BALANCER),
        (settings(), None),
        (settings("sandbox", hosts_sandbox=True), None),
    ],
)
def test_the_registrys_host_is_the_one_with_its_address(given: Settings, host: Host | None) -> None:
    assert known_registry_host(given) == host


def test_the_registrys_host_is_named_otherwise() -> None:
    assert registry_host(settings("192.0.2.10:5000"), "") == ONE
    assert registry_host(settings(), "web1") == ONE
    assert registry_host(settings(), "ci@192.0.2.30:2222").port == 2222
    with pytest.raises(InputError, match="Which host"):
        registry_host(settings(), "")
    with pytest.raises(InputError, match="--host=-x"):
        registry_host(settings(), "-x")
