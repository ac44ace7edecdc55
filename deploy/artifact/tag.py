"""The tag of a build: what it is made of, in the registry's grammar."""

import re

from deploy.values.build import Build
from deploy.values.errors import InputError
from deploy.values.reference import TAG

LONGEST = 128


def compute_tag(build: Build, build_number: str, given: str) -> str:
    """The tag of a build.

    `<version>-<commit, 7 digits>`, or `<version>-src.<content hash, 8 digits>` without git; then
    `-b<build number>`; then `-dirty.<content hash, 8 digits>` when the tree is.

    Args:
        build: with its source and jar.
        build_number: the CI's number of this run, such as Jenkins' BUILD_NUMBER; empty outside of CI.
        given: the tag that the user wants instead; empty for none.

    Raises:
        InputError: `given` does not fit the grammar of tags.
    """
    if given:
        return _checked(given)
    source = build.source
    parts = [build.jar.version, source.commit[:7] or f"src.{source.content_hash[:8]}"]
    if build_number:
        parts.append(f"b{build_number}")
    if source.commit and source.dirty:
        parts.append(f"dirty.{source.content_hash[:8]}")
    version, *rest = filter(None, map(_fitting, parts))
    # What tells builds apart stands at the end: a long version gives way.
    end = "".join(f"-{part}" for part in rest)
    return (version[: LONGEST - len(end)] + end)[-LONGEST:]


def with_suffix(tag: str, suffix: str) -> str:
    """The tag with `-<suffix>` at its end, cut to fit."""
    return f"{tag[: LONGEST - 1 - len(suffix)]}-{suffix}"


def _fitting(text: str) -> str:
    """The text with what a tag cannot hold replaced: `1.0+5` becomes `1.0-5`."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", text).strip(".-")


def _checked(given: str) -> str:
    if not TAG.fullmatch(given):
        raise InputError(
            f"--tag: {given!r} is an invalid tag.",
            why="a tag has 1 to 128 letters, digits, _ . -, and begins with none of . -",
            advice="invoke tag --tag=1.4.2",
            step="tag",
        )
    return given
