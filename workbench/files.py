"""Bytes in and out of disk: bounded reads that no bomb can blow up, and writes that cannot tear."""

from __future__ import annotations

import fcntl
import hashlib
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from workbench.errors import BadInput

MEGABYTE = 1 << 20
INFLATE_LIMIT = 512 * MEGABYTE
RATIO_LIMIT = 200
RATIO_FREE = 64 * MEGABYTE


def read_bytes(path: Path, *, name: str, code: str, limit: int = INFLATE_LIMIT) -> bytes:
    """Read a whole file, inflating gzip by its magic bytes, never past `limit`.

    Args:
        path: file to read.
        name: how messages call it (relative to the data root).
        code: catalogue code of the refusal, such as "E-DNA-020".
        limit: most bytes the content may have, inflated.

    Raises:
        BadInput: the content is larger, inflates suspiciously, or the gzip stream is damaged.
    """
    size = path.stat().st_size
    if size > limit:
        raise _too_large(name, code, size, limit)
    data = path.read_bytes()
    return inflate(data, name=name, code=code, limit=limit) if data[:2] == b"\x1f\x8b" else data


def inflate(data: bytes, *, name: str, code: str, limit: int = INFLATE_LIMIT) -> bytes:
    """Inflate gzip members, refusing output past `limit` or 200 times the input past 64 MB."""
    parts: list[bytes] = []
    done = 0
    rest = data
    while rest:
        machine = zlib.decompressobj(wbits=31)
        try:
            part = machine.decompress(rest, limit - done + 1)
        except zlib.error:
            raise BadInput(
                code, file=name, field="gzip stream", found="damaged data", expected="valid gzip"
            ) from None
        done += len(part)
        if done > limit or (done > RATIO_FREE and done > RATIO_LIMIT * len(data)):
            raise _too_large(name, code, done, limit)
        if not machine.eof:
            raise BadInput(
                code, file=name, field="gzip stream", found="an early end", expected="valid gzip"
            )
        parts.append(part)
        rest = machine.unused_data.lstrip(b"\0")
    return b"".join(parts)


def atomic_write(path: Path, data: bytes) -> None:
    """Write a file so that a reader sees the old content or the new, never a part.

    Temporary file in the same folder, fsync, rename, fsync of the folder.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames inside a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Let one process of this host at a time look at what is in a folder and act on it."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def file_digest(path: Path) -> str:
    """Return the sha256 of a file's bytes, in hex."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _too_large(name: str, code: str, found: int, limit: int) -> BadInput:
    return BadInput(
        code, file=name, field="content", found=f"{found} bytes or more",
        expected=f"at most {limit} bytes", fix="Raise the limit in the options if it is genuine.",
    )  # fmt: skip
