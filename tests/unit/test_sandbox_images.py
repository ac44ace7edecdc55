from pathlib import Path

from deploy.sandbox import images


def directory(tmp_path: Path) -> Path:
    place = tmp_path / "host"
    place.mkdir()
    (place / "Dockerfile").write_text("FROM x\n")
    (place / "start").write_text("#!/bin/sh\n")
    return tmp_path


def test_the_tag_changes_with_every_input(tmp_path: Path) -> None:
    place = directory(tmp_path)
    tags = [images.reference("host", "base:1", place), images.reference("host", "base:2", place)]
    (place / "host" / "start").chmod(0o755)
    tags.append(images.reference("host", "base:1", place))
    (place / "host" / "start").write_text("#!/bin/sh\nexit\n")
    tags.append(images.reference("host", "base:1", place))
    (place / "host" / "start").rename(place / "host" / "begin")
    tags.append(images.reference("host", "base:1", place))
    assert len(set(tags)) == len(tags)


def test_the_tag_stays_when_nothing_changes(tmp_path: Path) -> None:
    place = directory(tmp_path)
    assert images.reference("host", "base:1", place) == images.reference("host", "base:1", place)


def test_every_image_has_its_directory() -> None:
    for name in ("host", "registry", "java", "proxy"):
        assert images.reference(name, images.base_reference()).startswith(f"jarship-sandbox-{name}:")
