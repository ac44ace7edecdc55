"""What the groups of keys have in common."""

from pydantic import BaseModel, ConfigDict


class Keys(BaseModel):
    """Keys of one group; `deploy.values.settings.Settings` puts the groups together."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)
