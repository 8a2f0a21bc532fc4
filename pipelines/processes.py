"""The processes of one run: who they are, and every way in which they meet.

A process on its own needs no torch.distributed: each of these is then the identity.

Legend: B rows of the whole batch, b rows of one process.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from pipelines.gathering import Gather, Tie, sum_gradients
from pipelines.watchdog import Watchdog, watching
from workbench.errors import Failure

PATIENCE = timedelta(minutes=30)
"""How long a collective waits for processes that are alive but late."""


@dataclass(frozen=True)
class Processes:
    """This process among those that train together.

    Every method but `alone` and the properties is called by all processes, in the same order.

    Attributes:
        rank: number of this process; 0 is the one that writes.
        world: number of processes.
        watch: looks after the others; None when there are none.
        anchors: what everything gathered hangs on; none for a process alone. Who asks
            `torch.autograd.grad` for some inputs only adds these, or a process whose own rows lead
            to none of the inputs leaves the others waiting.
    """

    rank: int
    world: int
    watch: Watchdog | None = field(default=None, repr=False, compare=False)
    anchors: tuple[Tensor, ...] = field(default=(), repr=False, compare=False)

    @classmethod
    def alone(cls) -> Processes:
        """Return a process that meets no other."""
        return cls(0, 1)

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes."""
        return self.rank == 0

    def share(self, count: int, rank: int | None = None) -> slice:
        """Return which of so many rows a process, by default this one, is given."""
        mine = self.rank if rank is None else rank
        return slice(count * mine // self.world, count * (mine + 1) // self.world)

    def gather(self, x: Tensor, counts: Sequence[int]) -> Tensor:
        """Return the rows of all processes, (b, ...) to (B, ...), with their gradient.

        Args:
            x: rows of this process; (0, ...) where it has none.
            counts: b of every process.
        """
        return self.gather_all([x], [counts])[0]

    def gather_all(
        self, parts: Sequence[Tensor], counts: Sequence[Sequence[int]]
    ) -> tuple[Tensor, ...]:
        """Return several tensors with the rows of all processes.

        In the backward pass their gradients are summed over processes and each keeps its own
        rows, so that the losses of the processes act as one sum. All of them take part in it:
        back-propagate `tie(loss, gathered)`, or a process that used no row leaves the others
        waiting.

        Args:
            parts: (b, ...) each, equal between processes but for b.
            counts: b of every process, for each tensor.
        """
        if self.world == 1:
            return tuple(parts)
        with self._meeting("gathering features"):
            found: tuple[Tensor, ...] = Gather.apply(self.rank, counts, *self.anchors, *parts)  # type: ignore[no-untyped-call]
        return found

    def tie(self, loss: Tensor, gathered: Sequence[Tensor]) -> Tensor:
        """Return the loss, made to depend on what was gathered; its value and gradient stay."""
        if self.world == 1:
            return loss
        known = [x for x in gathered if x.requires_grad]
        tied: Tensor = Tie.apply(loss, *known)  # type: ignore[no-untyped-call]
        return tied

    def backward(self, loss: Tensor) -> None:
        """Back-propagate a tied loss; a process that is lost meanwhile is named."""
        with self._meeting("summing the gradient of gathered features"):
            loss.backward()  # type: ignore[no-untyped-call]

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace gradients by their sum over processes; one that nobody has stays None."""
        if self.world > 1:
            with self._meeting("summing gradients"):
                sum_gradients(parameters)

    def sum_logs(self, logs: Mapping[str, float]) -> dict[str, float]:
        """Sum figures over processes; all give the same names."""
        if self.world == 1 or not logs:
            return dict(logs)
        names = sorted(logs)
        values = torch.tensor([logs[k] for k in names], dtype=torch.float64)
        with self._meeting("summing losses"):
            dist.all_reduce(values)
        return dict(zip(names, values.tolist(), strict=True))

    def largest(self, number: int) -> int:
        """Return the largest of the processes' numbers, such as tokens in a row."""
        if self.world == 1:
            return number
        found = torch.tensor([number], dtype=torch.int64)
        with self._meeting("comparing numbers"):
            dist.all_reduce(found, op=dist.ReduceOp.MAX)
        return int(found.item())

    def from_first(self, name: str, make: Callable[[], Any]) -> Any:
        """Return what the first process makes, as JSON; the others wait for it, however long.

        Args:
            name: what is made, for the message should the first process be lost.
            make: called on the first process only.
        """
        if self.watch is None:
            return make()
        if self.first:
            self.watch.at(name)
            value = make()
            self.watch.tell(json.dumps(value))
            return value
        self.watch.at(f"waiting for rank 0: {name}")
        return json.loads(self.watch.hear())

    def first_does(self, name: str, work: Callable[[], None]) -> None:
        """Let the first process work while the others wait until it is done."""
        self.from_first(name, work)

    def barrier(self, name: str) -> None:
        """Wait until all processes have come this far."""
        if self.world > 1:
            with self._meeting(name):
                dist.all_reduce(torch.zeros(1))

    def at(self, place: str) -> None:
        """Note where this process is, for the message should it be lost."""
        if self.watch is not None:
            self.watch.at(place)

    @contextmanager
    def _meeting(self, doing: str) -> Iterator[None]:
        """Turn the end of a connection into the name of the process that ended."""
        if self.watch is None:
            yield
            return
        try:
            yield
        except RuntimeError as error:
            self.watch.name_the_lost()
            raise Failure(f"rank {self.rank}: {doing} failed: {error}") from error


@contextmanager
def started() -> Iterator[Processes]:
    """Join the processes that torchrun started, and leave them at the end; alone without it.

    A process that ends early takes the others with it: within half a minute each prints which rank
    was lost and where, and exits with code 3, or with the code that the first to stop gave.

    Raises:
        Failure: WORLD_SIZE is set, but the other variables of torchrun are not.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield Processes.alone()
        return
    missing = [k for k in ("RANK", "MASTER_ADDR", "MASTER_PORT") if k not in os.environ]
    if missing:
        raise Failure(f"WORLD_SIZE is {world} but {missing[0]} is not set; start with torchrun")
    rank = int(os.environ["RANK"])
    _take_device()
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(backend, rank=rank, world_size=world, timeout=PATIENCE)
    with watching(rank, world, PATIENCE) as watch:
        processes = Processes(rank, world, watch, (torch.zeros((), requires_grad=True),))
        yield processes
        processes.barrier("the end of the run")
    dist.destroy_process_group()


def _take_device() -> None:
    """Give each process of a host its own accelerator."""
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
