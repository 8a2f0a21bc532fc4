"""Fakes macular OCT volumes that show a named finding, as multi-frame DICOM files.

What is planted where, in a volume of 12 B-scans x 64 x 64 pixels:

* every class: inner limiting membrane, five retinal bands and a bright pigment epithelium (RPE) over
  a fading choroid; a foveal pit; depth shift, tilt along both axes, curvature, retinal thickness,
  vessel shadows, gain, contrast, speckle and detector noise vary from file to file;
* normal macula: nothing else;
* drusen: 14-22 bumps that lift the RPE by 5-9 pixels and are filled with medium reflectivity;
* intraretinal fluid: 10-16 dark ellipsoids inside the retina, which do not touch the RPE;
* macular hole: a dark gap from the inner surface down to the RPE, 13-22 pixels wide, 6-11 B-scans long,
  with lifted rims, near the fovea.

Lesions move over the whole field, so a mean image of a class says little.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FRAMES, HEIGHT, WIDTH = 12, 64, 64
SPACING_MM = (0.12, 0.0155, 0.047)
_DEPTH = (-0.6, -0.02, 0.0, 0.14, 0.18, 0.36, 0.42, 0.52, 0.56, 0.62, 0.66, 0.82, 0.86, 0.9, 0.94)
_LIGHT = (0.03, 0.03, 0.75, 0.70, 0.48, 0.45, 0.24, 0.24, 0.46, 0.44, 0.20, 0.20, 0.62, 0.60, 0.35)
_DEPTH_RPE, _LIGHT_RPE = (0.97, 1.0, 1.08, 1.14, 1.5, 2.6), (0.40, 0.95, 0.92, 0.50, 0.38, 0.08)

Surface = NDArray[np.float64]


@dataclass(frozen=True)
class Retina:
    """The surfaces of one eye, in pixels of depth, each (B-scans, width).

    Attributes:
        ilm: inner surface, without the foveal pit.
        pit: how far the pit lowers it.
        rpe: pigment epithelium.
        fovea: (B-scan, column) of the pit.
    """

    ilm: Surface
    pit: Surface
    rpe: Surface
    fovea: tuple[float, float]


def write(finding: str, rng: np.random.Generator, folder: Path) -> str:
    """Write one file and return its name.

    Raises:
        KeyError: the finding is not one of the four above.
    """
    from modalities.oct.formats.dicom_write import write_dicom

    volume = draw(finding, rng)
    name = f"oct-{rng.integers(1 << 62):016x}.dcm"
    write_dicom(folder / name, volume, SPACING_MM, laterality="RL"[rng.integers(2)], rng=rng)
    return name


def draw(finding: str, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return one volume (12, 64, 64) that shows a finding."""
    plant = {
        "normal macula": _nothing,
        "drusen": _drusen,
        "intraretinal fluid": _fluid,
        "macular hole": _hole,
    }[finding]
    retina = _retina(rng)
    retina, image = plant(retina, rng)
    return _photograph(image, rng)


def _retina(rng: np.random.Generator) -> Retina:
    """Draw the surfaces: shift, tilt, curvature, thickness, pit."""
    t = np.linspace(-1, 1, FRAMES)[:, None]
    x = np.linspace(-1, 1, WIDTH)[None, :]
    thick = rng.uniform(20, 26)
    rpe = (
        rng.uniform(36, 46)
        + rng.uniform(-5, 5) * x
        + rng.uniform(-3, 3) * t
        - rng.uniform(0, 5) * (x**2 + 0.6 * t**2)
        + rng.uniform(0, 0.6) * np.sin(rng.uniform(4, 9) * x + rng.uniform(0, 6.3))
    )
    ft, fx = rng.uniform(-0.45, 0.45), rng.uniform(-0.45, 0.45)
    pit = rng.uniform(3, 9) * np.exp(-(((x - fx) / 0.28) ** 2) - ((t - ft) / 0.4) ** 2)
    fovea = ((ft + 1) / 2 * (FRAMES - 1), (fx + 1) / 2 * (WIDTH - 1))
    return Retina(rpe - thick + 0 * t, pit, rpe, fovea)


def _paint(retina: Retina) -> Surface:
    """Return reflectivity (B-scans, depth, width) of the bands between the surfaces."""
    z = np.arange(HEIGHT, dtype=np.float64)[None, :, None]
    top = (retina.ilm + retina.pit)[:, None, :]
    depth = (z - top) / np.maximum(retina.rpe[:, None, :] - top, 2.0)
    light: Surface = np.interp(depth, _DEPTH + _DEPTH_RPE, _LIGHT + _LIGHT_RPE)
    return light


