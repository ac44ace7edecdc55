"""What Jarship may do on this machine."""

from typing import Annotated, Literal

from deploy.values import names
from deploy.values.groups.base import Keys
from deploy.values.keys import Key


class MachineKeys(Keys):
    """What Jarship may do on this machine."""

    setup: Annotated[
        Literal["auto", "never"],
        Key(
            group="This machine",
            doc="auto installs what sandbox and tests lack on this machine; never only names the commands.",
            example="never",
            parse=names.one_of("auto", "never"),
        ),
    ] = "auto"
