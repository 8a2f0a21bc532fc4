"""Prints how far our losses and their gradients lie from public implementations of the same papers.

Run: python benchmarks/peers.py --peers build/peers [--gram VOLUME.PY] [--multi-view LOSSES.PY]
     [--simdino DINO_CLSTOKEN_LOSS.PY] [--write docs/benchmarks/loss-peers.md]

build/peers is what `pip install --no-deps --target build/peers` makes of open_clip_torch, lightly
and pytorch-metric-learning; no package of theirs is imported further than its loss needs. The other
three are no packages: `utils/volume.py` of ispamm/GRAM, `models/losses.py` of
pakoromilas/Multi-View-CL and `simdinov2/loss/dino_clstoken_loss.py` of RobinWu218/SimDINO, from a
checkout of each. A peer that is not given is in the table as such.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.loss import PLAIN, SIGLIP, alone, make
from eval.scores.volume import volume
from pipelines.objectives.entry import Edge, Shapes
from pipelines.objectives.objective import Encoded, Items, Step
from workbench import registry

ROWS, FEW, WIDTH, CLASSES, TAU = 512, 64, 32, 40, 0.1
CLOSE = 1e-5

Loss = Callable[[Sequence[Tensor]], Tensor]
Row = tuple[str, str, Loss, Loss, str]
"""Peer, ours, both losses as functions of the raw vectors of all sides, and a remark."""

TWO_B = (
    "on purpose: its table has 2B x 2B entries, in which rows of one modality are negatives of each "
    "other too; ours compares across modalities only, as retrieval does"
)
ONE_WAY = "its two directions, each with the other side as reference, averaged"
ROOT = "ours adds 1e-6 under the root, so that duplicates have a gradient"


def main() -> None:
    """Print one row for every peer, and write the page where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for name in ("peers", "gram", "multi-view", "simdino", "write"):
        parser.add_argument(f"--{name}", type=Path)
    given = parser.parse_args()
    text = page(given)
    print(text)
    if given.write:
        given.write.write_text(text)


def page(given: argparse.Namespace) -> str:
    """Return the comparison as Markdown."""
    sources: list[tuple[str, Path | None, Callable[[Path], Iterator[Row]]]] = [
        ("open_clip", given.peers, _open_clip),
        ("lightly", given.peers, _lightly),
        ("pytorch-metric-learning", given.peers, _metric_learning),
        ("GRAM", given.gram, _gram),
        ("Multi-View-CL", given.multi_view, _multi_view),
        ("SimDINO", given.simdino, _simdino),
    ]
    lines = [
        "# The losses beside public implementations",
        "",
        "Relative differences of value and of the gradient with respect to raw vectors, on seeded "
        f"vectors, float32. Agreement is {CLOSE:.0e}; where ours differs, the remark says why.",
        "",
        "| peer | ours | value | gradient | agrees | remark |",
        "|---|---|---|---|---|---|",
    ]
    for name, path, rows in sources:
        if path is None:
            lines.append(f"| {name} | | | | | not available: its source was not given |")
            continue
        for peer, ours, theirs, own, remark in rows(path):
            value, slope = _apart(own, theirs, _sides(4))
            agrees = "yes" if max(value, slope) <= CLOSE else "no"
            lines.append(f"| {peer} | {ours} | {value:.1e} | {slope:.1e} | {agrees} | {remark} |")
    lines += [
        "",
        f"Torch {torch.__version__}. Command:",
        "",
        "    make bench-peers PEER_FILES='--gram volume.py --multi-view losses.py "
        "--simdino dino_clstoken_loss.py'",
        "",
    ]
    return "\n".join(lines)


def _open_clip(path: Path) -> Iterator[Row]:
    for name, ours in ((PLAIN, "ours"), (SIGLIP, "ours, sigmoid")):
        theirs, own = make(name, ROWS, path), make(ours, ROWS, path)
        shown = "contrastive" if name == PLAIN else "sigmoid"
        yield name, shown, _of_two(theirs), _of_two(own), ""


def _lightly(path: Path) -> Iterator[Row]:
    _without_init(path, "lightly", "lightly.models", "lightly.models.modules", "lightly.loss")
    sys.modules["lightly.models.utils"] = _Anything("lightly.models.utils")
    loss = importlib.import_module("lightly.loss.ntx_ent_loss").NTXentLoss(temperature=TAU)
    own = _ours("contrastive", temperature=TAU)
    yield "lightly NTXentLoss", "contrastive", _of_two(loss), own, TWO_B


def _metric_learning(path: Path) -> Iterator[Row]:
    sys.path.append(str(path))
    losses = importlib.import_module("pytorch_metric_learning.losses")
    label = torch.arange(ROWS) % CLASSES

    def both_ways(sides: Sequence[Tensor]) -> Tensor:
        loss, other = losses.SupConLoss(temperature=TAU), label.clone()  # the same tensor: one set
        found: Tensor = loss(sides[0], label, ref_emb=sides[1], ref_labels=other)
        found = found + loss(sides[1], label, ref_emb=sides[0], ref_labels=other)
        return 0.5 * found

    own = _ours("contrastive", temperature=TAU, targets="same_label", label="class",
                exclude_same_group=False)  # fmt: skip
    name = "pytorch-metric-learning SupConLoss"
    yield name, "contrastive, same_label", both_ways, own, ONE_WAY


