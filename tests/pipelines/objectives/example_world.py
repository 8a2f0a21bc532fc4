"""A batch with everything an objective may ask for, and the ways a test changes it.

Three modalities a, b and c of B rows, some absent; one earlier batch, so that objectives which
remember have something to remember. Legend: B rows, D width, T tokens, K contrary texts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import normalize

from pipelines.objectives.entry import Edge, ObjectiveEntry, Shapes
from pipelines.objectives.objective import (
    Contrary,
    Encoded,
    Hidden,
    Items,
    Memory,
    Objective,
    Step,
)

NAMES = ("a", "b", "c")
EDGES = (Edge("a", ("b",)), Edge("a", ("c",), 0.5), Edge("b", ("c",)))
WIDTH, ROWS = 16, 40
TOKENS = {"a": 5, "b": 4, "c": 3}
SHAPES = Shapes(dim=WIDTH, rows=ROWS, recon={"a": (6, 0), "b": (1, 11), "c": (4, 0)})
PRESENT = {"a": "1111101101", "b": "1110111101", "c": "1101110001"}
"""By modality, which of ten rows hold it; the ninth holds nothing."""

Change = Callable[[str, str, Tensor], Tensor]
"""(key such as "ema.tokens", modality or "", tensor) to the tensor that takes its place."""


@dataclass(frozen=True)
class World:
    """Everything one call of an objective is given."""

    encoded: Encoded
    items: Items
    step: Step
    memory: Memory


@dataclass(frozen=True)
class Result:
    """A loss with its gradients, to the vectors by key and to the parameters by name."""

    loss: float
    terms: tuple[str, ...]
    vectors: Mapping[str, Tensor]
    parameters: Mapping[str, Tensor]


@dataclass(frozen=True)
class Case:
    """One set of options of one registered objective."""

    entry: ObjectiveEntry
    example: Mapping[str, object]

    def build(self, edges: Sequence[Edge] = EDGES, seed: int = 0) -> Objective:
        """Build the objective; the seed is that of its first weights."""
        torch.manual_seed(seed)
        return self.entry.build(self.entry.options(**self.example), edges, SHAPES).train()

    def ready(self, past: World, edges: Sequence[Edge] = EDGES) -> Objective:
        """Build the objective and let it remember an earlier batch."""
        objective = self.build(edges)
        remember(objective, past)
        return objective


def remember(objective: Objective, past: World) -> None:
    """Give an objective what the trainer gives it at an epoch's start and after a step."""
    objective.on_epoch(1, lambda: past.memory)
    with torch.no_grad():
        objective.after_step(past.encoded, past.items, past.step)


def ask(objective: Objective, world: World, autocast: bool = False) -> Result:
    """Return loss and gradients; without any term the loss is 0 and there are no gradients."""
    leaves: dict[str, Tensor] = {}

    def leaf(key: str, name: str, value: Tensor) -> Tensor:
        if key not in ("encoded.emb", "encoded.tokens", "second.emb", "second.tokens",
                       "contrary.emb"):  # fmt: skip
            return value
        leaves[f"{key}.{name}"] = value.clone().requires_grad_()
        return leaves[f"{key}.{name}"]

    objective.zero_grad()
    world = changed(world, leaf)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        out = objective(world.encoded, world.items, world.step)
    if not out.terms:
        return Result(0.0, (), {}, {})
    total = out.total
    if total.requires_grad:
        total.backward()
    vectors = {k: v.grad for k, v in leaves.items() if v.grad is not None}
    own = {k: p.grad.clone() for k, p in objective.named_parameters() if p.grad is not None}
    return Result(float(total.detach()), tuple(out.terms), vectors, own)


def make_worlds() -> tuple[World, World]:
    """Return an earlier batch and the batch to ask about, of other rows of the same cohort."""
    return _world(seed=1, first=20), _world(seed=0, first=3)


def changed(world: World, change: Change) -> World:
    """Return the world with every tensor of its rows replaced by what `change` makes of it."""
    step = world.step
    encodings = {k: _walk(k, getattr(step, k), change) for k in ("ema", "second", "ema_second")}
    parts = {k: {n: _walk(k, part, change, n) for n, part in getattr(step, k).items()}
             for k in ("hidden", "contrary")}  # fmt: skip
    return replace(
        world, encoded=_walk("encoded", world.encoded, change),
        items=_walk("items", world.items, change), step=replace(step, **encodings, **parts),
    )  # fmt: skip


