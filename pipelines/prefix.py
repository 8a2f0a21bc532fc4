"""Trains the last blocks of an encoder on what its frozen first blocks returned once per sample.

Where nothing before block k trains, nothing there is random and every epoch sees the same samples,
the hidden state that enters block k is the same in every epoch. It is written the first time a
sample is met and read back ever after, so that an epoch costs the last blocks alone.

Legend: B batch, T tokens.
"""

from __future__ import annotations

import zlib
from pathlib import Path

import torch
from torch import Tensor

from pipelines.placement import device_of, sent
from pipelines.prefix_check import PrefixPlan, plan_prefix, token_counts
from pipelines.prefix_rows import DTYPES, Places, RowStore, StoredDtype
from workbench.encoder import Features
from workbench.modality import Batch

__all__ = ["PrefixCache", "PrefixPlan", "plan_prefix"]


class PrefixCache:
    """The kept hidden states of one tower; they build themselves as samples are met.

    With `fp32` the features, losses and gradients of every epoch are those of the uncached run, bit
    by bit, wherever the processor's matrix product treats a row alike in every batch; rows that met
    other padding agree to float32 rounding. With `fp16` and `bf16` the hidden state is rounded
    from the first epoch on, so that training agrees with itself.

    Args:
        plan: where the encoder is cut, from `plan_prefix`.
        folder: a folder of its own, deleted with the run's progress.
        dtype: how hidden states are stored; fp16 and bf16 take half the disk.

    Attributes:
        read: samples taken from disk so far.
        computed: samples that ran through the whole encoder so far.
    """

    def __init__(self, plan: PrefixPlan, folder: Path, dtype: StoredDtype = "fp32") -> None:
        self.plan, self.folder, self.dtype = plan, folder, dtype
        self.stores: dict[str, RowStore] = {}
        self.read = self.computed = 0

    def features(self, batch: Batch, places: Places) -> Features:
        """Return the encoder's features; gradients flow through the blocks behind the cut.

        Args:
            batch: the samples, as the shelf gave them.
            places: (B,) their positions in `shelf.decoded`. Rows that differ from those first met
                there, such as masked views, run through the whole encoder and are not kept.
        """
        store = self._store()
        device = device_of(self.plan.cut.encoder)
        hidden = self._kept(store, batch, places)
        if hidden is not None:
            self.read += len(batch)
            return self.plan.cut.resume(*sent((batch, hidden), device))
        stored, seen = DTYPES[self.dtype], sent(batch, device)
        features, hidden = self.plan.cut.observe(seen, lambda h: h.to(stored).to(h.dtype))
        self.computed += len(batch)
        self._keep(store, batch, places, hidden=hidden)
        return features

    def _store(self) -> RowStore:
        """Return the rows of this precision: autocast changes what the first blocks compute."""
        kind = device_of(self.plan.cut.encoder).type
        autocast = torch.is_autocast_enabled(kind)
        name = str(torch.get_autocast_dtype(kind)).removeprefix("torch.") if autocast else "plain"
        if name not in self.stores:
            key = {**self.plan.key, "autocast": name, "torch": torch.__version__, "device": kind}
            self.stores[name] = RowStore(
                self.folder / name, key,
                count=self.plan.count, trailing=self.plan.trailing, dtype=self.dtype,
            )  # fmt: skip
        return self.stores[name]

    def _kept(self, store: RowStore, batch: Batch, places: Places) -> Tensor | None:
        """Return the hidden state of the batch, padded with zeros, or None when a row is missing."""
        lengths = store.lengths(places)
        tokens = batch.values.shape[1] if self.plan.ragged else int(lengths.max())
        if not lengths.all() or lengths.max() > tokens:
            return None
        padded = bool((lengths != tokens).any())
        if padded and not self.plan.ragged:
            return None
        fill = torch.zeros if padded else torch.empty
        hidden = fill(len(places), tokens, *store.trailing, dtype=store.dtype)
        for row, place in enumerate(places):
            if store.source(int(place)) != check_value(batch, row):
                return None
            if not store.read(int(place), hidden[row, : int(lengths[row])]):
                store.forget(int(place))
                return None
        return hidden.to(store.kind(int(places[0])))

    def _keep(self, store: RowStore, batch: Batch, places: Places, *, hidden: Tensor) -> None:
        """Write the rows that are not there yet; a row without any valid token is never kept."""
        if tuple(hidden.shape[2:]) != store.trailing:
            return
        lengths = token_counts(batch) if self.plan.ragged else [hidden.shape[1]] * len(batch)
        missing = store.lengths(places) == 0
        for row in missing.nonzero()[0]:
            if lengths[row]:
                kept = hidden[row, : lengths[row]]
                store.put(int(places[row]), kept, check_value(batch, int(row)))


def check_value(batch: Batch, row: int) -> int:
    """Return the CRC-32 of a batch row; where it has tokens, padding behind the last is left out."""
    values, valid = batch.values[row], None if batch.valid is None else batch.valid[row]
    if valid is not None and valid.shape == values.shape and valid.ndim == 1:
        length = token_counts(batch.select(slice(row, row + 1)))[0]
        values, valid = values[:length], valid[:length]
    found = zlib.crc32(values.contiguous().numpy().data)
    return found if valid is None else zlib.crc32(valid.contiguous().numpy().data, found)
