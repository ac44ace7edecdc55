"""Where the application's source is, and how its jar is built."""

from typing import Annotated

from pydantic import SecretStr

from deploy.values import names
from deploy.values.groups.base import Keys
from deploy.values.keys import Key
from deploy.values.mounts import parse_inner_path, parse_local_path


class ApplicationKeys(Keys):
    """Where the application's source is, and how its jar is built."""

    app_name: Annotated[
        str,
        Key(
            group="Application",
            doc="Name of the application; its container, its network and its lock on the hosts carry it.",
            example="hello",
            parse=names.parse_app_name,
        ),
    ]
    app_source: Annotated[
        str | None,
        Key(
            group="Application",
            doc="Directory of the application's source on this machine, relative to this repository; "
            "this or APP_GIT_URL.",
            example="examples/hello",
            parse=parse_local_path,
        ),
    ] = None
    app_git_url: Annotated[
        str | None,
        Key(
            group="Application",
            doc="Git repository of the application, cloned with its submodules; this or APP_SOURCE.",
            example="https://git.example.com/team/app.git",
            parse=names.parse_git_url,
        ),
    ] = None
    app_git_ref: Annotated[
        str,
        Key(
            group="Application",
            doc="Branch, tag or commit to build; HEAD is the default branch.",
            example="main",
            parse=names.parse_git_ref,
        ),
    ] = "HEAD"
    app_git_user: Annotated[
        str | None,
        Key(
            group="Application",
            doc="User for APP_GIT_URL by http(s); many servers take any name beside a token.",
            example="ci",
            parse=names.parse_login,
        ),
    ] = None
    app_git_token: Annotated[
        SecretStr | None,
        Key(
            group="Application",
            doc="Token or password for APP_GIT_URL, sent to that host only.",
            example="<token>",
            parse=SecretStr,
        ),
    ] = None
    app_dir: Annotated[
        str,
        Key(
            group="Application",
            doc="Directory of the project inside the source, for a repository of several.",
            example="services/app",
            parse=parse_inner_path,
        ),
    ] = "."
    build_command: Annotated[
        str | None,
        Key(
            group="Application",
            doc="Command that builds the jar, run in APP_DIR; left out, the project's own wrapper.",
            example="./gradlew clean build -x test",
            parse=names.parse_command,
        ),
    ] = None
    jar: Annotated[
        str | None,
        Key(
            group="Application",
            doc="The jar that the build makes, in APP_DIR, with * where names vary; left out, "
            "the one executable Spring Boot jar.",
            example="build/libs/app-*.jar",
            parse=parse_inner_path,
        ),
    ] = None
