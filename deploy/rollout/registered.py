"""What a registry tells of an image that hosts are to pull: for each platform that it is there for."""

from collections.abc import Mapping

from deploy.registry import Registry
from deploy.rollout.release import ImageFacts, image_facts
from deploy.values.images import Content
from deploy.values.manifest import Manifest

Images = Mapping[str, ImageFacts]
"""By platform (`os/architecture`); one, or those of an index in its order."""


def images_of(registry: Registry, repository: str, digest: str) -> Images:
    """Ask for an image, or for all of an index.

    Raises:
        BuildError: the registry does not have it, or cannot be reached.
    """
    manifest = registry.manifest(repository, digest)
    digests = manifest.platforms.values() if manifest.is_index else ()
    manifests = [registry.manifest(repository, part) for part in digests] or [manifest]
    facts = [_facts(registry, repository, each) for each in manifests]
    return {each.platform: each for each in facts}


def contents_of(image: str, images: Images) -> tuple[Content, ...]:
    """What hosts are to have of an image, each by its platform.

    Args:
        image: its reference, as the hosts know it.
        images: what was asked of it.
    """
    return tuple(
        Content(image=image, layers=each.layers, platform=platform) for platform, each in images.items()
    )


def _facts(registry: Registry, repository: str, manifest: Manifest) -> ImageFacts:
    sizes = [layer.size for layer in manifest.layers]
    return image_facts(registry.config(repository, manifest.config.digest), sizes)
