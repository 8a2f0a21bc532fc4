"""Finds the twelve leads by name, in one order, and derives the limb leads that follow from others."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
_MERL = ("I", "II", "III", "aVR", "aVF", "aVL", "V1", "V2", "V3", "V4", "V5", "V6")
ORDERS: Mapping[str, tuple[str, ...]] = {"standard": LEADS, "avf_before_avl": _MERL}

# "MLII" is the modified lead II of Holter recorders, the nearest thing to II that they have
_ALIASES = {lead.upper(): lead for lead in LEADS} | {"MLII": "II", "ML2": "II"}
_ALIASES |= {"D1": "I", "DI": "I", "D2": "II", "DII": "II", "D3": "III", "DIII": "III"}
_ALIASES |= {f"C{n}": f"V{n}" for n in range(1, 7)}
_CODES = {  # MDC (ISO/IEEE 11073-10102) and SCP-ECG lead numbers
    1: "I", 2: "II", 3: "V1", 4: "V2", 5: "V3", 6: "V4", 7: "V5", 8: "V6",
    61: "III", 62: "aVR", 63: "aVL", 64: "aVF",
}  # fmt: skip
_SCP = re.compile(r"^5\.6\.3-9-(\d+)$")
_DECORATION = re.compile(r"^(MDC_ECG_LEAD_|MDC_ECG_ELEC_POTL_|LEAD[ _-]*|ECG[ _-]+|EKG[ _-]+)+")


def lead_named(name: str) -> str | None:
    """Return which of the twelve leads a name means, or None for another channel.

    >>> lead_named("MDC_ECG_LEAD_AVR"), lead_named("Lead I (Einthoven)"), lead_named("vx")
    ('aVR', 'I', None)
    """
    code = _SCP.match(name.strip())
    if code:
        return _CODES.get(int(code.group(1)))
    plain = name.strip().upper().split("(")[0].strip()
    plain = _DECORATION.sub("", plain).removesuffix("-REF").strip()
    return _ALIASES.get(plain.replace("-", "").replace(" ", "").replace("_", ""))


def is_modified(name: str) -> bool:
    """Return whether a name is that of a modified (Holter) lead standing in for a standard one."""
    return name.strip().upper().startswith("ML")


def derive_limb_leads(
    values: NDArray[np.float32], present: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.bool_], tuple[str, ...]]:
    """Fill in limb leads that follow from two measured ones (Einthoven, Goldberger).

    Args:
        values: (12, L) mV in the order of `LEADS`, NaN where nothing was measured.
        present: (12,) whether a lead was recorded.

    Returns:
        Values, presence, and the names of the leads that were derived.
    """
    if present[:6].all() or present[:6].sum() < 2:
        return values, present, ()
    values, present = values.copy(), present.copy()
    one, two = _solve(values, present)
    if one is None or two is None:
        return values, present, ()
    full = [one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2]
    derived = []
    for row, signal in enumerate(full):
        if not present[row]:
            values[row], present[row] = signal, True
            derived.append(LEADS[row])
    return values, present, tuple(derived)


# each limb lead as (a, b) in a*I + b*II
_AS_I_AND_II = np.array([[1, 0], [0, 1], [-1, 1], [-0.5, -0.5], [1, -0.5], [-0.5, 1]])


def _solve(
    values: NDArray[np.float32], present: NDArray[np.bool_]
) -> tuple[NDArray[np.float32] | None, NDArray[np.float32] | None]:
    """Return I and II from the first two limb leads that were recorded."""
    rows = np.flatnonzero(present[:6])[:2]
    inverse = np.linalg.inv(_AS_I_AND_II[rows]).astype(np.float32)
    pair = inverse @ values[rows]
    return pair[0], pair[1]
