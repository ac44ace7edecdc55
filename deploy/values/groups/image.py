"""What the image is made of."""

from typing import Annotated, Literal

from deploy.values import names
from deploy.values.groups.base import Keys
from deploy.values.keys import Key
from deploy.values.mounts import parse_inner_path


class ImageKeys(Keys):
    """What the image is made of."""

    image: Annotated[
        str,
        Key(
            group="Image",
            doc="Path of the image in the registry; left out, APP_NAME.",
            example="team/app",
            parse=names.parse_image_path,
        ),
    ] = ""
    base_image: Annotated[
        str,
        Key(
            group="Image",
            doc="Image with the Java runtime that the application's image is built on.",
            example="eclipse-temurin:25-jre",
            parse=names.parse_image,
        ),
    ] = "eclipse-temurin:21-jre"
    dockerfile: Annotated[
        str | None,
        Key(
            group="Image",
            doc="The project's own Dockerfile, relative to APP_DIR; left out, Jarship's, which makes a layer "
            "of each part of the jar.",
            example="Dockerfile",
            parse=parse_inner_path,
        ),
    ] = None
    cds: Annotated[
        bool,
        Key(
            group="Image",
            doc="Whether the image carries class data, which Java starts faster with: the application is run "
            "once for them while the image is built.",
            example="true",
            parse=names.parse_truth,
        ),
    ] = False
    proxy_image: Annotated[
        str,
        Key(
            group="Image",
            doc="nginx 1.27.4 or newer, which serves APP_PORT on every host; copied to the registry by push.",
            example="nginx:1.30",
            parse=names.parse_image,
        ),
    ] = "nginx:1.30"
    platform: Annotated[
        tuple[str, ...],
        Key(
            group="Image",
            doc="Platform to build for, or several, comma separated; left out, the hosts are asked.",
            example="linux/arm64",
            parse=names.parse_platforms,
        ),
    ] = ()
    image_secrets: Annotated[
        Literal["refuse", "warn"],
        Key(
            group="Image",
            doc="refuse stops a push when jar, image or its history hold the value of a secret, or a private "
            "key; warn only tells.",
            example="warn",
            parse=names.one_of("refuse", "warn"),
        ),
    ] = "refuse"
