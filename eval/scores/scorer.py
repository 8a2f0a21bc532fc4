"""A trained score as evaluation holds it: its numbers, and which modalities were its queries."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from eval.scores import side_score
from eval.scores.base import Score
from eval.scores.side import Side
from workbench.errors import Failure, Refusal
from workbench.files import atomic_write
from workbench.record import write_json


@dataclass(frozen=True)
class Scorer:
    """A score and the edges it was trained on.

    A score such as late interaction is not symmetric. Training compares an edge in one order and
    reads its table both ways; evaluation does the same, so that a search against the order of the
    edge means what training meant.

    Attributes:
        score: with its trained parameters.
        edges: (query, candidates) as trained; empty when not known.
    """

    score: Score
    edges: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def compare(self, query: Side, candidate: Side) -> Tensor:
        """Return (Q, C) float32 scores, without gradient."""
        with torch.inference_mode():
            if self.turned(query.vectors, candidate.vectors):
                turned: Tensor = self.score(candidate, query)
                return turned.T
            found: Tensor = self.score(query, candidate)
            return found

    def turned(self, query: Collection[str], candidate: Collection[str]) -> bool:
        """Return whether only the other order was trained.

        Where neither order was, the side with one modality is the query of the side with several.
        """
        ways = [
            any(q in one and not set(c).isdisjoint(other) for q, c in self.edges)
            for one, other in ((query, candidate), (candidate, query))
        ]
        if not any(ways):
            return len(query) > 1 and len(candidate) == 1
        return not ways[0]


def scorer_of(score: Score, edges: Sequence[tuple[str, tuple[str, ...]]]) -> Scorer:
    """Return a score as it is now, a copy in evaluation mode that training no longer changes."""
    made = _make(score.name, dict(score.given))
    made.load_state_dict(score.state_dict())
    return Scorer(made.eval().requires_grad_(False), tuple(edges))


def save_scorer(scorer: Scorer, folder: Path) -> None:
    """Write `score.json` (name, options, edges) and `score.safetensors` (numbers) into a folder."""
    from safetensors.torch import save

    state = {k: v.detach().cpu().contiguous() for k, v in scorer.score.state_dict().items()}
    atomic_write(folder / "score.safetensors", save(state))
    facts = {
        "name": scorer.score.name,
        "given": dict(scorer.score.given),
        "edges": [[query, list(candidates)] for query, candidates in scorer.edges],
    }
    write_json(folder / "score.json", facts)


def load_scorer(folder: Path) -> Scorer | None:
    """Return what `save_scorer` wrote, or None where a folder holds no score.

    Raises:
        Failure: the numbers are missing.
        Refusal: the numbers do not fit the score, or the score is unknown.
    """
    from safetensors.torch import load_file

    if not (folder / "score.json").is_file():
        return None
    facts = json.loads((folder / "score.json").read_text())
    if not (folder / "score.safetensors").is_file():
        raise Failure(f"{folder}: score.json without score.safetensors; embed the run again")
    score = _make(facts["name"], facts["given"])
    state = load_file(str(folder / "score.safetensors"))
    wanted = {k: tuple(v.shape) for k, v in score.state_dict().items()}
    found = {k: tuple(v.shape) for k, v in state.items()}
    if wanted != found:
        raise Refusal("E-CKP-008", file=f"{folder.name}/score.safetensors", field="shapes",
                      found=found, expected=wanted)  # fmt: skip
    score.load_state_dict(state)
    edges = tuple((query, tuple(candidates)) for query, candidates in facts["edges"])
    return Scorer(score.eval().requires_grad_(False), edges)


def _make(name: str, given: dict[str, object]) -> Score:
    options = dict(given)
    dim = options.pop("dim")
    if not isinstance(dim, int):
        raise Failure(f"score {name}: dim is {dim!r}, expected a number")
    return side_score(name, dim, **options)
