"""The towers of the objectives study: the same small networks whatever is trained.

Legend: B rows, D shared width, T tokens.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from benchmarks.study_cohort import NAMES, WIDTH, Records
from pipelines.objectives.objective import Contrary, Encoded, Hidden

DIM, HIDDEN, TOKENS = 32, 256, 4
VIEW_NOISE = 0.1
ELEMENTS = WIDTH // TOKENS


class Perceptron(nn.Module):
    """64 numbers to one vector, and to four tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(WIDTH, HIDDEN), nn.GELU(), nn.Linear(HIDDEN, HIDDEN), nn.GELU()
        )
        self.head, self.token_head = nn.Linear(HIDDEN, DIM), nn.Linear(HIDDEN, TOKENS * DIM)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return (B, D) and (B, T, D)."""
        hidden = self.body(x)
        return self.head(hidden), self.token_head(hidden).unflatten(1, (TOKENS, DIM))


class Towers(nn.ModuleDict):
    """One perceptron for each modality."""

    def __init__(self) -> None:
        super().__init__({name: Perceptron() for name in NAMES})

    def encode(self, values: dict[str, Tensor], present: dict[str, Tensor]) -> Encoded:
        """Return the vectors and tokens of rows; zeros where a modality is absent."""
        emb, tokens, masks = {}, {}, {}
        for name, tower in self.items():
            there = present[name]
            pooled, found = tower(values[name])
            emb[name] = pooled * there[:, None]
            tokens[name] = found * there[:, None, None]
            masks[name] = there[:, None].expand(-1, TOKENS)
        return Encoded(emb, present, tokens, masks)

    def contrary(self, records: Records, rows: Tensor) -> dict[str, Contrary]:
        """Return the vectors of texts that say the opposite."""
        texts = records.contrary[rows]
        emb = self["text"](texts.flatten(0, 1))[0].unflatten(0, texts.shape[:2])
        has = records.present["text"][rows][:, None].expand(-1, texts.shape[1])
        return {"text": Contrary(emb * has[..., None], has)}


def view(values: dict[str, Tensor], rng: torch.Generator) -> dict[str, Tensor]:
    """Return a training view: a little more noise."""
    return {k: v + VIEW_NOISE * torch.randn(v.shape, generator=rng) for k, v in values.items()}


def hide(
    values: dict[str, Tensor], present: dict[str, Tensor], rng: torch.Generator, ratio: float
) -> tuple[dict[str, Tensor], dict[str, Hidden]]:
    """Return rows with numbers put to zero, and what they were."""
    seen, hidden = {}, {}
    for name, value in values.items():
        chosen = (torch.rand(value.shape, generator=rng) < ratio) & present[name][:, None]
        seen[name] = value.masked_fill(chosen, 0.0)
        cut = (value.unflatten(1, (TOKENS, ELEMENTS)), chosen.unflatten(1, (TOKENS, ELEMENTS)))
        hidden[name] = Hidden(*cut, None)
    return seen, hidden
