"""Tells ECG file formats apart by their first bytes, never by their suffix."""

from __future__ import annotations

from pathlib import Path

from modalities.ecg.formats.wfdb_file import check_files, read_wfdb
from modalities.ecg.formats.wfdb_header import parse_header
from modalities.ecg.options import ECGOptions
from modalities.ecg.recording import Recording
from workbench.errors import BadInput
from workbench.modality import Source

_START = 4096


def resolve(source: Source) -> tuple[Path, str]:
    """Return the file of a cell and its name; a WFDB record may be named without `.hea`."""
    try:
        return source.path(), source.name
    except BadInput as missing:
        if missing.code != "E-MAN-007" or missing.found != "no such file":
            raise
        header = Source(f"{source.value}.hea", source.root)
        try:
            return header.path(), header.name
        except BadInput:
            raise missing from None


def read_recording(path: Path, name: str, options: ECGOptions) -> Recording:
    """Read a file in whatever format its content shows."""
    return read_wfdb(path, name, options)


def peek_recording(path: Path, name: str, options: ECGOptions) -> None:
    """Check a file's header."""
    header = parse_header(path, name)
    if not header.segments:
        check_files(header, path, name, options)
