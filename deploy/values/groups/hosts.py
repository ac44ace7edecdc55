"""The machines, and how SSH gets in."""

from typing import Annotated

from deploy.values import addresses, sizes
from deploy.values.groups.base import Keys
from deploy.values.inventory import Host
from deploy.values.keys import Key
from deploy.values.mounts import parse_local_path


class HostsKeys(Keys):
    """The machines, and how SSH gets in."""

    hosts: Annotated[
        tuple[Host, ...],
        Key(
            group="Hosts",
            doc="Hosts to deploy to, as [user@]host[:port][=ADDRESS], comma separated; ADDRESS is where "
            "balancers and users reach the host; sandbox is the embedded hosts.",
            example="deployer@192.0.2.10,deployer@192.0.2.11:2222=10.0.0.11",
            parse=addresses.parse_hosts,
        ),
    ]
    hosts_sandbox: bool = False
    """Whether HOSTS is the word sandbox."""
    balancers: Annotated[
        tuple[Host, ...],
        Key(
            group="Hosts",
            doc="Hosts whose nginx balances over HOSTS, written as HOSTS are; left out, there are none.",
            example="deployer@192.0.2.20",
            parse=addresses.parse_host_list,
        ),
    ] = ()
    sandbox_hosts: Annotated[
        int,
        Key(
            group="Hosts", doc="How many hosts the sandbox has.", example="3", parse=sizes.whole_number(1, 16)
        ),
    ] = 2
    ssh_key: Annotated[
        str | None,
        Key(
            group="Hosts",
            doc="File of the private key for SSH; left out, the SSH agent and the usual keys.",
            example="~/.ssh/id_ed25519",
            parse=parse_local_path,
        ),
    ] = None
    ssh_known_hosts: Annotated[
        str | None,
        Key(
            group="Hosts",
            doc="File of the hosts' public keys, others being refused; left out, the user's own.",
            example="deploy_known_hosts",
            parse=parse_local_path,
        ),
    ] = None
