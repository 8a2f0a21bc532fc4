"""Streams the text of a file line by line, inflating gzip within bounds that are checked first."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from workbench.errors import BadInput
from workbench.files import RATIO_FREE, RATIO_LIMIT

BLOCK = 1 << 20
HEAD = 1 << 16
GZIP = b"\x1f\x8b"
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Text:
    """A file of text, compressed or not, and how much of it may be read.

    Attributes:
        path: the file.
        name: how messages call it.
        content_limit: most bytes it may have, inflated.
        letters_limit: most letters one record may have.
    """

    path: Path
    name: str
    content_limit: int
    letters_limit: int

    def head(self) -> bytes:
        """Return the first 64 KB, inflated, without a byte order mark."""
        first = next(self._blocks(HEAD), b"")[:HEAD]
        if b"\0" in first:
            raise BadInput(
                "E-DNA-007", file=self.name, field="content", found="binary data",
                expected="text: FASTA, FASTQ, GenBank, GBSeq, TSV or CSV",
            )  # fmt: skip
        return first.removeprefix(BOM)

    def marked(self) -> bool:
        """Return whether the file begins with a byte order mark."""
        return next(self._blocks(HEAD), b"").startswith(BOM)

    def lines(self, *, lone_cr: bool) -> Iterator[str]:
        """Yield the lines without their ends.

        Args:
            lone_cr: whether a CR alone ends a line (FASTA of old Macs). In tables it does not:
                BOLD's v3 export has a CR inside every row, which is dropped.
        """
        rest, number = b"", 0
        for block in self._blocks(BLOCK):
            *whole, rest = self._split(rest + block, lone_cr)
            if len(rest) > self.letters_limit + HEAD:
                raise too_long(self.name, len(rest), self.letters_limit, f"line {number + 1}")
            for line in whole:
                number += 1
                yield self._decode(line, number)
        if rest:
            yield self._decode(rest, number + 1)

    def _split(self, data: bytes, lone_cr: bool) -> list[bytes]:
        """Cut bytes at line ends; the last part is not ended yet."""
        if not lone_cr:
            return data.replace(b"\r", b"").split(b"\n")
        held = b"\r" if data.endswith(b"\r") else b""
        parts = data.removesuffix(b"\r").replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        parts[-1] += held
        return parts

    def _decode(self, line: bytes, number: int) -> str:
        """Return a line as text."""
        try:
            return (line.removeprefix(BOM) if number == 1 else line).rstrip(b"\r").decode()
        except UnicodeDecodeError:
            raise BadInput(
                "E-DNA-008", file=self.name, field=f"line {number}", found="bytes that are not UTF-8",
                expected="ASCII or UTF-8 text", fix="Convert the file with iconv.",
            ) from None  # fmt: skip

    def _blocks(self, size: int) -> Iterator[bytes]:
        """Yield the inflated content in blocks, within the content limit."""
        stored = self.path.stat().st_size
        done = 0
        with open(self.path, "rb") as stream:
            packed = stream.read(2) == GZIP
            stream.seek(0)
            for block in (
                self._inflated(stream, size) if packed else iter(lambda: stream.read(size), b"")
            ):
                done += len(block)
                if done > self.content_limit or (
                    packed and done > RATIO_FREE and done > RATIO_LIMIT * stored
                ):
                    raise BadInput(
                        "E-DNA-020", file=self.name, field="content", found=f"{done} bytes or more",
                        expected=f"at most {self.content_limit} bytes, {RATIO_LIMIT} times the stored",
                        fix="Raise max_content_mb in the options if it is genuine.",
                    )  # fmt: skip
                yield block

    def _inflated(self, stream: object, size: int) -> Iterator[bytes]:
        """Yield what gzip members hold, never more than `size` bytes at once."""
        machine = zlib.decompressobj(wbits=31)
        pending = b""
        while True:
            pending = pending or stream.read(size)  # type: ignore[attr-defined]
            if not pending:
                break
            if machine.eof:
                pending = pending.lstrip(b"\0")
                machine = zlib.decompressobj(wbits=31) if pending else machine
                continue
            try:
                part = machine.decompress(pending, size)
            except zlib.error:
                raise self._damaged("damaged data") from None
            pending = machine.unused_data if machine.eof else machine.unconsumed_tail
            if part:
                yield part
        if not machine.eof:
            raise self._damaged("an early end")

    def _damaged(self, found: str) -> BadInput:
        return BadInput(
            "E-DNA-007", file=self.name, field="gzip stream", found=found, expected="valid gzip"
        )


def too_long(name: str, found: int, limit: int, where: str) -> BadInput:
    """Return the refusal of a record that has too many letters."""
    return BadInput(
        "E-DNA-018", file=name, field=where, found=f"{found} letters or more",
        expected=f"at most {limit} letters", fix="Raise max_letters in the options if it is genuine.",
    )  # fmt: skip
