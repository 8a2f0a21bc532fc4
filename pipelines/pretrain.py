"""Masked pretraining of one modality: the encoder learns to fill in what its modality hid.

Legend: B rows, T tokens, P elements under a token, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipelines.batch import Rows, Shelf, epoch_batches
from pipelines.placement import device_of, sent
from pipelines.processes import Processes
from workbench.config import PretrainConfig
from workbench.encoder import Encoder, Features
from workbench.errors import Failure
from workbench.manifest import Manifest
from workbench.modality import Batch, Masked
from workbench.seeding import derive_seed, keyed_rng


class MaskedModelling:
    """A lesson for `fit`: hide, encode, predict the hidden elements from the tokens.

    Continuous targets cost the squared error, categorical ones the cross-entropy, both over the
    hidden elements only. Of several processes each encodes its share of a batch, and counts its
    costs against the hidden elements of the whole batch.
    """

    def __init__(
        self, encoder: Encoder, shelf: Shelf, manifest: Manifest, config: PretrainConfig,
        seed: int, *, processes: Processes | None = None,
    ) -> None:  # fmt: skip
        self.encoder, self.shelf, self.config, self.seed = encoder.train(), shelf, config, seed
        self.manifest, self.processes = manifest, processes or Processes.alone()
        self.rows = _rows(shelf, manifest, "train")
        self.held = _rows(shelf, manifest, "val")
        self.ids = [manifest.ids[int(r)] for r in self.rows]
        torch.manual_seed(derive_seed(seed, "mask head", shelf.part.key) % 2**63)
        self.head = sent(self._build_head(), self.device)

    @property
    def device(self) -> torch.device:
        """Where the encoder computes."""
        return device_of(self.encoder)

    def parameters(self) -> Mapping[str, nn.Parameter]:
        """Encoder and prediction head."""
        mine = {f"encoder.{n}": p for n, p in self.encoder.named_parameters()}
        return {**mine, **{f"head.{n}": p for n, p in self.head.named_parameters()}}

    def buffers(self) -> Mapping[str, Tensor]:
        """Buffers of the encoder."""
        return {f"encoder.{n}": b for n, b in self.encoder.named_buffers()}

    def batches(self, epoch: int) -> Sequence[Rows]:
        """Training rows that hold a sample, shuffled."""
        size = self.config.batch_size
        cut = epoch_batches(self.ids, seed=self.seed, epoch=epoch, size=size)
        return [self.rows[positions] for positions in cut]

    def prepare(self, batch: Rows, epoch: int) -> Batch:
        """Draw the training views of a batch."""
        return self.shelf.view(batch, self.manifest.ids, seed=self.seed, epoch=epoch)

    def learn(self, batch: Rows, views: Batch, step: int) -> Mapping[str, float]:
        """Back-propagate this process's share of a batch."""
        del batch
        torch.manual_seed(self._dropout_seed(step))
        masked = self._hide(views, ("train", step))
        mine = self.processes.share(len(views))
        value = 0.0
        if mine.start < mine.stop:
            loss = self._loss(masked, mine)
            loss.backward()  # type: ignore[no-untyped-call]
            value = float(loss.detach())
        self.processes.sum_gradients(self.parameters().values())
        return self.processes.sum_logs({"loss": value})

    def after_step(self) -> None:
        """Nothing follows a step."""

    def validate(self) -> float | None:
        """Return minus the loss on validation rows, with masks that never change."""
        if len(self.held) == 0:
            return None
        self.encoder.eval()
        losses, size = [], self.config.batch_size
        with torch.no_grad():
            for i in range(0, len(self.held), size):
                batch = self.shelf.batch(self.held[i : i + size])
                loss = self._loss(self._hide(batch, ("val", i)), slice(0, len(batch)))
                losses.append(float(loss) * len(batch))
        self.encoder.train()
        return -sum(losses) / len(self.held)

    def describe(self, batch: Rows) -> str:
        """Return the row ids of a batch."""
        return ", ".join(self.manifest.ids[int(r)] for r in batch)

    def _hide(self, batch: Batch, key: tuple[object, ...]) -> Masked:
        rng = keyed_rng(self.seed, "mask", self.shelf.part.key, *key)
        part = self.shelf.part
        return part.modality.mask(batch, rng, part.options, ratio=self.config.mask_ratio)

    def _build_head(self) -> nn.Linear:
        """Size the prediction head from one batch, before any training."""
        if len(self.rows) == 0:
            raise Failure(f"{self.shelf.part.key}: no training row to pretrain on")
        masked = self._hide(self.shelf.batch(self.rows[:1]), ("size",))
        with torch.no_grad():
            seen = sent(masked.batch, self.device)
            tokens = _tokens(self.encoder(seen), self.shelf.part.key)
        elements = self.encoder.patchify(masked.target).shape[2]
        return nn.Linear(tokens.shape[2], elements * (masked.classes or 1))

    def _loss(self, masked: Masked, mine: slice) -> Tensor:
        """Return what some rows of a batch add to its mean cost per hidden element."""
        hidden = self.encoder.patchify(sent(masked.hidden, self.device)).bool()
        count = hidden.sum().clamp_min(1)
        target = self.encoder.patchify(sent(masked.target[mine], self.device))
        hidden, features = hidden[mine], self.encoder(sent(masked.batch.select(mine), self.device))
        tokens = _tokens(features, self.shelf.part.key)
        if self.encoder.drop_tokens and features.token_valid is not None:
            hidden = hidden & features.token_valid[..., None]  # what was left out costs nothing
        guess = self.head(tokens.to(self.head.weight.dtype))
        if masked.classes is None:
            error = (guess.float() - target.float()).square()
            mean: Tensor = (error * hidden).sum() / count
            return mean
        logits = guess.unflatten(-1, (target.shape[2], masked.classes))
        costs = functional.cross_entropy(
            logits[hidden].float(), target[hidden].long(), reduction="sum"
        )
        return costs / count

    def _dropout_seed(self, step: int) -> int:
        """Return a seed of its own for every step and share."""
        share = (self.processes.rank,) if self.processes.rank else ()
        return derive_seed(self.seed, "dropout", step, *share) % 2**63


def _tokens(features: Features, key: str) -> Tensor:
    if features.tokens is None:
        raise Failure(f"{key}: the encoder gives no tokens, so it cannot be pretrained by masking")
    return features.tokens


def _rows(shelf: Shelf, manifest: Manifest, split: str) -> Rows:
    kept = [int(r) for r in shelf.decoded.rows if manifest.splits[int(r)] == split]
    return torch.tensor(kept, dtype=torch.int64).numpy()
