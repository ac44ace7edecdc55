"""What keeps an application inside its container."""

from dataclasses import dataclass

TMP = "/tmp"  # noqa: S108 (in the container)

CAPABILITIES = frozenset(
    [
        "AUDIT_CONTROL",
        "AUDIT_READ",
        "AUDIT_WRITE",
        "BLOCK_SUSPEND",
        "BPF",
        "CHECKPOINT_RESTORE",
        "CHOWN",
        "DAC_OVERRIDE",
        "DAC_READ_SEARCH",
        "FOWNER",
        "FSETID",
        "IPC_LOCK",
        "IPC_OWNER",
        "KILL",
        "LEASE",
        "LINUX_IMMUTABLE",
        "MAC_ADMIN",
        "MAC_OVERRIDE",
        "MKNOD",
        "NET_ADMIN",
        "NET_BIND_SERVICE",
        "NET_BROADCAST",
        "NET_RAW",
        "PERFMON",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYSLOG",
        "SYS_ADMIN",
        "SYS_BOOT",
        "SYS_CHROOT",
        "SYS_MODULE",
        "SYS_NICE",
        "SYS_PACCT",
        "SYS_PTRACE",
        "SYS_RAWIO",
        "SYS_RESOURCE",
        "SYS_TIME",
        "SYS_TTY_CONFIG",
        "WAKE_ALARM",
    ]
)
"""Source: capabilities(7); names as `docker run --cap-add` takes them."""


@dataclass(frozen=True, kw_only=True)
class Confinement:
    """How a container is confined, in Docker's terms. All capabilities but `cap_add` are dropped."""

    no_new_privileges: bool
    cap_add: tuple[str, ...]
    pids_limit: int
    """Processes and threads together; 0 for no limit."""
    tmp_size: int
    """Bytes of the /tmp in memory; 0 leaves the image's own, on the disk."""
    read_only: bool
    """Whether the root file system is."""


def parse_capabilities(text: str) -> tuple[str, ...]:
    """A comma separated list of capabilities, sorted.

    Raises:
        ValueError: one is none.
    """
    names = [entry.strip().upper().removeprefix("CAP_") for entry in text.split(",")]
    for name in names:
        if name == "ALL":
            raise ValueError(
                "ALL is more than Docker gives itself; name those that it needs, as CHOWN,SETUID"
            )
        if name not in CAPABILITIES:
            raise ValueError("use capabilities as capabilities(7) names them, as NET_RAW,SYS_NICE")
    return tuple(sorted(set(names)))