def _gram(path: Path) -> Iterator[Row]:
    theirs = alone(path)
    for count in (3, 4):
        there = [torch.ones(FEW, dtype=torch.bool)] * (count - 1)

        def units(sides: Sequence[Tensor], count: int = count) -> list[Tensor]:
            return [normalize(v[:FEW, :WIDTH], dim=1) for v in sides[:count]]

        def peer(sides: Sequence[Tensor], count: int = count, units: Any = units) -> Tensor:
            table: Tensor = getattr(theirs, f"volume_computation{count}")(*units(sides))
            return table.sum()

        def own(sides: Sequence[Tensor], there: Any = there, units: Any = units) -> Tensor:
            found = units(sides)
            return volume(found[0], found[1:], there).sum()

        yield f"GRAM volume_computation{count}", "volume score", peer, own, ROOT


def _multi_view(path: Path) -> Iterator[Row]:
    for name in ("diffdist", "einops", "utils", "utils.utils"):
        sys.modules.setdefault(name, _Anything(name))
    module = alone(path)
    for kind, entry in (("MVINFONCE", "mv_infonce"), ("MVDHEL", "mv_dhel")):
        loss = getattr(module, kind)(tau=0.5, multiplier=3)
        own = _ours(entry, sides=3, temperature=0.5)
        yield f"Multi-View-CL {kind}, 3 views", entry, _of_stacked(loss), own, ""


def _simdino(path: Path) -> Iterator[Row]:
    loss = alone(path).MCRLoss(WIDTH, expa_type=0, eps=0.05)
    made = _build("simdino", 2)
    there = {k: torch.ones(ROWS, dtype=torch.bool) for k in "ab"}

    def worlds(sides: Sequence[Tensor]) -> list[Encoded]:
        """Return two student views and two of the averaged towers, which lie a little apart."""
        slow = [v.detach() + 0.1 for v in sides]
        pairs = ((sides[0], sides[1]), (sides[2], sides[3]), (slow[0], slow[1]), (slow[2], slow[3]))
        return [Encoded({"a": a, "b": b}, there) for a, b in pairs]

    def own(sides: Sequence[Tensor]) -> Tensor:
        first, second, ema, ema_second = worlds(sides)
        step = Step(second=second, ema=ema, ema_second=ema_second)
        total: Tensor = made(first, _items(), step).total
        return total

    def peer(sides: Sequence[Tensor]) -> Tensor:
        first, second, ema, ema_second = worlds(sides)
        student, teacher = (
            [normalize(world.emb[k], dim=1) for k in "ab" for world in views]
            for views in ((first, second), (ema, ema_second))
        )
        found: Tensor = loss(student, teacher)[0]
        return found

    yield "SimDINO MCRLoss, 4 views", "simdino", peer, own, ""


def _of_two(loss: Callable[[Tensor, Tensor], Tensor]) -> Loss:
    return lambda sides: loss(sides[0], sides[1])


def _of_stacked(loss: Callable[[Tensor], tuple[Tensor, Any]]) -> Loss:
    """Return a loss of three views below each other as a function of the sides."""
    return lambda sides: loss(torch.cat(list(sides[:3])))[0]


def _ours(name: str, *, sides: int = 2, **options: Any) -> Loss:
    """Return one of our objectives as a function of the raw vectors of its sides."""
    made = _build(name, sides, **options)
    names = "abcd"[:sides]
    present = {k: torch.ones(ROWS, dtype=torch.bool) for k in names}

    def loss(vectors: Sequence[Tensor]) -> Tensor:
        encoded = Encoded(dict(zip(names, vectors, strict=False)), present)
        total: Tensor = made(encoded, _items(), Step()).total
        return total

    return loss


def _build(name: str, sides: int, **options: Any) -> Any:
    entry = registry.load("objectives", name)
    edges = [Edge("a", (other,)) for other in "bcd"[: sides - 1]]
    return entry.build(entry.options(**options), edges, Shapes(WIDTH))


def _items() -> Items:
    number = torch.arange(ROWS)
    label = torch.nn.functional.one_hot(number % CLASSES).bool()
    return Items(number, number, dict.fromkeys("abcd", number), label)


def _sides(count: int) -> list[Tensor]:
    """Return partners that resemble each other a little, as in the middle of training."""
    source = torch.Generator().manual_seed(0)
    centre = torch.randn(ROWS, WIDTH, generator=source)
    return [centre + 2 * torch.randn(ROWS, WIDTH, generator=source) for _ in range(count)]


def _apart(ours: Loss, theirs: Loss, sides: Sequence[Tensor]) -> tuple[float, float]:
    """Return the relative differences of value and gradient."""
    found = []
    for loss in (ours, theirs):
        raw = [side.clone().requires_grad_() for side in sides]
        value = loss(raw)
        slopes = torch.autograd.grad(value, raw, allow_unused=True)
        found.append((value.detach(), torch.cat([g for g in slopes if g is not None])))
    (one, first), (two, second) = found
    return float((one - two).abs() / two.abs()), float((first - second).norm() / second.norm())


class _Anything(ModuleType):
    """Stands for a module that a file names and that its losses do not use."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Anything(name)


def _without_init(path: Path, *names: str) -> None:
    """Make packages importable whose own first file would import what their loss does not need."""
    for name in names:
        package = ModuleType(name)
        package.__path__ = [str(path.joinpath(*name.split(".")))]
        sys.modules[name] = package


if __name__ == "__main__":
    main()
