from deploy.artifact.image import engine_platform
from deploy.hosts.platform import ask_platforms
from deploy.values.events import Event, Stream
from deploy.values.inventory import Inventory
from tests.support.sandbox import RunningSandbox


def test_the_hosts_tell_the_platform_to_build_for(running_sandbox: RunningSandbox) -> None:
    events: list[Event] = []
    inventory = Inventory(hosts=running_sandbox.hosts, access=running_sandbox.access)
    platforms = ask_platforms(inventory, Stream(events.append))
    assert platforms == (engine_platform(running_sandbox.client),)
    assert [event.kind for event in events] == ["started", "finished"]
