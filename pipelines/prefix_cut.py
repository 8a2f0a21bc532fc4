"""Enters an encoder at a block in its middle, with the hidden state that reaches that block.

Legend: B batch, T tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from workbench.encoder import Features
from workbench.errors import Failure
from workbench.modality import Batch


@dataclass(frozen=True)
class Cut:
    """Where an encoder is entered.

    Attributes:
        encoder: called with a batch; wrapped by peft where it has adapters.
        first: the first block that runs; everything that trains lies in it or behind it.
        skipped: modules before it that need not run, because all they make is its hidden state.
    """

    encoder: nn.Module
    first: nn.Module
    skipped: tuple[nn.Module, ...] = ()

    def observe(
        self, batch: Batch, change: Callable[[Tensor], Tensor] | None = None
    ) -> tuple[Features, Tensor]:
        """Run the whole encoder and return its features with the hidden state at the cut.

        Args:
            batch: what to encode.
            change: applied to the hidden state before the first block sees it, as rounding.

        Raises:
            Failure: the block ran never or more than once, or its first argument is no tensor.
        """
        seen: list[Tensor] = []

        def note(module: nn.Module, args: Any, kwargs: Any) -> Any:
            del module
            hidden = _first_tensor(args, kwargs)
            seen.append(hidden.detach() if change is None else change(hidden.detach()))
            return None if change is None else _replaced(args, kwargs, seen[-1])

        with _hooked(self.first, note):
            features = self.encoder(batch)
        if len(seen) != 1:
            raise Failure(f"the block at the cut ran {len(seen)} times in one pass, not once")
        return features, seen[0]

    def resume(self, batch: Batch, hidden: Tensor) -> Features:
        """Run what lies behind the cut on a hidden state that was kept.

        The encoder itself still runs around its blocks, so masks and pooling come from the batch.
        """
        with ExitStack() as stack:
            for module in self.skipped:
                stack.enter_context(_answering(module, hidden))
            stack.enter_context(
                _hooked(self.first, lambda _, args, kwargs: _replaced(args, kwargs, hidden))
            )
            found: Features = self.encoder(batch)
        return found


def ran_before(cut: Cut, batch: Batch) -> list[tuple[nn.Module, Any]]:
    """Return the modules that finish before the cut, in order, each with what it returned."""
    done: list[tuple[nn.Module, Any]] = []
    reached: list[bool] = []

    def finished(module: nn.Module, args: Any, output: Any) -> None:
        del args
        if not reached:
            done.append((module, output))

    with ExitStack() as stack:
        for module in cut.encoder.modules():
            stack.callback(module.register_forward_hook(finished).remove)
        stack.enter_context(_hooked(cut.first, lambda *_: reached.append(True)))
        cut.encoder(batch)
    return done


def entry_module(blocks: Sequence[nn.Module], encoder: nn.Module, batch: Batch) -> nn.Module | None:
    """Return the module whose output is handed, untouched, to the first of all blocks."""
    whole = Cut(encoder, blocks[0])
    given: list[Any] = []
    with _hooked(blocks[0], lambda _, args, kwargs: given.append(_first_tensor(args, kwargs))):
        before = ran_before(whole, batch)
    same = [module for module, output in before if given and output is given[0]]
    return same[-1] if same else None


@contextmanager
def _answering(module: nn.Module, hidden: Tensor) -> Iterator[None]:
    """Let a module return the hidden state instead of computing."""
    own = vars(module).get("forward")
    vars(module)["forward"] = lambda *args, **kwargs: hidden
    try:
        yield
    finally:
        del vars(module)["forward"]
        if own is not None:
            vars(module)["forward"] = own


@contextmanager
def _hooked(module: nn.Module, hook: Callable[[nn.Module, Any, Any], Any]) -> Iterator[None]:
    """Call a hook before a module runs, with its positional and its keyword arguments."""
    handle = module.register_forward_pre_hook(hook, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


def _first_tensor(args: Any, kwargs: Any) -> Tensor:
    """Return the hidden state: the first argument."""
    hidden = args[0] if args else next(iter(kwargs.values()), None)
    if not isinstance(hidden, Tensor):
        raise Failure(f"the first argument of the block is {type(hidden).__name__}, no tensor")
    return hidden


def _replaced(args: Any, kwargs: Any, hidden: Tensor) -> tuple[Any, Any]:
    """Return the arguments with another hidden state."""
    if args:
        return (hidden, *args[1:]), kwargs
    return args, {**kwargs, next(iter(kwargs)): hidden}
