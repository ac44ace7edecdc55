"""Tars made in memory, for build contexts and for files put into containers."""

import io
import tarfile
from collections.abc import Mapping


def tar_of(files: Mapping[str, bytes], *, mode: int = 0o644) -> bytes:
    """A tar with those files."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), mode
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()
