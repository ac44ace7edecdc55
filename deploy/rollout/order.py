"""From a build and the settings to what is to be rolled out; asks the registry what it has."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from deploy import credentials
from deploy.gateway import gateway_to
from deploy.registry import Registry, open_registry
from deploy.rollout.nginx import OLDEST_NGINX, made_from, nginx_version
from deploy.rollout.plan import Wishes
from deploy.rollout.refusals import Wanted
from deploy.rollout.registered import Images, contents_of, images_of
from deploy.rollout.release import ImageFacts, make_release, user_ids
from deploy.rollout.survey import Manner, Rollout
from deploy.setup import trust
from deploy.values.build import Build, Pushed
from deploy.values.errors import BuildError, InputError
from deploy.values.settings import Settings


def order(
    build: Build,
    settings: Settings,
    *,
    info: Mapping[str, Any] | None,
    now: datetime,
    deployed_by: str,
    force: bool,
    adopt: bool = False,
    manner: Manner | None = None,
) -> Rollout:
    """What to roll out, and where to.

    Args:
        build: one that was pushed.
        settings: of the profile; the registry's and the hosts' real addresses.
        info: the local engine's `info`; None when there is none.
        now: the moment of the rollout, in UTC.
        deployed_by: `user@machine`.
        force: replace even where nothing would change.
        adopt: take over what somebody else started by our name or on our port.
        manner: what else was asked for.

    Raises:
        InputError: the build has not been pushed, or is of another application.
        BuildError: the registry does not have its digest, or cannot be reached.
    """
    pushed = _pushed(build, settings)
    registry = open_registry(settings, info)
    images = _ask(registry, pushed.repository, pushed.digest)
    proxies = _ask(registry, pushed.proxy_repository, pushed.proxy_digest)
    for proxy in proxies.values():
        refuse_old_nginx(proxy, settings.proxy_image)
    image = next(iter(images.values()))
    release = make_release(build, image, settings, now=now, deployed_by=deployed_by)
    login = credentials.find(pushed.registry, settings.registry_user, _secret(settings))
    return Rollout(
        wanted=Wanted(
            release=release,
            platforms=tuple(images),
            app_port=settings.app_port,
            strategy=settings.strategy,
            user=user_ids(release, image),
            trust=trust.of_hosts(settings),
            image=image,
            contents=(
                *contents_of(release.image, images),
                *contents_of(release.proxy_image, proxies),
            ),
            adopt=adopt,
        ),
        wishes=Wishes(
            app_port=settings.app_port,
            batch=settings.batch,
            keep_releases=settings.keep_releases,
            drain_timeout=settings.drain_timeout,
            proxy_made_from=made_from(release.proxy_image, settings.app_port),
            force=force,
        ),
        inventory=settings.inventory(),
        registry_auth=login.auth_config() if login else None,
        gateway=gateway_to(lambda: registry, settings, (release.image, release.proxy_image)),
        image=image,
        manner=manner or Manner(),
    )


def refuse_old_nginx(proxy: ImageFacts, name: str) -> None:
    """Refuse a proxy's image that says it is older than the configuration needs.

    One that does not say is seen when it has started.

    Raises:
        InputError: names both versions.
    """
    says = proxy.environment.get("NGINX_VERSION", "")
    if (found := nginx_version(says)) and found < OLDEST_NGINX:
        least = ".".join(map(str, OLDEST_NGINX))
        raise InputError(
            f"PROXY_IMAGE={name} is nginx {says}; {least} is the oldest that will do.",
            why="An older one loses requests at every switch: it closes connections in the middle of one.",
            advice="Name a newer one, such as PROXY_IMAGE=nginx:1.30, then run `invoke push`.",
        )


def _pushed(build: Build, settings: Settings) -> Pushed:
    if build.app != settings.app_name:
        raise InputError(
            f"The build is of {build.app}, the settings are of {settings.app_name}.",
            advice="Give the build file of this application, or the profile of that one.",
        )
    if build.pushed is None:
        raise InputError("This build has not been pushed.", advice="Run `invoke push` first.")
    return build.pushed


def _ask(registry: Registry, repository: str, digest: str) -> Images:
    if registry.digest(repository, digest) is None:
        raise BuildError(
            f"{registry.address} does not have {repository}@{digest}.",
            why="The build was pushed elsewhere, or has been removed since.",
            advice="Run `invoke build` to make and push it again.",
        )
    return images_of(registry, repository, digest)


def _secret(settings: Settings) -> str | None:
    return settings.registry_password.get_secret_value() if settings.registry_password else None
