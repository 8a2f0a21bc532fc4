"""Decides whether the frozen first blocks of an encoder may run once per sample instead of each epoch.

Legend: B batch, T tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from pipelines.batch import Shelf
from pipelines.lora import tensor_digest
from pipelines.placement import device_of, sent
from pipelines.plan import Part, digest_of
from pipelines.prefix_cut import Cut, entry_module, ran_before
from pipelines.towers import Tower
from workbench.encoder import Encoder, Features
from workbench.errors import Failure
from workbench.modality import Batch

CHECKED = 4
"""Samples that the self-check encodes."""
_CANNOT = (Failure, RuntimeError, TypeError, ValueError, AttributeError, IndexError, KeyError)
"""What an encoder may raise when it is run another way than it was written for."""


@dataclass(frozen=True)
class PrefixPlan:
    """How to run an encoder from the first block that trains.

    Attributes:
        cut: where it is entered, and what need not run.
        key: what the kept hidden states depend on, by name.
        count: number of samples of the modality.
        trailing: shape of a sample's hidden state behind its first axis.
        ragged: whether its first axis is as long as the sample's valid tokens.
        frozen: number of blocks before the cut.
        blocks: number of blocks in all.
    """

    cut: Cut
    key: Mapping[str, str]
    count: int
    trailing: tuple[int, ...]
    ragged: bool
    frozen: int
    blocks: int

    def describe(self) -> str:
        """Return the plan in words, for the log."""
        return (
            f"blocks 1 to {self.frozen} of {self.blocks} run once per sample; "
            f"{len(self.cut.skipped)} modules are skipped afterwards"
        )


def plan_prefix(part: Part, tower: Tower, shelf: Shelf) -> PrefixPlan | str:
    """Return how to keep what the frozen first blocks compute, or why that cannot be done.

    It can where no training views are drawn, everything that trains lies in the last blocks,
    nothing before them is random or depends on the rest of the batch, and a trial on a few samples
    gives features that equal the plain ones bit by bit.
    """
    if part.config.augment:
        return "training views are drawn anew in every epoch (augment: true)"
    if len(shelf.decoded.rows) == 0:
        return "there are no samples"
    blocks = list(_own(tower.encoder).blocks())
    frozen = _frozen_blocks(tower.encoder, blocks)
    if isinstance(frozen, str):
        return frozen
    with _as_found(tower):
        tower.train()
        try:
            trial = _trial(Cut(tower.encoder, blocks[frozen]), blocks[:frozen], shelf)
        except _CANNOT as error:
            return f"the encoder cannot be cut before block {frozen + 1}: {str(error)[:200]}"
    if isinstance(trial, str):
        return trial
    key = _key(part, shelf, trial.cut, suffix=blocks[frozen:])
    count = len(shelf.decoded.rows)
    return PrefixPlan(
        trial.cut, key, count, trial.trailing, trial.ragged, frozen=frozen, blocks=len(blocks)
    )


@dataclass(frozen=True)
class _Trial:
    """What running a few samples showed."""

    cut: Cut
    trailing: tuple[int, ...]
    ragged: bool


def _trial(cut: Cut, before: list[nn.Module], shelf: Shelf) -> _Trial | str:
    """Run a few samples with and without the first blocks and return what fits, or why nothing."""
    device = device_of(cut.encoder)
    batch = sent(shelf.batch(shelf.decoded.rows[:CHECKED]), device)
    if reason := _random(cut, batch):
        return reason
    shape = _seeded(cut, batch)[1].shape
    alone = [sent(one, device) for one in _extremes(shelf)]
    ragged = len({_seeded(cut, one)[1].shape[1:] for one in alone}) > 1
    if ragged and (reason := _not_told(batch, shape)):
        return reason
    fitting = _fitting(cut, before, batch, ragged=ragged)
    if fitting is None:
        return (
            "without its first blocks the encoder's features are not equal bit by bit: "
            "something beside the blocks uses what they return"
        )
    return _Trial(fitting, tuple(shape[2:]), ragged)


def token_counts(batch: Batch) -> list[int]:
    """Return for every row of (B, T) how many tokens reach up to its last valid one."""
    values, valid = batch.values, batch.valid
    if valid is None:
        return [values.shape[1]] * len(values)
    order = torch.arange(1, valid.shape[1] + 1, device=valid.device)
    return [int(n) for n in (valid * order).amax(dim=1)]


def _own(encoder: nn.Module) -> Encoder:
    """Return the encoder itself, out of peft's wrapping."""
    if isinstance(encoder, Encoder):
        return encoder
    inner = getattr(encoder, "get_base_model", lambda: None)()
    if not isinstance(inner, Encoder):
        raise TypeError(f"expected an encoder, found {type(encoder).__name__}")
    return inner


def _frozen_blocks(encoder: nn.Module, blocks: list[nn.Module]) -> int | str:
    """Return how many blocks stand before the first that trains, or why they cannot be left out."""
    trained = {id(p) for p in encoder.parameters() if p.requires_grad}
    inside = [bool(trained & {id(p) for p in block.parameters()}) for block in blocks]
    within = {id(p) for block in blocks for p in block.parameters()}
    if not trained:
        return "the encoder is frozen: all its features can be computed once"
    outside = [
        name for name, p in encoder.named_parameters() if id(p) in trained and id(p) not in within
    ]
    if outside:
        return f"{outside[0]} trains outside of the blocks"
    first = inside.index(True)
    return first if first else "the first block trains"


