"""Tells ECG file formats apart by their first bytes, never by their suffix."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from modalities.ecg.formats.aecg import read_aecg
from modalities.ecg.formats.edf import check_edf, read_edf
from modalities.ecg.formats.muse import read_muse
from modalities.ecg.formats.sierra import read_sierra
from modalities.ecg.formats.table import read_csv, read_npy
from modalities.ecg.formats.wfdb_file import check_files, member, read_wfdb
from modalities.ecg.formats.wfdb_header import parse_header
from modalities.ecg.formats.xml_text import local, open_xml
from modalities.ecg.options import ECGOptions
from modalities.ecg.recording import Recording
from workbench.errors import BadInput
from workbench.modality import Source

Reader = Callable[[Path, str, ECGOptions], Recording]
_START = 4096
_WFDB_LINE = re.compile(rb"^[^\s,;/]+(/\d+)?[ \t]+\d+([ \t]|$)")
_XML_ROOTS = {"annotatedecg": read_aecg, "restingecg": read_muse, "restingecgdata": read_sierra}


def resolve(source: Source) -> tuple[Path, str]:
    """Return the file of a cell and its name; a WFDB record may be named without `.hea`.

    Raises:
        BadInput: no such file, or one outside the data root.
    """
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
    """Read a file in whatever format its content shows.

    Raises:
        BadInput: no format that is known (E-ECG-100), or what the format's reader refuses.
    """
    return _reader_of(path, name)(path, name, options)


def peek_recording(path: Path, name: str, options: ECGOptions) -> None:
    """Raise what the header of a WFDB or EDF file gives away; other formats are small and read whole."""
    reader = _reader_of(path, name)
    if reader is read_edf:
        check_edf(path, name, options)
    elif reader is not read_wfdb:
        reader(path, name, options)
    else:
        header = parse_header(path, name)
        check_files(header, path, name, options=options)
        for segment, _ in header.segments:
            if segment != "~":
                member(f"{segment}.hea", path, name)


def _reader_of(path: Path, name: str) -> Reader:
    """Choose the reader by the file's first bytes."""
    if path.is_dir():
        raise BadInput("E-ECG-100", file=name, field="file", found="a folder", expected="a file")
    with open(path, "rb") as stream:
        start = stream.read(_START)
    if start[128:132] == b"DICM":
        return _read_dicom
    if start.startswith(b"\x93NUMPY"):
        return read_npy
    if start.startswith(b"0       ") and len(start) >= 256:
        return read_edf
    if _is_scp(start):
        return _refuse_scp
    plain = start.replace(b"\0", b"").lstrip(b"\xff\xfe\xef\xbb\xbf \t\r\n")
    if plain.startswith(b"<"):
        return _read_xml
    return _text_reader(start, name)


def _text_reader(start: bytes, name: str) -> Reader:
    """Choose between a WFDB header and a table by the first line that is no comment."""
    lines = [line.strip() for line in start.removeprefix(b"\xef\xbb\xbf").splitlines()]
    line = next((line for line in lines if line and not line.startswith(b"#")), b"")
    if b"\0" in start or (start and not line and b"#" not in start):
        raise _unknown(name)
    if _WFDB_LINE.match(line) or name.lower().endswith(".hea") or not line:
        return read_wfdb
    if any(mark in line for mark in (b",", b";", b"\t")):
        return read_csv
    raise _unknown(name)


def _read_dicom(path: Path, name: str, options: ECGOptions) -> Recording:
    from modalities.ecg.formats.dicom_wave import read_dicom_wave  # pydicom takes long to import

    return read_dicom_wave(path, name, options)


def _is_scp(start: bytes) -> bool:
    """Whether section 0 of SCP-ECG follows the CRC and length of the file (EN 1064)."""
    return start[16:22] == b"SCPECG"


def _refuse_scp(path: Path, name: str, options: ECGOptions) -> Recording:
    """Refuse SCP-ECG: its Huffman-coded leads have no maintained reader to check against."""
    del path, options
    raise BadInput(
        "E-ECG-026", file=name, field="format", found="SCP-ECG (EN 1064)",
        expected="WFDB, DICOM, EDF, aECG, MUSE, Sierra, CSV or .npy",
        fix="Export the recording as DICOM, EDF or aECG.",
    )  # fmt: skip


def _read_xml(path: Path, name: str, options: ECGOptions) -> Recording:
    root = open_xml(path, name)
    reader = _XML_ROOTS.get(local(root).lower())
    if reader is None:
        raise BadInput(
            "E-ECG-100", file=name, field="XML root", found="an element of another kind",
            expected="AnnotatedECG, RestingECG or restingecgdata",
        )  # fmt: skip
    return reader(root, name, options)


def _unknown(name: str) -> BadInput:
    return BadInput(
        "E-ECG-100", file=name, field="content", found="no ECG format that is known",
        expected="WFDB header, DICOM, EDF, aECG, MUSE, Sierra, CSV or .npy",
        fix="For WFDB, name the .hea file, not the signal file.",
    )  # fmt: skip