def at(world: World, index: Tensor) -> World:
    """Return some rows of the world, in that order."""
    return changed(world, lambda key, name, value: value[index])


def without(world: World, modality: str) -> World:
    """Return the world of a pipeline that does not have a modality."""

    def leave(part: object) -> object:
        if isinstance(part, Mapping):
            return {k: leave(v) for k, v in part.items() if k != modality}
        if isinstance(part, Encoded | Items | Step):
            return replace(part, **{f.name: leave(getattr(part, f.name)) for f in fields(part)})
        return part

    return World(*(leave(getattr(world, f.name)) for f in fields(world)))


def absent(world: World, modality: str) -> World:
    """Return the world in which no row holds a modality: masks are off and vectors zero."""

    def empty(key: str, name: str, value: Tensor) -> Tensor:
        if name != modality:
            return value
        return torch.full_like(value, -1) if key == "items.content" else torch.zeros_like(value)

    return replace(changed(world, empty), memory={k: v if k != modality else (v[0][:0], v[1][:0])
                                                  for k, v in world.memory.items()})  # fmt: skip


def withheld(world: World, need: str) -> World:
    """Return the world of an objective that did not declare a need."""
    encoded, items, step = world.encoded, world.items, world.step
    if need == "tokens":
        bare = {k: None if e is None else replace(e, tokens={}, token_mask={})
                for k, e in (("ema", step.ema), ("second", step.second),
                             ("ema_second", step.ema_second))}  # fmt: skip
        encoded, step = replace(encoded, tokens={}, token_mask={}), replace(step, **bare)
    elif need == "labels":
        items = replace(items, label=None, ranks=None)
    elif need == "ema":
        step = replace(step, ema=None, ema_second=None)
    elif need == "views":
        step = replace(step, second=None, ema_second=None)
    elif need == "recon":
        step = replace(step, hidden={})
    elif need == "contrary":
        step = replace(step, contrary={})
    return World(encoded, items, step, {} if need == "memory" else world.memory)


def stained(world: World) -> World:
    """Return the world with large numbers wherever there is nothing: they must count nowhere."""
    noise = torch.Generator().manual_seed(9)

    def stain(key: str, name: str, value: Tensor) -> Tensor:
        if key == "contrary.emb":
            there = world.step.contrary[name].present[..., None]
        elif key.endswith((".emb", ".tokens", ".target")):
            there = world.encoded.present[name].reshape(-1, *[1] * (value.ndim - 1))
        else:
            return value
        if not value.is_floating_point():
            return value
        return torch.where(there, value, 50 * torch.randn(value.shape, generator=noise))

    return changed(world, stain)


def padded_over(world: World) -> World:
    """Return the world with large numbers in the padding of tokens of present rows."""
    noise = torch.Generator().manual_seed(9)

    def stain(key: str, name: str, value: Tensor) -> Tensor:
        if not key.endswith(".tokens"):
            return value
        there = world.encoded.token_mask[name][..., None]
        return torch.where(there, value, 50 * torch.randn(value.shape, generator=noise))

    return changed(world, stain)


def redrawn(world: World, row: int, seed: int) -> World:
    """Return the world with all vectors of one row drawn anew."""
    source = torch.Generator().manual_seed(seed)

    def draw(key: str, name: str, value: Tensor) -> Tensor:
        if not key.endswith((".emb", ".tokens")):
            return value
        new = value.clone()
        new[row] = torch.randn(value.shape[1:], generator=source)
        return new

    return changed(world, draw)


def filled(world: World, make: Callable[[Tensor], Tensor]) -> World:
    """Return the world with every vector of every present row replaced by what `make` makes."""

    def fill(key: str, name: str, value: Tensor) -> Tensor:
        if not key.endswith((".emb", ".tokens")) or key == "contrary.emb":
            return value
        there = world.encoded.present[name].reshape(-1, *[1] * (value.ndim - 1))
        return torch.where(there, make(value), torch.zeros_like(value))

    return changed(world, fill)


