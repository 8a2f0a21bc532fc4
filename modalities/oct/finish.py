"""Turns the stored B-scans of any format into a sample that obeys the modality's spec."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modalities.oct.options import OctOptions
from modalities.oct.resample import resize
from modalities.oct.volume import Spacing, Volume
from workbench.errors import BadInput
from workbench.modality import Sample

SENTINEL = 1e30
_EYE = re.compile(r"(?<![A-Za-z0-9])(OD|OS|right|left)(?![A-Za-z0-9])", re.IGNORECASE)


def finish(volume: Volume, name: str, options: OctOptions) -> Sample:
    """Return the sample: range 0..1, `options.shape`, spacing and laterality in `meta`.

    Raises:
        BadInput: values outside any range that could be meant, intensity of the wrong kind, or no
            spacing where it is required.
    """
    values, valid, flags = unit_range(volume, name, options)
    flags += volume.flags + _spacing_flags(volume, name, options) + _eye_flags(volume, name)
    flags += _look_flags(values, volume, options)
    meta: dict[str, Any] = {
        **volume.meta,
        "source_shape": tuple(int(n) for n in values.shape),
        "source_frames": int(values.shape[0]),
        "source_dtype": str(volume.frames.dtype),
        "laterality": volume.laterality,
        "spacing_mm": _new_spacing(volume, options),
        "mirrored": False,
    }
    if valid is not None:
        meta["invalid_share"] = float(1.0 - valid.mean())
    data, mask = fit(values, valid, options)
    sample = Sample(
        data[None], None if mask is None else mask[None], meta, tuple(sorted(set(flags)))
    )
    return to_right_eye(sample, name) if options.laterality == "right" else sample


def unit_range(
    volume: Volume, name: str, options: OctOptions
) -> tuple[NDArray[Any], NDArray[np.bool_] | None, tuple[str, ...]]:
    """Return values in 0..1 (uint8 stays uint8, divided after resampling), what is real, and flags."""
    frames, valid = volume.frames, volume.valid
    flags: tuple[str, ...] = ()
    if options.intensity == "linear" and volume.kind == "display":
        raise BadInput(
            "E-OCT-012", file=name, field="intensity", found="display (gamma applied)",
            expected="linear reflectivity", fix="Set intensity: display, or give raw .vol files.",
        )  # fmt: skip
    if frames.dtype.kind == "f":
        measured = np.isfinite(frames) & (np.abs(frames) < SENTINEL)
        if not measured.all():
            valid = measured if valid is None else valid & measured
            frames = np.where(measured, frames, 0.0)
            flags = ("F-OCT-011 invalid-masked",)
    white = volume.white or _white(frames, name)
    if frames.dtype != np.uint8 or white != 255:
        frames = frames.astype(np.float32) / np.float32(white)
        _refuse_range(frames, name)
        frames = np.clip(frames, 0.0, 1.0)
    if volume.kind == "linear" and options.intensity == "display":
        frames = np.sqrt(np.sqrt(frames.astype(np.float32)))
    return frames, valid, flags


def fit(
    values: NDArray[Any], valid: NDArray[np.bool_] | None, options: OctOptions
) -> tuple[NDArray[np.float32], NDArray[np.bool_] | None]:
    """Bring (D, H, W) to `options.shape`; a lone B-scan is repeated, only its first copy valid."""
    count, height, width = options.shape
    have = values.shape[0]
    take = np.arange(count)
    if have == 1 or (options.frame_fit == "crop" and have < count):
        middle, depth = slice(None), have
    elif options.frame_fit == "crop":
        start = (have - count) // 2
        middle, depth = slice(start, start + count), count
    else:
        middle, depth = slice(None), count
    data = resize(values[middle], (depth, height, width))
    if values.dtype == np.uint8:
        data /= np.float32(255.0)
    data = np.clip(data, 0.0, 1.0)[np.minimum(take, depth - 1)]
    mask = None if depth == count else (take < depth)[:, None, None]
    if valid is not None:
        share = resize(valid[middle].astype(np.uint8), (depth, height, width)) >= 0.5
        share = share[np.minimum(take, depth - 1)]
        mask = share if mask is None else share & mask
    return data, mask


def to_right_eye(sample: Sample, name: str) -> Sample:
    """Mirror a left eye along the fast axis, once.

    Raises:
        BadInput: the sample was mirrored before, or its laterality is not known.
    """
    eye = sample.meta.get("laterality")
    if sample.meta.get("mirrored") or eye not in ("L", "R"):
        raise BadInput(
            "E-OCT-009", file=name, field="laterality",
            found="a volume mirrored before" if sample.meta.get("mirrored") else "none",
            expected="L or R, as recorded by the device", fix="Set laterality: as_is.",
        )  # fmt: skip
    if eye == "R":
        return sample
    valid = sample.valid
    if valid is not None and valid.shape[-1] > 1:
        valid = np.ascontiguousarray(valid[..., ::-1])
    data = np.ascontiguousarray(sample.data[..., ::-1])
    return Sample(data, valid, {**sample.meta, "mirrored": True}, sample.flags)


def _white(frames: NDArray[Any], name: str) -> float:
    """Return the stored value of white that the type of the numbers implies."""
    if frames.dtype == np.uint8:
        return 255.0
    if frames.dtype == np.uint16:
        return 65535.0
    if frames.dtype.kind == "f":
        return 1.0
    raise BadInput(
        "E-OCT-014", file=name, field="dtype", found=str(frames.dtype),
        expected="uint8, uint16 or float in 0..1", fix="Convert the array and say its range.",
    )  # fmt: skip


def _refuse_range(frames: NDArray[np.float32], name: str) -> None:
    """Refuse what lies outside 0..1 by more than rounding."""
    low, high = float(frames.min()), float(frames.max())
    if low < -1e-3 or high > 1.001:
        raise BadInput(
            "E-OCT-014", file=name, field="values", found=f"{low:.4g} to {high:.4g}",
            expected="0 to 1 after division by white", fix="Store uint8, uint16 or float in 0..1.",
        )  # fmt: skip


def _new_spacing(volume: Volume, options: OctOptions) -> Spacing | None:
    """Return the distance in mm between neighbours after resampling."""
    if volume.spacing_mm is None:
        return None
    count, height, width = volume.frames.shape
    step, deep, wide = volume.spacing_mm
    if step is not None and options.frame_fit == "resample":
        step = step * count / options.shape[0]
    return step, deep * height / options.shape[1], wide * width / options.shape[2]


def _spacing_flags(volume: Volume, name: str, options: OctOptions) -> tuple[str, ...]:
    if volume.spacing_mm is not None:
        return ()
    if options.spacing == "required":
        raise BadInput(
            "E-OCT-005", file=name, field="spacing", found="none",
            expected="millimetres per B-scan, depth pixel and width pixel",
        )  # fmt: skip
    return ("F-OCT-005 no-spacing",)


def _eye_flags(volume: Volume, name: str) -> tuple[str, ...]:
    """Flag a missing laterality, or one that the file name contradicts."""
    if volume.laterality is None:
        return ("F-OCT-008 laterality-missing",)
    words = {word.upper() for word in _EYE.findall(re.sub(r"[_\-.]", " ", name))}
    other = {"R": {"OS", "LEFT"}, "L": {"OD", "RIGHT"}}[volume.laterality]
    own = {"R": {"OD", "RIGHT"}, "L": {"OS", "LEFT"}}[volume.laterality]
    return ("F-OCT-008 laterality-conflict",) if words & other and not words & own else ()


def _look_flags(frames: NDArray[Any], volume: Volume, options: OctOptions) -> tuple[str, ...]:
    """Flag black or saturated B-scans and a device quality below the limit."""
    white = 255 if frames.dtype == np.uint8 else 1.0
    top = frames.reshape(len(frames), -1).max(axis=1)
    black = top < 0.02 * white
    full = (frames > 0.98 * white).reshape(len(frames), -1).mean(axis=1) > 0.5
    flags: tuple[str, ...] = ("F-OCT-013 black-bscan",) if black.any() else ()
    flags += ("F-OCT-013 saturated-bscan",) if full.any() else ()
    quality = volume.meta.get("quality_db")
    if quality is not None and quality < options.min_quality_db:
        flags += ("F-OCT-013 low-quality",)
    return flags
