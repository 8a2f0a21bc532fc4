"""The decoded picture that every format hands on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.float32]


@dataclass(frozen=True)
class Picture:
    """One X-ray as a viewer shows it, before resizing.

    Attributes:
        grey: (H, W) float32, 0 = black, 1 = white, row 0 = top.
        meta: facts about the file, unit in the key; nothing that names a person.
        flags: what was repaired, assumed or suspicious.
    """

    grey: Grey
    meta: Mapping[str, Any] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