def _nothing(retina: Retina, rng: np.random.Generator) -> tuple[Retina, Surface]:
    del rng
    return retina, _paint(retina)


def _drusen(retina: Retina, rng: np.random.Generator) -> tuple[Retina, Surface]:
    """Lift the RPE in bumps; below it, down to where it was, lies medium reflectivity."""
    t, x = np.arange(FRAMES)[:, None], np.arange(WIDTH)[None, :]
    lift = np.zeros((FRAMES, WIDTH))
    for _ in range(rng.integers(14, 23)):
        ct, cx = rng.uniform(0, FRAMES - 1), rng.uniform(4, WIDTH - 5)
        st, sx = rng.uniform(1.0, 1.8), rng.uniform(2.5, 4.5)
        bump = rng.uniform(5, 9) * np.exp(-(((t - ct) / st) ** 2) - ((x - cx) / sx) ** 2)
        lift = np.maximum(lift, bump)
    lifted = Retina(retina.ilm - 0.2 * lift, retina.pit, retina.rpe - lift, retina.fovea)
    image = _paint(lifted)
    z = np.arange(HEIGHT)[None, :, None]
    inside = (z > lifted.rpe[:, None, :] + 1.5) & (z < retina.rpe[:, None, :] + 0.5)
    image[inside & (lift[:, None, :] > 1)] = 0.55
    return lifted, image


def _fluid(retina: Retina, rng: np.random.Generator) -> tuple[Retina, Surface]:
    """Carve dark ellipsoids between the inner surface and the outer retina."""
    image = _paint(retina)
    t, z = np.arange(FRAMES)[:, None, None], np.arange(HEIGHT)[None, :, None]
    x = np.arange(WIDTH)[None, None, :]
    for _ in range(rng.integers(10, 17)):
        ct, cx = rng.uniform(0, FRAMES - 1), rng.uniform(4, WIDTH - 5)
        row, column = round(ct), round(cx)
        top = retina.ilm[row, column] + retina.pit[row, column]
        cz = top + rng.uniform(0.35, 0.7) * (retina.rpe[row, column] - top)
        rt, rz, rx = rng.uniform(1.0, 1.9), rng.uniform(2.8, 5.0), rng.uniform(3.0, 6.5)
        far = ((t - ct) / rt) ** 2 + ((z - cz) / rz) ** 2 + ((x - cx) / rx) ** 2
        edge = np.clip((1.15 - far) / 0.3, 0, 1)
        image = image * (1 - edge) + 0.04 * edge
    return retina, image


def _hole(retina: Retina, rng: np.random.Generator) -> tuple[Retina, Surface]:
    """Open the retina from its inner surface to the RPE; the rims are lifted."""
    t, x = np.arange(FRAMES)[:, None], np.arange(WIDTH)[None, :]
    ct = np.clip(retina.fovea[0] + rng.uniform(-2.5, 2.5), 1, FRAMES - 2)
    cx = np.clip(retina.fovea[1] + rng.uniform(-12, 12), 8, WIDTH - 9)
    far = np.sqrt(((t - ct) / rng.uniform(3.0, 5.0)) ** 2 + ((x - cx) / rng.uniform(6, 10)) ** 2)
    rim = rng.uniform(2, 5) * np.exp(-(((far - 1.5) / 0.6) ** 2))
    pit = retina.pit * np.clip(far - 0.8, 0, 1)
    open_ = Retina(retina.ilm - rim, pit, retina.rpe, retina.fovea)
    image = _paint(open_)
    gap = np.clip((1.1 - far) / 0.2, 0, 1)[:, None, :]
    z = np.arange(HEIGHT)[None, :, None]
    gap = gap * (z < retina.rpe[:, None, :] - 1.0)
    return open_, image * (1 - gap) + 0.03 * gap


def _photograph(image: Surface, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Add vessel shadows, speckle, gain, contrast and detector noise; return 8-bit pixels."""
    x = np.arange(WIDTH)[None, None, :]
    for _ in range(rng.integers(0, 5)):
        where, width = rng.uniform(0, WIDTH - 1), rng.uniform(0.7, 1.6)
        image = image * (1 - rng.uniform(0.2, 0.5) * np.exp(-(((x - where) / width) ** 2)))
    looks = rng.uniform(16, 40)
    speckle = rng.standard_gamma(looks, size=image.shape) / looks
    light = np.clip(image * speckle, 0, None) ** rng.uniform(0.8, 1.2)
    light = light * rng.uniform(0.7, 1.1) + rng.uniform(0.0, 0.12)
    light = light + rng.normal(0, rng.uniform(0.01, 0.04), size=image.shape)
    return np.rint(np.clip(light, 0, 1) * 255).astype(np.uint8)
