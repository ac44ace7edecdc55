"""Settings for tests, without files."""

from typing import Any

from deploy.values.settings import Settings


def make_settings(**changes: Any) -> Settings:
    """Settings of an application `hello` in the sandbox, with changes by attribute."""
    required: dict[str, Any] = {
        "profile": "dev",
        "app_name": "hello",
        "registry": "sandbox",
        "hosts": (),
        "hosts_sandbox": True,
    }
    return Settings(**(required | changes))
