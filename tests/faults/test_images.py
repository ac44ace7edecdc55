"""Images that changed in the registry between push and pull."""

import io
import os
import tarfile

import pytest
import requests

from deploy.artifact.push import push
from deploy.registry import Registry
from deploy.values.build import Build
from deploy.values.events import Stream
from tests.support.builds import build_of_image
from tests.support.expectations import all_as_before, another, deploy_fails
from tests.support.images import OURS, load_image
from tests.support.rollouts import APP, Releases
from tests.support.state import one_release_serves, states_of
from tests.support.tars import tar_of
from tests.support.tiny import tiny_tar

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
STORAGE = "/var/lib/registry/docker/registry/v2/blobs/sha256"
FLIP = 'b=$(head -c 1 {0} | od -An -tu1); printf "\\\\$(printf %o $((b ^ 1)))" | dd of={0} conv=notrunc bs=1'


def registry_of(releases: Releases) -> Registry:
    return Registry(releases.settings().registry, insecure=True)


def with_a_layer_of_its_own(releases: Releases) -> Build:
    """A build with a layer that no host has."""
    with tarfile.open(fileobj=io.BytesIO(tiny_tar(releases.engine))) as tar:
        program = tar.extractfile("tiny")
        assert program is not None
        layer = tar_of({"tiny": program.read(), "noise": os.urandom(100_000)}, mode=0o755)
    config = {"User": "10001", "Entrypoint": ["/tiny"]}
    image = load_image(releases.engine, f"{OURS}/{APP}:corrupt", layer, config=config)
    build = build_of_image(releases.engine, image, tag="corrupt", app=APP)
    return push(build, releases.settings(), releases.engine, Stream())


@pytest.mark.fault(18)
def test_a_blob_that_rotted_in_the_registry(served: Releases) -> None:
    before = states_of(served, served.hosts)
    build = with_a_layer_of_its_own(served)
    assert build.pushed is not None
    manifest = registry_of(served).image_manifest(build.pushed.repository, build.pushed.digest)
    (digest,) = [layer.digest.removeprefix("sha256:") for layer in manifest.layers]
    served.sandbox.run("registry", FLIP.format(f"{STORAGE}/{digest[:2]}/{digest}/data"))
    first = served.hosts[0]
    cause = "verif|invalid|corrupt|gzip|digest"
    deploy_fails(served, build, code=5, cause=cause, host=first.name, step="pull", only=(first,))
    all_as_before(served, before)


@pytest.mark.fault(19)
def test_a_tag_that_somebody_moved_after_the_push(served: Releases) -> None:
    wanted, other = served.build(another(served, served.hosts)), served.build("moved-here")
    assert wanted.pushed is not None
    assert other.pushed is not None
    base = f"http://{wanted.pushed.registry}/v2/{wanted.pushed.repository}/manifests"
    content = requests.get(f"{base}/{other.pushed.digest}", headers={"Accept": MANIFEST}, timeout=10).content
    moved = requests.put(f"{base}/{wanted.tag}", data=content, headers={"Content-Type": MANIFEST}, timeout=10)
    assert moved.status_code == 201
    served.deploy(wanted)
    one_release_serves(served, served.hosts, wanted.tag)
    back = requests.get(f"{base}/{wanted.pushed.digest}", headers={"Accept": MANIFEST}, timeout=10).content
    requests.put(f"{base}/{wanted.tag}", data=back, headers={"Content-Type": MANIFEST}, timeout=10)
