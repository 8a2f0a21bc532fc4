"""Reads OCT volumes from multi-frame DICOM (Ophthalmic Tomography Image, PS3.3 A.52)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from modalities.oct.options import OctOptions
from modalities.oct.volume import Volume, usable_spacing
from workbench.errors import BadInput

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

TOMOGRAPHY = "1.2.840.10008.5.1.4.1.1.77.1.5.4"
# secondary captures that archives write when they convert volumes
CAPTURES = frozenset(f"1.2.840.10008.5.1.4.1.1.7{end}" for end in ("", ".2", ".3", ".4"))


def read_dicom(path: Path, name: str, options: OctOptions) -> Volume:
    """Return the frames as displayed grey 0..1, in stack order.

    Raises:
        BadInput: not an OCT image, or whatever `modalities.dicom` refuses.
    """
    from modalities.dicom import frames, grayscale, open_dicom
    from modalities.dicom_header import LIBRARY_ERRORS, quiet

    dataset = open_dicom(path, name)
    try:
        with quiet():
            flags = _refuse_other_images(dataset, name)
            _refuse_many_frames(dataset, name, options)
            stored, decoding = frames(dataset, name, limit_bytes=options.limit_mb << 20)
            grey, display = grayscale(dataset, stored, name, fallback="full")
            return _volume(dataset, grey, name, flags=(*flags, *decoding, *display))
    except LIBRARY_ERRORS as cause:
        raise BadInput(
            "E-DCM-030", file=name, field="data set", found=f"{type(cause).__name__} in a value",
            expected="legal values in the functional groups",
        ) from None  # fmt: skip


def _volume(
    dataset: Dataset, grey: NDArray[np.float32], name: str, *, flags: tuple[str, ...]
) -> Volume:
    """Put the frames in stack order and add what the functional groups say of them."""
    groups = [_Groups(dataset, index) for index in range(len(grey))]
    order, ordering = stack_order(groups, name)
    spacing = _spacing(dataset, [groups[i] for i in order])
    return Volume(
        grey[order] if ordering else grey,
        spacing_mm=usable_spacing(spacing, lone=len(grey) == 1),
        laterality=_laterality(dataset, groups[0]),
        meta={"source_format": "dicom", "source_bits": int(dataset.get("BitsStored") or 0)},
        flags=(*flags, *ordering),
    )


class _Groups:
    """The functional groups of one frame: its own, then the shared ones (PS3.3 C.7.6.16)."""

    def __init__(self, dataset: Dataset, index: int) -> None:
        own = dataset.get("PerFrameFunctionalGroupsSequence") or []
        shared = dataset.get("SharedFunctionalGroupsSequence") or []
        self._parts = [*([own[index]] if index < len(own) else []), *shared[:1]]

    def find(self, macro: str, keyword: str) -> Any:
        """Return an attribute of a macro, or None."""
        for part in self._parts:
            items = part.get(macro)
            if items and items[0].get(keyword) is not None:
                return items[0].get(keyword)
        return None


def stack_order(groups: list[_Groups], name: str) -> tuple[NDArray[np.intp], tuple[str, ...]]:
    """Return the order of the frames along the slow axis, and a flag when it is not file order.

    Raises:
        BadInput: two frames claim one place (E-OCT-010).
    """
    places = [group.find("FrameContentSequence", "InStackPositionNumber") for group in groups]
    if None in places:
        corners = _corners(groups)
        if corners is None:
            return np.arange(len(groups)), ()
        travel = corners[np.argmax(np.linalg.norm(corners - corners[0], axis=1))] - corners[0]
        places = list(np.round((corners - corners[0]) @ travel, 6))
    if len(set(places)) < len(places):
        raise BadInput(
            "E-OCT-010", file=name, field="frame positions",
            found=f"{len(places)} frames at {len(set(places))} places",
            expected="one place per B-scan",
        )  # fmt: skip
    order = np.argsort(np.asarray(places, dtype=np.float64), kind="stable")
    moved = bool((np.diff(order) < 0).any())
    return order, (("F-OCT-010 reordered",) if moved else ())


def _corners(groups: list[_Groups]) -> NDArray[np.float64] | None:
    """Return where each frame begins, (F, 3) mm, or None where a frame does not say."""
    found = [group.find("PlanePositionSequence", "ImagePositionPatient") for group in groups]
    if any(corner is None or len(corner) != 3 for corner in found) or len(found) < 2:
        return None
    return np.asarray(found, dtype=np.float64)


def _spacing(dataset: Dataset, groups: list[_Groups]) -> tuple[Any, Any, Any]:
    """Return (between B-scans, depth, width) as the file has them, None where it does not."""
    measures = "PixelMeasuresSequence"
    pixel = groups[0].find(measures, "PixelSpacing") or dataset.get("PixelSpacing") or (None, None)
    corners = _corners(groups)
    if corners is not None:
        step: Any = float(np.median(np.linalg.norm(np.diff(corners, axis=0), axis=1)))
    else:
        step = groups[0].find(measures, "SpacingBetweenSlices") or dataset.get(
            "SpacingBetweenSlices"
        )
    return step, pixel[0], pixel[1]


def _laterality(dataset: Dataset, group: _Groups) -> str | None:
    """Return "R" or "L" where the file says one of the two."""
    for found in (
        group.find("FrameAnatomySequence", "FrameLaterality"),
        dataset.get("ImageLaterality"),
        dataset.get("Laterality"),
    ):
        if found in ("R", "L"):
            return str(found)
    return None


def _refuse_other_images(dataset: Dataset, name: str) -> tuple[str, ...]:
    """Refuse what is no OCT; a secondary capture may be one, and is flagged."""
    sop_class = dataset.get("SOPClassUID", "")
    if sop_class == TOMOGRAPHY:
        return ()
    if sop_class in CAPTURES:
        return ("F-DCM-037 secondary-capture",)
    known = getattr(sop_class, "name", "") or "none"
    raise BadInput(
        "E-DCM-011", file=name, field="SOPClassUID (0008,0016)", found=f"{sop_class} ({known})",
        expected="Ophthalmic Tomography Image Storage or a multi-frame secondary capture",
    )  # fmt: skip


def _refuse_many_frames(dataset: Dataset, name: str, options: OctOptions) -> None:
    """Refuse more B-scans than the limit before any is decoded."""
    from modalities.dicom_header import number

    count = number(dataset, "NumberOfFrames", name) or 1
    if count > options.max_frames:
        raise BadInput(
            "E-OCT-003", file=name, field="NumberOfFrames (0028,0008)", found=int(count),
            expected=f"at most {options.max_frames} (limit max_frames)",
        )  # fmt: skip