def _random(cut: Cut, batch: Batch) -> str:
    """Return what makes the first blocks depend on chance or on the rest of the batch, or ""."""
    names = {id(module): name for name, module in cut.encoder.named_modules()}
    for module, _ in ran_before(cut, batch):
        name = names[id(module)]
        if isinstance(module, nn.modules.dropout._DropoutNd) and module.p > 0:
            return f"{name} drops out at random before the blocks that train (p={module.p:g})"
        if isinstance(module, _BatchNorm):
            return f"{name} normalises over the batch before the blocks that train"
    hidden = [_seeded(cut, batch, seed)[1] for seed in (1, 2)]
    if not torch.equal(*hidden):
        return "what enters the blocks that train is different every time: it holds a dropout"
    return ""


def _extremes(shelf: Shelf) -> list[Batch]:
    """Return the shortest and the longest sample, each in a batch of its own."""
    sizes = [int(np.prod(entry["data"]["shape"])) for entry in shelf.decoded.index]
    places = {int(np.argmin(sizes)), int(np.argmax(sizes))}
    return [shelf.batch(shelf.decoded.rows[p : p + 1]) for p in sorted(places)]


def _not_told(batch: Batch, shape: torch.Size) -> str:
    """Return why samples of different size cannot be told from their padding, or ""."""
    values, valid = batch.values, batch.valid
    told = values.ndim == 2 and valid is not None and valid.shape == values.shape
    if told and len(shape) > 2 and shape[1] == values.shape[1]:
        return ""
    return "samples differ in size, and the valid mask does not say which tokens are padding"


def _fitting(cut: Cut, before: list[nn.Module], batch: Batch, *, ragged: bool) -> Cut | None:
    """Return the cut that skips most and still gives the plain features, or None."""
    plain, hidden = _seeded(cut, batch)
    if ragged:
        hidden = hidden.clone()
        for row, length in enumerate(token_counts(batch)):
            hidden[row, length:] = 0
    entry = entry_module(before, cut.encoder, batch)
    alike = before[_same_kind(before, cut.first) :]
    for skipped in (() if entry is None else (entry, *before), tuple(before), tuple(alike)):
        trial = replace(cut, skipped=skipped)
        if skipped and _runs(trial, batch, hidden, plain=plain):
            return trial
    return None


def _same_kind(before: list[nn.Module], first: nn.Module) -> int:
    """Return where the run of blocks of the cut's own kind begins."""
    kinds = [_kind(block) for block in before]
    start = len(kinds)
    while start and kinds[start - 1] == _kind(first):
        start -= 1
    return start


def _kind(block: nn.Module) -> str:
    return f"{type(block).__module__}.{type(block).__qualname__}"


def _runs(cut: Cut, batch: Batch, hidden: Tensor, *, plain: Features) -> bool:
    """Whether the features behind the cut equal the plain ones bit by bit."""
    torch.manual_seed(0)
    try:
        found = cut.resume(batch, hidden)
    except _CANNOT:  # an encoder that cannot run so is an answer
        return False
    if not torch.equal(found.pooled, plain.pooled):
        return False
    if found.tokens is None or plain.tokens is None:
        return found.tokens is plain.tokens
    if plain.token_valid is None:
        return torch.equal(found.tokens, plain.tokens)
    return torch.equal(found.tokens[plain.token_valid], plain.tokens[plain.token_valid])


def _seeded(cut: Cut, batch: Batch, seed: int = 0) -> tuple[Features, Tensor]:
    torch.manual_seed(seed)
    return cut.observe(batch)


@contextmanager
def _as_found(tower: Tower) -> Iterator[None]:
    """Try things out on a tower without a graph, then give back its modes, buffers and chance."""
    modes = [(module, module.training) for module in tower.modules()]
    buffers = [(buffer, buffer.detach().clone()) for buffer in tower.buffers()]
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        try:
            yield
        finally:
            for module, training in modes:
                module.training = training
            for buffer, value in buffers:
                buffer.copy_(value)


def _key(part: Part, shelf: Shelf, cut: Cut, *, suffix: list[nn.Module]) -> dict[str, str]:
    """Return what the hidden states depend on."""
    inside = {id(t) for block in suffix for t in (*block.parameters(), *block.buffers())}
    state = cut.encoder.state_dict(keep_vars=True)
    weights = {name: t for name, t in state.items() if id(t) not in inside}
    modules = {id(m) for block in suffix for m in block.modules()}
    structure = [
        f"{name} {_kind(m)} {m.extra_repr()}"
        for name, m in cut.encoder.named_modules()
        if id(m) not in modules
    ]
    chosen = {
        "encoder": part.entry.name,
        "options": part.encoder_options.model_dump(mode="json"),
        "input": part.modality.contract(part.options),
    }
    return {
        "weights": tensor_digest(weights),
        "structure": digest_of(structure),
        "input": digest_of(chosen),
        "samples": digest_of(list(shelf.decoded.digests)),
    }
