from pathlib import Path

from deploy.sandbox.state import Home, HostState, State
from deploy.sandbox.value import Sandbox, sandbox_of
from deploy.values.inventory import Host
from deploy.values.settings import Settings


def a_sandbox(**stand_ins: str | None) -> Sandbox:
    host = HostState(name="host-1", ssh_port=20001, app_port=20002, host_key="ssh-ed25519 AAAA")
    state = State(id="0badcafe", home="/x", registry_port=20000, hosts=(host,))
    both = {"base_image": "java:stand-in", "proxy_image": "nginx:stand-in", **stand_ins}
    return sandbox_of(state, Home(Path("/x")), **both)


def the_settings(**changes: object) -> Settings:
    given: dict[str, object] = {"registry": "sandbox", "hosts": (), "hosts_sandbox": True, **changes}
    return Settings(profile="dev", app_name="hello", **given)  # type: ignore[arg-type]


def test_the_word_sandbox_becomes_hosts_and_a_registry() -> None:
    applied = a_sandbox().apply(the_settings())
    assert applied.registry == "127.0.0.1:20000"
    assert applied.registry_for_hosts == "registry:5000"
    assert applied.hosts == (
        Host(name="host-1", address="127.0.0.1", port=20001, user="deploy", url="http://127.0.0.1:20002"),
    )
    assert applied.ssh_key == "/x/id_ed25519"
    assert applied.ssh_known_hosts == "/x/known_hosts"
    assert applied.origins["HOSTS"] == "sandbox"


def test_images_that_somebody_chose_stay() -> None:
    chosen = the_settings(base_image="my/java:1", origins={"BASE_IMAGE": ".env.dev:3"})
    applied = a_sandbox().apply(chosen)
    assert applied.base_image == "my/java:1"
    assert applied.proxy_image == "nginx:stand-in"


def test_where_docker_hub_answers_the_defaults_stay() -> None:
    before = the_settings()
    applied = a_sandbox(base_image=None, proxy_image=None).apply(before)
    assert (applied.base_image, applied.proxy_image) == (before.base_image, before.proxy_image)


def test_hosts_of_ones_own_stay() -> None:
    own = Host(name="192.0.2.10", address="192.0.2.10")
    applied = a_sandbox().apply(the_settings(hosts=(own,), hosts_sandbox=False))
    assert applied.hosts == (own,)
    assert applied.ssh_key is None
