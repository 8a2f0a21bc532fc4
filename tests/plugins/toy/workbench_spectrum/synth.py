"""Fakes reflectance spectra of leaves and soils, one file per call, that show a named finding.

What is planted: a slope and noise everywhere; each finding is one absorption band of its own place.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from workbench.files import atomic_write
from workbench.modality import Finding
from workbench_spectrum.read import HEADER

ROWS = 160
BANDS_NM = {"carotenoid": 480.0, "chlorophyll": 675.0, "iron oxide": 870.0, "water": 970.0}
FINDINGS = tuple(
    Finding(
        name,
        (f"The spectrum shows {name}.", f"Absorption by {name} is seen.", f"A band of {name}."),
        (f"There is no band of {name}.",),
    )
    for name in BANDS_NM
)


def write(finding: str, rng: np.random.Generator, folder: Path) -> str:
    """Write one CSV file and return its name.

    Raises:
        KeyError: there is no such finding.
    """
    band = BANDS_NM[finding] + rng.uniform(-5, 5)
    wavelength = np.linspace(400.0, 1000.0, ROWS)
    reflectance = 0.5 + rng.uniform(-2e-4, 2e-4) * (wavelength - 700.0)
    reflectance -= rng.uniform(0.3, 0.4) * np.exp(-(((wavelength - band) / 25.0) ** 2))
    reflectance += 0.01 * rng.standard_normal(ROWS)
    rows = zip(wavelength, reflectance, strict=True)
    lines = [HEADER, *(f"{w:.3f},{r:.5f}" for w, r in rows)]
    name = f"spectrum-{int(rng.integers(1 << 62)):016x}.csv"
    atomic_write(folder / name, ("\n".join(lines) + "\n").encode())
    return name
