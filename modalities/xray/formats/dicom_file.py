"""Reads one frame of a DICOM radiograph."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset

from modalities.dicom import frames, grayscale, open_dicom, open_header
from modalities.dicom_header import bad, read_geometry, value
from modalities.xray.options import XrayOptions
from modalities.xray.picture import Picture
from workbench.errors import BadInput
from workbench.files import MEGABYTE

_RADIOGRAPHS = {"CR", "DX", "DR", "RG", "RF", "XA", "PX", "IO", "MG"}
_OTHERS = {
    "CT", "MR", "PT", "NM", "US", "OP", "OPT", "OCT", "ECG", "SR", "SEG", "RTDOSE", "RTPLAN",
    "RTSTRUCT", "SM", "GM", "XC", "ES", "IVUS", "IVOCT", "EPS", "HD", "KO", "PR", "REG",
}  # fmt: skip
_CHEST = ("CHEST", "THORAX", "LUNG", "RIB", "HEART", "STERNUM")
_VIEWS = {"PA", "AP", "LL", "RL", "RLD", "LLD", "RLO", "LLO", "LATERAL"}
_CAPTURES = "1.2.840.10008.5.1.4.1.1.7"


def read_dicom(path: Path, name: str, options: XrayOptions) -> Picture:
    """Return the frame asked for as grey in 0..1.

    Raises:
        BadInput: whatever `modalities.dicom` refuses, another kind of image (E-DCM-037), several
            frames and none asked for (E-DCM-022), text that may be burned in under
            `phi: strict` (E-DCM-034).
    """
    dataset = open_dicom(path, name)
    header = _header_flags(dataset, name, options)
    geometry = read_geometry(dataset, name, options.limit_mb * MEGABYTE)
    index = _frame(geometry.frames, name, options)
    stored, decode_flags = frames(dataset, name, limit_bytes=options.limit_mb * MEGABYTE)
    shown, grey_flags = grayscale(dataset, stored, name, percentiles=options.percentiles)
    meta = {
        "format": "dicom",
        "rows": geometry.rows,
        "columns": geometry.columns,
        "bits_stored": geometry.bits_stored,
        "photometric": geometry.photometric,
        **_facts(dataset, name),
    }
    return Picture(shown[index], meta, (*header, *decode_flags, *grey_flags))


def peek_dicom(path: Path, name: str, options: XrayOptions) -> None:
    """Raise BadInput for what the header alone gives away; no pixel is decoded."""
    dataset = open_header(path, name)
    _header_flags(dataset, name, options)
    geometry = read_geometry(dataset, name, options.limit_mb * MEGABYTE)
    _frame(geometry.frames, name, options)


def _frame(count: int, name: str, options: XrayOptions) -> int:
    """Return the index of the frame to use (D22)."""
    if options.frame is None and count > 1:
        raise bad(22, name, "NumberOfFrames (0028,0008)", count, "1", "Set `frame:` to choose one.")
    if (options.frame or 0) >= count:
        raise bad(22, name, "NumberOfFrames (0028,0008)", count, f"more than {options.frame}")
    return options.frame or 0


def _header_flags(dataset: Dataset, name: str, options: XrayOptions) -> tuple[str, ...]:
    """Check what kind of picture this is (D37), and whether text may be burned in (D34)."""
    flags = []
    modality = str(value(dataset, "Modality", name) or "").strip().upper()
    if modality in _OTHERS and "PixelData" in dataset:
        raise bad(37, name, "Modality (0008,0060)", modality, f"one of {sorted(_RADIOGRAPHS)}")
    if modality not in _RADIOGRAPHS:
        flags.append(f"F-DCM-037 {'no' if not modality else 'other'}-modality")
    part = str(value(dataset, "BodyPartExamined", name) or "").strip().upper()
    if part and not part.startswith(_CHEST):
        flags.append("F-DCM-037 body-part")
    return (*flags, *_burned_in(dataset, name, options))


def _burned_in(dataset: Dataset, name: str, options: XrayOptions) -> tuple[str, ...]:
    """Apply the phi policy; an absent BurnedInAnnotation is not NO."""
    if options.phi == "off":
        return ()
    burned = str(value(dataset, "BurnedInAnnotation", name) or "").strip().upper()
    capture = str(value(dataset, "SOPClassUID", name) or "").startswith(_CAPTURES)
    if burned == "NO" and not capture:
        return ()
    found = "secondary-capture" if capture else "yes" if burned == "YES" else "not-stated"
    if options.phi == "strict":
        raise bad(
            34, name, "BurnedInAnnotation (0028,0301)", found, "NO, and no secondary capture",
            "Check the picture for text, or set `phi: flag`.",
        )  # fmt: skip
    return (f"F-DCM-034 burned-in-{found}",)


def _facts(dataset: Dataset, name: str) -> dict[str, Any]:
    """Return meta from allow-listed values only: view, laterality, pixel spacing."""
    facts: dict[str, Any] = {}
    view = str(value(dataset, "ViewPosition", name) or "").strip().upper()
    if view in _VIEWS:
        facts["view"] = view
    side = str(value(dataset, "ImageLaterality", name) or "").strip().upper()
    if side in {"L", "R", "B", "U"}:
        facts["laterality"] = side
    for keyword in ("ImagerPixelSpacing", "PixelSpacing"):
        try:
            spacing = [float(step) for step in value(dataset, keyword, name) or ()]
        except (TypeError, ValueError, BadInput):
            continue
        if len(spacing) == 2 and all(math.isfinite(step) and step > 0 for step in spacing):
            facts["spacing_mm"] = tuple(spacing)
            break
    return facts
