"""Turns stored DICOM values into displayed grey: rescale, VOI LUT or window, one inversion.

Sources: PS3.3 C.11.1 (modality LUT), C.11.2 (VOI LUT, windows), C.7.6.3.1.2 (photometric
interpretation), C.7.6.16.2 (per-frame macros), C.11.6 (presentation LUT shape).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from modalities.dicom_header import LIBRARY_ERRORS, bad, number, quiet, value
from workbench.errors import BadInput

Grey = NDArray[np.float32]
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601
_SAMPLED = 1 << 20
_SATURATED = 0.995
_FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")


@dataclass(frozen=True)
class _Window:
    """A window that passed its checks: centre and width in rescaled units."""

    center: float
    width: float
    function: str


def grayscale(
    dataset: Dataset,
    frames: NDArray[Any],
    name: str,
    *,
    fallback: Literal["percentile", "full"] = "percentile",
    percentiles: tuple[float, float] = (0.5, 99.5),
) -> tuple[Grey, tuple[str, ...]]:
    """Return what a viewer would show, 0 = black and 1 = white.

    Args:
        dataset: the dataset the frames came from.
        frames: (F, H, W) stored values, or (F, H, W, 3) RGB, which becomes luma.
        name: how messages call the file.
        fallback: where there is neither VOI LUT nor a usable window, stretch between two
            percentiles of all frames together, or take the full range of the stored bits.
        percentiles: of `fallback="percentile"`.

    Returns:
        (F, H, W) float32 in 0..1, and flags.

    Raises:
        BadInput: a rescale slope of 0, or half a rescale (E-DCM-017).
    """
    if frames.ndim == 4:
        depth = float(np.iinfo(frames.dtype).max)
        return (frames @ _LUMA / depth).astype(np.float32), ("F-DCM-024 colour-to-grey",)
    padding = _padding(dataset, frames, name)
    values = _rescaled(dataset, frames, name)
    flags: list[str] = []
    shown = _voi(dataset, values, name, flags)
    if shown is None:
        span = (
            _percentiles(values, padding, percentiles)
            if fallback == "percentile"
            else _full_range(dataset, name)
        )
        flags.append(f"F-DCM-014 {fallback}-window")
        shown = _ramp(values, *span)
    shown = _inverted_once(dataset, shown, name, flags)
    if padding is not None:
        shown[padding] = 0.0
        flags.append("F-DCM-100 pixel-padding")  # 100: not a catalogue row
    return shown, tuple(flags)


def _macro(dataset: Dataset, frame: int, sequence: str, name: str) -> Dataset:
    """Return the item holding a per-frame or shared value, else the dataset itself."""
    for group in ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence"):
        items = value(dataset, group, name)
        index = frame if group.startswith("Per") else 0
        if items is not None and index < len(items):
            inner = value(items[index], sequence, name)
            if inner is not None:
                item: Dataset = inner[0]
                return item
    return dataset


def _rescaled(dataset: Dataset, frames: NDArray[Any], name: str) -> Grey:
    """Apply the modality LUT, or slope and intercept frame by frame (D17)."""
    lut = value(dataset, "ModalityLUTSequence", name)
    if lut is not None:
        try:
            return _looked_up(lut[0], frames.astype(np.float32), name)[0]
        except BadInput as cause:
            raise bad(17, name, "ModalityLUTSequence", cause.found, cause.expected) from None
    values = frames.astype(np.float32)
    for index in range(len(frames)):
        item = _macro(dataset, index, "PixelValueTransformationSequence", name)
        slope = number(item, "RescaleSlope", name)
        intercept = number(item, "RescaleIntercept", name)
        if slope == 0 or (slope is None) != (intercept is None):
            raise bad(
                17, name, "RescaleSlope, RescaleIntercept", f"{slope}, {intercept}",
                "both or neither, and a slope that is not 0",
            )  # fmt: skip
        if slope is not None and intercept is not None and (slope, intercept) != (1.0, 0.0):
            values[index] = values[index] * slope + intercept
    return values


def _voi(dataset: Dataset, values: Grey, name: str, flags: list[str]) -> Grey | None:
    """Apply the VOI LUT, else the window; None where neither can be used."""
    luts = value(dataset, "VOILUTSequence", name)
    if luts is not None:
        try:
            table, deepest = _looked_up(luts[0], values, name)
            return table / np.float32(deepest)
        except BadInput:
            flags.append("F-DCM-016 voi-lut-unusable")
    shown = np.empty_like(values)
    for index in range(len(values)):
        item = _macro(dataset, index, "FrameVOILUTSequence", name)
        window = _window(item, name, flags)
        if window is None:
            return None
        shown[index] = _windowed(values[index], window)
    flat = ((shown <= 0) | (shown >= 1)).mean()
    if flat > _SATURATED and _levels(values[0]) > 2:
        _flag(flags, "F-DCM-015 window-saturates")
        return None
    return shown


def _window(item: Dataset, name: str, flags: list[str]) -> _Window | None:
    """Return the first window of an item, None where it is absent or makes no sense (D15)."""
    if "WindowCenter" not in item and "WindowWidth" not in item:
        return None
    function = str(value(item, "VOILUTFunction", name) or "LINEAR").strip()
    try:
        center, width = number(item, "WindowCenter", name), number(item, "WindowWidth", name)
    except BadInput:
        center = width = None
    least = 1.0 if function == "LINEAR" else 1e-9
    sane = center is not None and width is not None and abs(center) < 1e9 and least <= width < 1e9
    if not sane or center is None or width is None or function not in _FUNCTIONS:
        _flag(flags, "F-DCM-015 window-unusable")
        return None
    several = value(item, "WindowCenter", name)
    if not isinstance(several, (str, float)) and len(several) > 1:
        _flag(flags, "F-DCM-015 first-of-several-windows")
    return _Window(center, width, function)


def _windowed(values: Grey, window: _Window) -> Grey:
    """Apply one window (PS3.3 C.11.2.1.2 and C.11.2.1.3)."""
    center, width = window.center, window.width
    if window.function == "SIGMOID":
        power = np.clip(-4.0 * (values.astype(np.float64) - center) / width, -500, 500)
        curve: Grey = (1.0 / (1.0 + np.exp(power))).astype(np.float32)
        return curve
    if window.function == "LINEAR_EXACT":
        return _ramp(values, center - width / 2, center + width / 2)
    if width == 1:
        step: Grey = np.where(values > center - 0.5, np.float32(1), np.float32(0))
        return step
    return _ramp(values, center - 0.5 - (width - 1) / 2, center - 0.5 + (width - 1) / 2)


def _ramp(values: Grey, low: float, high: float) -> Grey:
    """Map low..high to 0..1, clipped; a constant image becomes black."""
    scale = 1.0 / (high - low) if high > low else 0.0
    return np.asarray(np.clip((values - np.float32(low)) * np.float32(scale), 0, 1), np.float32)


def _looked_up(item: Dataset, values: Grey, name: str) -> tuple[Grey, int]:
    """Return values through a LUT, and the largest value its bits can hold (D16).

    Raises:
        BadInput: the table is empty, of the wrong length or no numbers.
    """
    field = "LUTDescriptor, LUTData"
    try:
        with quiet():
            entries, first, bits = (int(part) for part in item.LUTDescriptor)
            data = item.LUTData
            raw = (
                np.frombuffer(data, "<u2" if len(data) >= 2 * (entries or 65536) else "u1")
                if isinstance(data, bytes)
                else np.asarray(data)
            )
            table = raw.astype(np.float32)
    except LIBRARY_ERRORS:
        raise bad(16, name, field, "no usable table", "numbers") from None
    entries = entries or 65536
    sane = table.ndim == 1 and len(table) >= entries and 8 <= bits <= 16 and entries > 1
    if not sane or table[:entries].max() >= 1 << bits:
        raise bad(16, name, field, f"{table.size} entries of {bits} bits", f"{entries} entries")
    index = np.clip(values - first, 0, entries - 1).astype(np.int64)
    return table[:entries][index], (1 << bits) - 1


def _percentiles(
    values: Grey, padding: NDArray[np.bool_] | None, percentiles: tuple[float, float]
) -> tuple[float, float]:
    """Return two percentiles of the image without its padding, on at most about 2^20 values."""
    inside = values.ravel() if padding is None else values[~padding]
    step = max(1, inside.size // _SAMPLED)
    if inside.size == 0:
        return 0.0, 0.0
    low, high = np.percentile(inside[::step], percentiles)
    return float(low), float(high)


def _full_range(dataset: Dataset, name: str) -> tuple[float, float]:
    """Return the rescaled values of the smallest and largest number the stored bits can hold."""
    bits = int(number(dataset, "BitsStored", name) or 8)
    low = -(1 << (bits - 1)) if number(dataset, "PixelRepresentation", name) else 0
    slope = number(dataset, "RescaleSlope", name)
    slope, shift = (1.0 if slope is None else slope), number(dataset, "RescaleIntercept", name)
    return low * slope + (shift or 0.0), (low + (1 << bits) - 1) * slope + (shift or 0.0)


def _inverted_once(dataset: Dataset, shown: Grey, name: str, flags: list[str]) -> Grey:
    """Invert where low values are meant to be white: one of the two tags or both, once (D12)."""
    shape = str(value(dataset, "PresentationLUTShape", name) or "").strip()
    dark_is_high = str(value(dataset, "PhotometricInterpretation", name)).strip() == "MONOCHROME1"
    if not dark_is_high and shape != "INVERSE":
        return shown
    flags.append("F-DCM-012 monochrome1" if dark_is_high else "F-DCM-013 inverse-shape")
    if shape and dark_is_high != (shape == "INVERSE"):
        flags.append("F-DCM-013 shape-contradicts-photometric")
    return np.subtract(1.0, shown, dtype=np.float32)


def _padding(dataset: Dataset, frames: NDArray[Any], name: str) -> NDArray[np.bool_] | None:
    """Return where pixels are padding (PS3.3 C.7.5.1.1.2); None where there are none."""
    try:
        pad = number(dataset, "PixelPaddingValue", name)
        limit = number(dataset, "PixelPaddingRangeLimit", name)
    except BadInput:
        return None
    if pad is None:
        return None
    low, high = sorted((pad, pad if limit is None else limit))
    mask: NDArray[np.bool_] = (frames >= low) & (frames <= high)
    return mask if mask.any() and not mask.all() else None


def _levels(image: Grey) -> int:
    """Return how many different values an image has, on at most about 2^16 pixels."""
    return len(np.unique(image.ravel()[:: max(1, image.size >> 16)]))


def _flag(flags: list[str], flag: str) -> None:
    """Note a flag once, however many frames have it."""
    if flag not in flags:
        flags.append(flag)
