"""A cohort whose structure is known: three modalities that share some latent factors, not others.

A record is a text, an X-ray and an ECG, each 64 numbers: tanh of a random linear map of latent
factors, with noise. Factors: 6 in all three; 4 in text and X-ray; 4 in text and ECG; 4 in X-ray and
ECG, absent from the text; 4, 8 and 8 of no one else's.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

NAMES = ("text", "xray", "ecg")
BLOCKS = {
    "all": (6, NAMES), "text-xray": (4, ("text", "xray")), "text-ecg": (4, ("text", "ecg")),
    "xray-ecg": (4, ("xray", "ecg")), "text": (4, ("text",)), "xray": (8, ("xray",)),
    "ecg": (8, ("ecg",)),
}  # fmt: skip
WIDTH, NOISE = 64, 0.25
CLASSES = 8


@dataclass(frozen=True)
class Records:
    """N records.

    Attributes:
        values: by modality, (N, 64).
        present: by modality, (N,) bool.
        contrary: (N, 2, 64) texts in which the factors shared with X-ray or ECG are turned round.
        label: (N,) class, the signs of three of the factors that all modalities share.
    """

    values: dict[str, Tensor]
    present: dict[str, Tensor]
    contrary: Tensor
    label: Tensor

    def __len__(self) -> int:
        return len(self.label)


def cohort(count: int, *, seed: int, lacking: float) -> Records:
    """Draw records; the maps are the same for every seed.

    Args:
        count: N.
        seed: of factors, noise and absence.
        lacking: share of records that lack one modality, each as often.
    """
    maps = _maps()
    rng = torch.Generator().manual_seed(seed)
    factors = {k: torch.randn(count, size, generator=rng) for k, (size, _) in BLOCKS.items()}
    values = {m: _observed(factors, maps, m, rng) for m in NAMES}
    contrary = [_observed({**factors, k: -factors[k]}, maps, "text", rng)
                for k in ("text-xray", "text-ecg")]  # fmt: skip
    draw, which = torch.rand(count, generator=rng), torch.randint(3, (count,), generator=rng)
    present = {m: ~((draw < lacking) & (which == i)) for i, m in enumerate(NAMES)}
    signs = (factors["all"][:, :3] > 0).long()
    return Records(
        {m: v * present[m][:, None] for m, v in values.items()}, present,
        torch.stack(contrary, dim=1), signs @ torch.tensor([4, 2, 1]),
    )  # fmt: skip


def _maps() -> dict[str, Tensor]:
    rng = torch.Generator().manual_seed(20)
    found = {}
    for name in NAMES:
        size = sum(size for size, members in BLOCKS.values() if name in members)
        found[name] = torch.randn(size, WIDTH, generator=rng) / size**0.5
    return found


def _observed(
    factors: dict[str, Tensor], maps: dict[str, Tensor], name: str, rng: torch.Generator
) -> Tensor:
    mine = torch.cat([factors[k] for k, (_, members) in BLOCKS.items() if name in members], dim=1)
    clean = torch.tanh(mine @ maps[name])
    return clean + NOISE * torch.randn(clean.shape, generator=rng)
