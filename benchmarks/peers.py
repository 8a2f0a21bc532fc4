"""Prints how far our losses and their gradients lie from public implementations of the same papers.

Run: python -m benchmarks.peers [--open-clip LOSS.PY] [--gram VOLUME.PY]

LOSS.PY is `src/open_clip/loss.py` of open_clip, VOLUME.PY is `utils/volume.py` of ispamm/GRAM; each
is loaded alone, and a peer that is not given is left out. Differences are relative, on seeded
vectors; the last column says why ours differs on purpose where it does.
"""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from benchmarks.loss import PLAIN, SIGLIP, make, vectors
from eval.scores.volume import volume

ROWS, FEW, WIDTH = 512, 64, 32

ON_PURPOSE = {
    "HCL (joshr17/HCL)": "one table of 2B views of one encoder, and its negatives are never of "
    "another modality; ours compares two modalities and masks absent rows",
    "lightly NTXentLoss": "the same 2B x 2B table with both modalities' own rows as negatives; ours "
    "compares across modalities only",
    "pytorch-metric-learning SupConLoss": "averages over one set of vectors with itself; ours has "
    "two sides and both directions",
}
"""Peers whose loss is another function, with the difference."""


def main() -> None:
    """Print one row for every peer that is given."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--open-clip", type=Path)
    parser.add_argument("--gram", type=Path)
    given = parser.parse_args()
    print("| peer | value | gradient | note |\n|---|---|---|---|")
    if given.open_clip:
        for name, ours in ((PLAIN, "ours"), (SIGLIP, "ours, sigmoid")):
            found = [_asked(make(kind, ROWS, given.open_clip)) for kind in (ours, name)]
            print(f"| {name} | {_apart(found[0][:1], found[1][:1]):.1e} | "
                  f"{_apart(found[0][1:], found[1][1:]):.1e} | |")  # fmt: skip
    if given.gram:
        for row in _volumes(given.gram):
            print(row)
    for name, reason in ON_PURPOSE.items():
        print(f"| {name} | - | - | {reason} |")


def _volumes(path: Path) -> Iterator[str]:
    """Yield the rows of GRAM's volumes of three and four vectors."""
    theirs = _module(path)
    source = torch.Generator().manual_seed(0)
    for count in (3, 4):
        sides = [torch.randn(FEW, WIDTH, generator=source) for _ in range(count)]
        found = []
        for ours in (True, False):
            raw = [v.clone().requires_grad_() for v in sides]
            units = [normalize(v, dim=1) for v in raw]
            there = [torch.ones(FEW, dtype=torch.bool)] * (count - 1)
            table = (volume(units[0], units[1:], there) if ours
                     else getattr(theirs, f"volume_computation{count}")(*units))  # fmt: skip
            found.append([table.detach(), *torch.autograd.grad(table.sum(), raw)])
        yield (f"| GRAM volume_computation{count} | {_apart(found[0][:1], found[1][:1]):.1e} | "
               f"{_apart(found[0][1:], found[1][1:]):.1e} | ours adds 1e-6 under the root |")  # fmt: skip


def _asked(loss: Any) -> list[Tensor]:
    sides = vectors(ROWS)
    value = loss(*sides)
    return [value.detach(), *torch.autograd.grad(value, sides)]


def _apart(one: Sequence[Tensor], two: Sequence[Tensor]) -> float:
    """Return the largest relative distance of two lists of tensors."""
    return max(float((a - b).norm() / b.norm()) for a, b in zip(one, two, strict=True))


def _module(path: Path) -> Any:
    specification = importlib.util.spec_from_file_location(path.stem, path)
    if specification is None or specification.loader is None:
        raise SystemExit(f"{path} is no Python file")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
