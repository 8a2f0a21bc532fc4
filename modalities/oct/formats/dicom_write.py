"""Writes a volume as a DICOM Ophthalmic Tomography Image (PS3.3 A.52), for fakes and tests."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

OPHTHALMIC_TOMOGRAPHY = "1.2.840.10008.5.1.4.1.1.77.1.5.4"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"


def write_dicom(
    path: Path,
    frames: NDArray[Any],
    spacing_mm: tuple[float, float, float],
    *,
    laterality: str | None,
    rng: np.random.Generator,
) -> None:
    """Write uint8 or uint16 B-scans (D, H, W); the same generator gives the same bytes.

    Args:
        path: file to write.
        frames: stored values.
        spacing_mm: between B-scans, depth, width.
        laterality: "R", "L", or None to leave it out.
        rng: source of the identifiers.
    """
    from pydicom import dcmwrite

    dataset = build(frames, spacing_mm, laterality=laterality, rng=rng)
    dcmwrite(path, dataset, enforce_file_format=True)


def build(
    frames: NDArray[Any],
    spacing_mm: tuple[float, float, float],
    *,
    laterality: str | None,
    rng: np.random.Generator,
) -> Dataset:
    """Return the data set that `write_dicom` writes."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import UID

    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = UID(EXPLICIT_LITTLE)
    dataset.SOPClassUID = OPHTHALMIC_TOMOGRAPHY
    dataset.SOPInstanceUID, dataset.StudyInstanceUID = _uid(rng), _uid(rng)
    dataset.SeriesInstanceUID, dataset.FrameOfReferenceUID = _uid(rng), _uid(rng)
    dataset.Modality, dataset.ImageType = "OPT", ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    dataset.PatientID, dataset.PatientName = "synthetic", "Synthetic^Volume"
    dataset.BurnedInAnnotation = "NO"
    if laterality is not None:
        dataset.ImageLaterality = laterality
    _put_pixels(dataset, frames)
    dataset.SharedFunctionalGroupsSequence = [
        _shared(spacing_mm, laterality, 1 << 8 * frames.dtype.itemsize)
    ]
    dataset.PerFrameFunctionalGroupsSequence = [
        _frame(index, spacing_mm[0]) for index in range(len(frames))
    ]
    return dataset


def _put_pixels(dataset: Dataset, frames: NDArray[Any]) -> None:
    """Add the pixel module (PS3.3 C.7.6.3)."""
    bits = 8 * frames.dtype.itemsize
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = (int(n) for n in frames.shape)
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = bits
    dataset.HighBit, dataset.PixelRepresentation = bits - 1, 0
    data = np.ascontiguousarray(frames).tobytes()
    dataset.PixelData = data + b"\0" * (len(data) % 2)
    dataset["PixelData"].VR = "OB" if bits == 8 else "OW"


def _shared(spacing_mm: tuple[float, float, float], laterality: str | None, white: int) -> Dataset:
    """Return the functional groups that hold for every frame: pixel size, window, eye."""
    measures = _dataset(
        SliceThickness=round(spacing_mm[0], 6), PixelSpacing=[round(v, 6) for v in spacing_mm[1:]]
    )
    plane = _dataset(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])
    groups = _dataset(
        PixelMeasuresSequence=[measures],
        PlaneOrientationSequence=[plane],
        FrameVOILUTSequence=[_dataset(WindowCenter=white / 2, WindowWidth=white)],
    )
    if laterality is not None:
        groups.FrameAnatomySequence = [_dataset(FrameLaterality=laterality)]
    return groups


def _frame(index: int, step_mm: float) -> Dataset:
    """Return the functional groups of one frame: where it lies in the stack."""
    content = _dataset(StackID="1", InStackPositionNumber=index + 1)
    place = _dataset(ImagePositionPatient=[0, 0, round(index * step_mm, 6)])
    return _dataset(FrameContentSequence=[content], PlanePositionSequence=[place])


def _dataset(**elements: Any) -> Dataset:
    """Return a data set with the elements given by keyword."""
    from pydicom.dataset import Dataset

    dataset = Dataset()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return dataset


def _uid(rng: np.random.Generator) -> str:
    """Return an identifier under the UUID root (PS3.5 B.2), drawn from the generator."""
    return f"2.25.{int(rng.integers(1 << 62)) << 62 | int(rng.integers(1 << 62))}"