def one_group(world: World) -> World:
    """Return four complete rows of one patient that have nothing else in common."""
    small = at(world, torch.tensor([0, 1, 4, 9]))
    count = torch.arange(4)

    def alone(key: str, name: str, value: Tensor) -> Tensor:
        if key.endswith((".present", ".token_mask")):
            return torch.ones_like(value)
        facts = {"items.group": torch.zeros_like(count), "items.content": 10 + count,
                 "items.label": torch.eye(4, dtype=torch.bool),
                 "items.ranks": (10 + count)[:, None].expand(4, 3)}  # fmt: skip
        return facts.get(key, value)

    complete = changed(small, alone)
    for row in range(4):
        complete = redrawn(complete, row, seed=row)
    return complete


def _walk(key: str, part: object, change: Change, name: str = "") -> object:
    """Replace the tensors of a part, which may be a dataclass of tensors or of mappings of them."""
    if part is None:
        return None
    assert is_dataclass(part)
    found: dict[str, object] = {}
    for f in fields(part):
        value = getattr(part, f.name)
        if isinstance(value, Tensor):
            found[f.name] = change(f"{key}.{f.name}", name, value)
        elif isinstance(value, Mapping):
            found[f.name] = {k: change(f"{key}.{f.name}", k, v) for k, v in value.items()}
    return replace(part, **found)


def _world(*, seed: int, first: int) -> World:
    source = torch.Generator().manual_seed(seed)
    present = {k: torch.tensor([c == "1" for c in mask]) for k, mask in PRESENT.items()}
    count = len(present["a"])
    centre = torch.randn(count, WIDTH, generator=source)
    tokens = {k: torch.rand(count, t, generator=source) < 0.7 for k, t in TOKENS.items()}
    for k, mask in tokens.items():
        mask[:, 0] = True
        mask &= present[k][:, None]
    views = [_encoded(centre, present, tokens, source) for _ in range(4)]
    target = {k: (count, TOKENS[k], SHAPES.recon[k][0]) for k in NAMES}
    hidden = {
        k: Hidden(
            _target(shape, SHAPES.recon[k][1], source) * present[k][:, None, None],
            (torch.rand(shape, generator=source) < 0.6) & tokens[k][..., None],
            SHAPES.recon[k][1] or None,
        )
        for k, shape in target.items()
    }
    said = present["b"][:, None] & (torch.arange(count)[:, None] % 4 > torch.arange(2))
    contrary = torch.randn(count, 2, WIDTH, generator=source) * said[..., None]
    ids = first + torch.randperm(count, generator=source)
    step = Step(
        number=3, epoch=1, progress=0.25, seed=5, ema=views[1], second=views[2],
        ema_second=views[3], hidden=hidden, contrary={"b": Contrary(contrary, said)},
    )  # fmt: skip
    rows = torch.arange(ROWS)
    memory = {k: (rows, torch.randn(ROWS, WIDTH, generator=source)) for k in NAMES}
    return World(views[0], _items(ids, present), step, memory)


def _encoded(
    centre: Tensor, present: Mapping[str, Tensor], tokens: Mapping[str, Tensor],
    source: torch.Generator,
) -> Encoded:  # fmt: skip
    emb, parts = {}, {}
    for name in NAMES:
        noise = torch.randn(centre.shape, generator=source)
        emb[name] = (centre + noise) * present[name][:, None]
        shape = (*tokens[name].shape, WIDTH)
        drawn = centre[:, None] + torch.randn(shape, generator=source)
        parts[name] = 2 * normalize(drawn, dim=-1) * tokens[name][..., None]
    return Encoded(emb, present, parts, tokens)


def _items(ids: Tensor, present: Mapping[str, Tensor]) -> Items:
    """Return facts in which some rows share a patient, a report, labels and taxonomic ranks."""
    number = torch.arange(len(ids))
    content = {k: torch.where(mask, number, -1) for k, mask in present.items()}
    content["b"] = torch.where(present["b"], number // 2, -1)
    label = (number[:, None] + torch.arange(5)) % 4 == 0
    label[5] = False
    ranks = torch.stack([number // 5, number // 3, number // 2], dim=1)
    ranks[4, 2], ranks[7] = -1, -1
    return Items(ids, torch.tensor([0, 0, 1, 2, 2, 3, 4, 5, 5, 6]), content, label, ranks)


def _target(shape: tuple[int, ...], classes: int, source: torch.Generator) -> Tensor:
    if classes:
        return torch.randint(classes, shape, generator=source)
    return torch.randn(shape, generator=source)
