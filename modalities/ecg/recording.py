"""What every format reader hands on: named channels in millivolts, each with its own rate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from workbench.errors import BadInput

RATE_LOW_HZ, RATE_HIGH_HZ = 10.0, 50_000.0
_TO_MV = {"mv": 1.0, "uv": 1e-3, "µv": 1e-3, "μv": 1e-3, "v": 1e3, "nv": 1e-6}
_TO_MV |= {"millivolt": 1.0, "microvolt": 1e-3, "volt": 1e3, "millivolts": 1.0, "microvolts": 1e-3}


@dataclass(frozen=True)
class Channel:
    """One stored signal.

    Attributes:
        name: as the file spells it.
        values_mv: (T,) millivolts, NaN where the file says nothing was measured.
        rate_hz: samples per second.
        digital_range: stored values at which the converter saturates, in mV; None if unknown.
    """

    name: str
    values_mv: NDArray[Any]
    rate_hz: float
    digital_range: tuple[float, float] | None = None


@dataclass(frozen=True)
class Recording:
    """The channels of a file and what had to be assumed to read them.

    Attributes:
        kind: format, such as "WFDB".
        channels: stored signals, in stored order.
        flags: what was assumed, repaired or found wrong.
    """

    kind: str
    channels: tuple[Channel, ...]
    flags: tuple[str, ...] = ()


def millivolts_per(unit: str, *, name: str, field: str) -> float:
    """Return the factor that brings a unit to millivolts.

    Raises:
        BadInput: the unit is no voltage (E-ECG-010).
    """
    factor = _TO_MV.get(unit.strip().lower())
    if factor is None:
        raise BadInput(
            "E-ECG-010", file=name, field=field, found=f"unit {unit.strip()[:12]!r}",
            expected="mV, uV, nV or V",
        )  # fmt: skip
    return factor


def is_voltage(unit: str) -> bool:
    """Return whether a unit is a voltage that this workbench knows."""
    return unit.strip().lower() in _TO_MV


def checked_rate(rate: object, *, name: str, field: str = "sampling rate") -> float:
    """Return a rate in Hz as a float.

    Raises:
        BadInput: it is no number or none that an ECG is recorded at (E-ECG-012).
    """
    try:
        value = float(str(rate))
    except ValueError:
        value = math.nan
    if not RATE_LOW_HZ <= value <= RATE_HIGH_HZ:
        raise BadInput(
            "E-ECG-012", file=name, field=field, found=f"{str(rate)[:20]}",
            expected=f"{RATE_LOW_HZ:g} to {RATE_HIGH_HZ:g} Hz",
        )  # fmt: skip
    return value


def check_size(samples: int, leads: int, *, limit: int, name: str) -> None:
    """Refuse a recording larger than the limit, before anything is allocated.

    Raises:
        BadInput: samples x leads is above the limit, or no samples (E-ECG-007).
    """
    if samples * leads > limit:
        raise BadInput(
            "E-ECG-007", file=name, field="samples x leads", found=f"{samples} x {leads}",
            expected=f"at most {limit} (limit max_samples)",
            fix="Raise options.max_samples if the recording is genuine.",
        )  # fmt: skip
    if samples <= 0 or leads <= 0:
        raise BadInput(
            "E-ECG-007", file=name, field="samples x leads", found=f"{samples} x {leads}",
            expected="at least one of each",
        )  # fmt: skip
