"""Loss without negatives: views agree with the averaged towers, a coding rate prevents collapse.

SimDINO (Wu et al., arXiv 2502.10385), which M3Ret (arXiv 2509.01360) trains one encoder of many
modalities with. Legend: V views of a row, n rows in use, D shared width.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import normalize

from pipelines.objectives.collapse import collapse_signs
from pipelines.objectives.entry import Edge, Shapes
from pipelines.objectives.objective import Encoded, Items, LossOut, Objective, Step
from pipelines.objectives.simdino import SimDinoOptions


def coding_rate(vectors: Tensor, *, distortion: float) -> Tensor:
    """Return ½ logdet(I + D / (n ε²) ZᵀZ) of (n, D) vectors Z, in float32.

    Vectors are not centred (Yu et al., MCR², arXiv 2006.08558). The smaller of ZᵀZ and ZZᵀ is
    decomposed, which has the same determinant.

    Args:
        vectors: unit vectors for the known bounds: ½ log(1 + D / ε²) when they are all one,
            (D / 2) log(1 + 1 / ε²) when white.
        distortion: ε².
    """
    count, dim = vectors.shape
    with torch.autocast(device_type=vectors.device.type, enabled=False):
        z = vectors.float()
        gram = z @ z.T if count < dim else z.T @ z
        one = torch.eye(len(gram), device=z.device)
        lower = torch.linalg.cholesky(one + dim / (count * distortion) * gram)
        rate: Tensor = lower.diagonal().log().sum()
        return rate


class SimDino(Objective):
    """Per edge -c mean cosine(teacher view, other student view) - γ mean coding rate, γ = (D+n)/(Dn).

    The views are both training views of both modalities: V = 4, and every teacher view meets the
    three student views that are not its own. The teacher is the averaged towers. Rows that lack a
    side are left out. The coding rate is of all rows together, so every process computes the whole.

    Args:
        options: see SimDinoOptions.
        edges: the pairs of modalities.
        shapes: sizes of the shared space.
    """

    def __init__(self, options: SimDinoOptions, edges: Sequence[Edge], shapes: Shapes) -> None:
        super().__init__()
        self.settings = options
        self.edges = tuple(edges)
        self.shapes = shapes

    def forward(self, encoded: Encoded, items: Items, step: Step) -> LossOut:
        """Return one term per edge that has a row with both sides.

        Raises:
            ValueError: second views or averaged towers' vectors are missing.
        """
        del items
        if step.second is None or step.ema is None or step.ema_second is None:
            raise ValueError("simdino needs Step.second, Step.ema and Step.ema_second")
        terms: dict[str, Tensor] = {}
        logs: dict[str, float] = {}
        for edge in self.edges:
            sides = (edge.query, edge.candidates[0])
            used = encoded.present[sides[0]] & encoded.present[sides[1]]
            logs[f"n_valid/{edge.name}"] = float(used.sum())
            if bool(used.any()):
                student = _views((encoded, step.second), sides, used)
                teacher = _views((step.ema, step.ema_second), sides, used).detach()
                terms[edge.name] = self._term(student, teacher)
                signs = collapse_signs(student[0])
                logs |= {f"{sign}/{edge.name}": value for sign, value in signs.items()}
        return LossOut(terms, {edge.name: edge.weight for edge in self.edges}, logs)

    def _term(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Return the cost of (V, n, D) unit vectors of student and teacher."""
        views, count, dim = student.shape
        with torch.autocast(device_type=student.device.type, enabled=False):
            table = torch.einsum("tnd,snd->ts", teacher, student) / count
            agreement = (table.sum() - table.diagonal().sum()) / (views * (views - 1))
            rates = [coding_rate(z, distortion=self.settings.distortion) for z in student]
            balance = (dim + count) / (dim * count)
            return -self.settings.alignment * agreement - balance * torch.stack(rates).mean()


def _views(sources: Sequence[Encoded], sides: Sequence[str], used: Tensor) -> Tensor:
    """Return (V, n, D) unit vectors of every source and side."""
    found = [source.emb[name][used].float() for name in sides for source in sources]
    return normalize(torch.stack(found), dim=-1)
