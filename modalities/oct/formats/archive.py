"""Reads a zip or tar of B-scan pictures member by member; nothing is extracted to disk."""

from __future__ import annotations

import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO

from modalities.oct.formats.folder import stack
from modalities.oct.options import OctOptions
from modalities.oct.volume import Volume
from workbench.errors import BadInput

MEMBERS = 100_000
_DAMAGE = (
    zipfile.BadZipFile, tarfile.TarError, OSError, EOFError, ValueError, RuntimeError,
    NotImplementedError, KeyError, zlib.error, lzma.LZMAError,
)  # fmt: skip


def read_archive(path: Path, name: str, options: OctOptions) -> Volume:
    """Return the pictures of an archive as B-scans, by the rules of a folder.

    Raises:
        BadInput: a link, an absolute or upward member, a missing number (E-OCT-017), too many or
            too large members (E-OCT-018), or damage (E-OCT-002).
    """
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                return _read_zip(archive, name, options)
        with tarfile.open(path, mode="r:") as archive_tar:
            return _read_tar(archive_tar, name, options)
    except _DAMAGE as cause:
        raise BadInput(
            "E-OCT-002", file=name, field="archive", found=f"{type(cause).__name__} on reading",
            expected="a complete zip or tar",
        ) from None  # fmt: skip


def _read_zip(archive: zipfile.ZipFile, name: str, options: OctOptions) -> Volume:
    """Check the table of contents, then read member by member."""
    sizes = {}
    for member in archive.infolist():
        kind = member.external_attr >> 28  # the file type in the upper half of a Unix mode
        _refuse_member(member.filename, kind == 0xA, name)
        if not member.is_dir():
            sizes[member.filename] = member.file_size
    _refuse_total(sizes, name, options)

    def open_one(member: str) -> IO[bytes]:
        with archive.open(member) as stream:
            return _bounded(stream, sizes[member], name)

    return stack(list(sizes), open_one, name, options=options)


def _read_tar(archive: tarfile.TarFile, name: str, options: OctOptions) -> Volume:
    """Check every header, then read member by member."""
    members = {}
    for member in archive:
        _refuse_member(member.name, not (member.isfile() or member.isdir()), name)
        if member.isfile():
            members[member.name] = member
        if len(members) > MEMBERS:
            break
    _refuse_total({key: member.size for key, member in members.items()}, name, options)

    def open_one(member: str) -> IO[bytes]:
        stream = archive.extractfile(members[member])
        if stream is None:
            raise KeyError("no content")
        with stream:
            return _bounded(stream, members[member].size, name)

    opener: Callable[[str], IO[bytes]] = open_one
    return stack(list(members), opener, name, options=options)


def _refuse_member(member: str, link: bool, name: str) -> None:
    """Refuse what would leave a folder if it were extracted."""
    parts = member.replace("\\", "/").split("/")
    if link or ".." in parts or member.startswith(("/", "\\")) or ":" in parts[0]:
        raise BadInput(
            "E-OCT-017", file=name, field="archive member",
            found="a link or device" if link else "a path that leaves the archive",
            expected="plain files with relative names",
        )  # fmt: skip


def _refuse_total(sizes: dict[str, int], name: str, options: OctOptions) -> None:
    """Refuse more members or bytes than the limits."""
    total, limit = sum(sizes.values()), options.limit_mb << 20
    if len(sizes) > MEMBERS or total > limit:
        raise BadInput(
            "E-OCT-018", file=name, field="archive",
            found=f"{len(sizes)} members, {total} bytes",
            expected=f"at most {MEMBERS} members, {limit} bytes",
        )  # fmt: skip


def _bounded(stream: IO[bytes], size: int, name: str) -> IO[bytes]:
    """Read a member of the size its header states, and no more."""
    data = stream.read(size + 1)
    if len(data) != size:
        raise BadInput(
            "E-OCT-018", file=name, field="archive member", found=f"{len(data)} bytes or more",
            expected=f"{size} bytes as its header states",
        )  # fmt: skip
    return io.BytesIO(data)
