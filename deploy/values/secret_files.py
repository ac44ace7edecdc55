"""Secrets that reach the application as files in the host's memory, for Spring's config tree."""

from collections.abc import Mapping

TARGET = "/run/secrets"
"""Directory in the container."""
IMPORT = "SPRING_CONFIG_IMPORT"
_SOURCE = f"configtree:{TARGET}/"


def folder(app: str, release: str) -> str:
    """Directory on the host for a release's secrets; only its owner gets into it.

    Below it is the one that is mounted: there everybody may read, whatever uid the application has.
    """
    return f"/dev/shm/jarship-{app}-{release}"  # noqa: S108 (on the host; made by us alone, or refused)


def mounted(app: str, release: str) -> str:
    """The directory of the host that the container sees as `TARGET`."""
    return f"{folder(app, release)}/files"


def importing(environment: Mapping[str, str]) -> dict[str, str]:
    """The variable that lets Spring Boot (2.4 and newer) read the files, beside what it is to read anyway."""
    other = environment.get(IMPORT, "")
    return {IMPORT: f"{other},{_SOURCE}" if other else _SOURCE}


def file_names(name: str) -> tuple[str, ...]:
    """The files of a secret: called as its variable would be, and as the property that Spring makes of that.

    Only the environment's names are read as `a.b` where they say `A_B`; a file's are taken as they are.
    """
    return tuple(dict.fromkeys((name, name.lower().replace("_", "."))))
