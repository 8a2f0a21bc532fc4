"""Fakes chest radiographs that show a named finding, as 16-bit DICOM DX files.

What is planted, in a frame where the chest spans -1..1 both ways (x to the picture's right, which
is the patient's left; y down):

- normal chest: two lungs, heart of cardiothoracic ratio 0.38-0.47, domes of the diaphragm.
- cardiomegaly: the same with a heart of ratio 0.56-0.68.
- pleural effusion: fluid in one lung's base, its upper border a meniscus that climbs the wall.
- pneumothorax: one lung shrunk towards its hilum and denser; air without vessels round it, a thin
  white line between.

Side, place and extent vary, as do what carries no meaning: position, size and turn of the patient,
breath (height of the domes), ribs, vessels, exposure, gamma, noise, MONOCHROME1, rescale, window.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID, DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

Field = NDArray[np.float64]


class _Chest:
    """One patient: anatomy drawn from the rng, painted field by field."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.rows, self.columns = int(rng.integers(112, 145)), int(rng.integers(112, 145))
        self.x, self.y = _coordinates(rng, self.rows, self.columns)
        self.dome = rng.uniform(0.42, 0.68, 2)
        self.lungs = [self._lung(0), self._lung(1)]
        self.vessels = _texture(rng, self.x.shape)

    def _lung(self, side: int) -> Field:
        """Return how much of a pixel is lung: 0 is the picture's left."""
        sign = 2 * side - 1
        ellipse = ((self.x - sign * 0.40) / 0.33) ** 2 + ((self.y + 0.10) / 0.78) ** 2
        floor = self.dome[side] + 0.55 * (self.x - sign * 0.36) ** 2 / 0.33
        return _soft(1 - ellipse, 0.10) * _soft(floor - self.y, 0.03)

    def paint(self, heart: float) -> Field:
        """Return attenuation of a chest whose heart has a cardiothoracic ratio."""
        x, y, lungs = self.x, self.y, self.lungs[0] + self.lungs[1]
        body = _soft(1 - (np.abs(x) / 0.95) ** 4 - (np.abs(y) / 1.6) ** 6, 0.15)
        picture = 0.08 + 0.55 * body
        ribs = np.sin(2 * np.pi * (3.2 * y + 0.9 * x**2 + self.rng.uniform()))
        spine = np.exp(-((x / 0.10) ** 2))
        picture += body * (0.05 * np.clip(ribs, 0.3, 1) + 0.16 * spine)
        picture -= lungs * (0.36 - 0.09 * self.vessels)
        half = heart * 0.73
        middle = 0.10 + 0.25 * (half - 0.3) + self.rng.uniform(-0.03, 0.03)
        ellipse = ((x - middle) / half) ** 2 + (
            (y - self.dome.mean() + 0.30) / (0.22 + 0.45 * half)
        ) ** 2
        return np.maximum(picture, 0.70 * _soft(1 - ellipse, 0.15) + picture * 0.28)


def draw(finding: str, rng: np.random.Generator) -> Field:
    """Return a picture in 0..1 of a finding, bright where X-rays are absorbed.

    Raises:
        KeyError: there is no such finding.
    """
    plant = _PLANTS[finding]
    chest = _Chest(rng)
    enlarged = finding == "cardiomegaly"
    picture = chest.paint(rng.uniform(0.56, 0.68) if enlarged else rng.uniform(0.38, 0.47))
    picture = plant(chest, picture, rng)
    picture = np.clip(picture, 0, 1) ** rng.uniform(0.8, 1.25)
    shade = 1 + rng.uniform(-0.15, 0.15) * chest.x + rng.uniform(-0.15, 0.15) * chest.y
    picture = picture * shade * rng.uniform(0.65, 1.0) + rng.uniform(0.0, 0.2)
    return np.clip(picture + rng.normal(0, rng.uniform(0.01, 0.03), picture.shape), 0, 1)


def write(finding: str, rng: np.random.Generator, folder: Path) -> str:
    """Write one DX file of a finding and return its name."""
    picture = draw(finding, rng)
    bits = int(rng.choice([10, 12, 14, 16]))
    inverse = bool(rng.random() < 0.35)
    slope, intercept = float(rng.choice([0.5, 1.0, 2.0])), float(rng.choice([-1024, 0, 100]))
    low, high = rng.uniform(0.02, 0.12), rng.uniform(0.85, 0.98)
    scale = (1 << bits) - 1
    stored = np.rint((low + (high - low) * (1 - picture if inverse else picture)) * scale)
    dataset = _header(rng, *picture.shape)
    dataset.BitsStored, dataset.HighBit = bits, bits - 1
    dataset.PhotometricInterpretation = "MONOCHROME1" if inverse else "MONOCHROME2"
    dataset.PresentationLUTShape = "INVERSE" if inverse else "IDENTITY"
    dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType = slope, intercept, "US"
    width = (high - low) * scale * slope * rng.uniform(0.95, 1.2)
    middle = (low + high) / 2 * scale * slope + intercept
    dataset.WindowCenter, dataset.WindowWidth = f"{middle:.6g}", f"{width:.6g}"
    dataset.PixelData = stored.astype("<u2").tobytes()
    name = f"xray-{rng.integers(1 << 62):016x}.dcm"
    dataset.save_as(folder / name, enforce_file_format=True)
    return name


