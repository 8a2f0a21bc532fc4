"""Exponential averages of a module's weights, which stand in for the weights when asked to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Averages:
    """A slow copy of what trains: average <- decay * average + (1 - decay) * weight.

    Only trainable parameters are averaged (Tarvainen and Valpola, arXiv 1703.01780); buffers, such
    as running means, are taken over as they are. Frozen weights are shared with the module, so no
    second copy of a frozen base is held.

    Args:
        module: what is averaged; which parameters train must not change afterwards.
        decay: 0..1; at 0 the averages are the weights, at 1 they stay what they were.

    Raises:
        ValueError: the decay lies outside 0..1.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        if not 0.0 <= decay <= 1.0:
            raise ValueError(f"decay is {decay}, expected a number from 0 to 1")
        self.decay = decay
        self._weights = {n: p for n, p in module.named_parameters() if p.requires_grad}
        self._buffers = dict(module.named_buffers())
        live = {**self._weights, **self._buffers}
        self._slow = {name: tensor.detach().clone() for name, tensor in live.items()}
        self._standing_in = False

    def update(self) -> None:
        """Move every average towards its weight; call it once the optimiser has stepped."""
        self._refuse_while_standing_in()
        with torch.no_grad():
            for name, weight in self._weights.items():
                self._slow[name].lerp_(weight, 1.0 - self.decay)
            for name, buffer in self._buffers.items():
                self._slow[name].copy_(buffer)

    def state(self) -> Mapping[str, Tensor]:
        """Return the averages under the module's own names; copy into them to resume."""
        self._refuse_while_standing_in()
        return dict(self._slow)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Let the module compute with the averages, then give it back its own weights, untouched.

        Storage changes hands and nothing is copied: graphs recorded before stay valid for a
        backward pass afterwards. What the module does to its buffers meanwhile is done to the
        averages'. No gradient may be recorded inside.
        """
        self._refuse_while_standing_in()
        self._exchange()
        self._standing_in = True
        try:
            yield
        finally:
            self._standing_in = False
            self._exchange()

    def _exchange(self) -> None:
        for name, tensor in (*self._weights.items(), *self._buffers.items()):
            slow = self._slow[name]
            tensor.data, slow.data = slow.data, tensor.data

    def _refuse_while_standing_in(self) -> None:
        if self._standing_in:
            raise RuntimeError("the averages stand in for the weights; leave `applied()` first")