def _nothing(chest: _Chest, picture: Field, rng: np.random.Generator) -> Field:
    """Leave the chest as it is."""
    del chest, rng
    return picture


def _effusion(chest: _Chest, picture: Field, rng: np.random.Generator) -> Field:
    """Fill one lung's base with fluid up to a meniscus."""
    side = int(rng.integers(2))
    sign = 2 * side - 1
    level = chest.dome[side] - rng.uniform(0.15, 0.60)
    outward = np.clip((sign * chest.x - 0.30) / 0.40, 0, 1)
    inward = np.clip((0.36 - sign * chest.x) / 0.36, 0, 1)
    surface = level - 0.30 * outward**2 - 0.06 * inward**2
    fluid = chest.lungs[side] * _soft(chest.y - surface, 0.04)
    return picture + fluid * rng.uniform(0.26, 0.34)


def _pneumothorax(chest: _Chest, picture: Field, rng: np.random.Generator) -> Field:
    """Shrink one lung towards its hilum and leave air round it."""
    side = int(rng.integers(2))
    sign = 2 * side - 1
    size = rng.uniform(0.38, 0.62)
    x, y = (chest.x - sign * 0.14) / size, (chest.y - 0.10) / size
    ellipse = ((x - sign * 0.26) / 0.33) ** 2 + ((y + 0.20) / 0.78) ** 2
    inside = _soft(1 - ellipse, 0.06)
    lung = chest.lungs[side]
    air, line = lung * (1 - inside), lung * np.exp(-(((ellipse - 1) / 0.07) ** 2))
    emptied = picture - air * (0.09 * chest.vessels + rng.uniform(0.13, 0.20))
    return emptied + lung * inside * 0.18 + line * rng.uniform(0.18, 0.26)


_PLANTS = {
    "normal chest": _nothing,
    "pleural effusion": _effusion,
    "pneumothorax": _pneumothorax,
    "cardiomegaly": _nothing,
}


def _coordinates(rng: np.random.Generator, rows: int, columns: int) -> tuple[Field, Field]:
    """Return chest coordinates of every pixel of a patient who does not stand still."""
    y, x = np.meshgrid(np.linspace(-1, 1, rows), np.linspace(-1, 1, columns), indexing="ij")
    x, y = x + rng.uniform(-0.14, 0.14), y + rng.uniform(-0.14, 0.14)
    turn = np.deg2rad(rng.uniform(-6, 6))
    x, y = x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)
    return x * rng.uniform(0.95, 1.25), y * rng.uniform(0.95, 1.25)


def _texture(rng: np.random.Generator, shape: tuple[int, ...]) -> Field:
    """Return a net of vessel-like ridges in 0..1."""
    rough = rng.normal(size=(shape[0] // 4 + 3, shape[1] // 4 + 3))
    rows = np.linspace(0, rough.shape[0] - 1.001, shape[0])
    columns = np.linspace(0, rough.shape[1] - 1.001, shape[1])
    r, c = rows.astype(int), columns.astype(int)
    fr, fc = (rows - r)[:, None], (columns - c)[None, :]
    top = rough[r][:, c] * (1 - fc) + rough[r][:, c + 1] * fc
    bottom = rough[r + 1][:, c] * (1 - fc) + rough[r + 1][:, c + 1] * fc
    ridges: Field = np.exp(-(((top * (1 - fr) + bottom * fr) / 0.35) ** 2))
    return ridges


def _soft(distance: Field, width: float) -> Field:
    """Return 0 outside and 1 inside, with an edge of some width."""
    return np.clip(0.5 + distance / (2 * width), 0, 1)


def _header(rng: np.random.Generator, rows: int, columns: int) -> FileDataset:
    """Return a DX header of nobody; UIDs come from the rng, so that the bytes repeat."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = _uid(rng)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID("2.25.1")
    dataset = FileDataset("", Dataset(), file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID = meta.MediaStorageSOPClassUID
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = _uid(rng), _uid(rng)
    dataset.Modality, dataset.BodyPartExamined, dataset.ViewPosition = "DX", "CHEST", "PA"
    dataset.PresentationIntentType, dataset.BurnedInAnnotation = "FOR PRESENTATION", "NO"
    dataset.PatientName, dataset.PatientID, dataset.ImageLaterality = "Synthetic", "synthetic", "U"
    dataset.Rows, dataset.Columns = rows, columns
    dataset.SamplesPerPixel, dataset.BitsAllocated, dataset.PixelRepresentation = 1, 16, 0
    dataset.ImagerPixelSpacing = [f"{400 / rows:.4f}", f"{400 / columns:.4f}"]
    return dataset


def _uid(rng: np.random.Generator) -> UID:
    """Return a UID under the 2.25 root, from the rng."""
    return UID(f"2.25.{int.from_bytes(rng.bytes(15), 'big')}")
