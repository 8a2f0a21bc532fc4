"""The one training loop: AdamW, warm-up then cosine, clipping, bf16, checkpoints, early stopping."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from pipelines.checkpoint import Progress, load_progress, save_progress
from pipelines.parts import clipped, part_like, whole
from pipelines.placement import precision
from pipelines.processes import Processes
from pipelines.signals import collected
from workbench.config import FitConfig
from workbench.errors import Failure, Stopped

MOMENTS = ("exp_avg", "exp_avg_sq")
"""What AdamW keeps of each weight beside its number of steps."""


class Lesson(Protocol):
    """What is trained: the parameters, the batches, and how a batch becomes gradients.

    Where several processes train, each runs the same lesson on the same batches; what `learn`
    leaves and returns is that of the whole batch on all of them.
    """

    def parameters(self) -> Mapping[str, nn.Parameter]:
        """Trainable parameters by name."""

    def buffers(self) -> Mapping[str, Tensor]:
        """State that training changes in place beside the parameters, such as running means."""

    def batches(self, epoch: int) -> Sequence[Any]:
        """The batches of an epoch; the same list every time it is asked for."""

    def prepare(self, batch: Any, epoch: int) -> Any:
        """Make what a batch needs before the encoders; runs beside the batch before it."""

    def learn(self, batch: Any, views: Any, step: int) -> Mapping[str, float]:
        """Add gradients for one batch and return what to log, "loss" among it; {} skips."""

    def after_step(self) -> None:
        """Adjust state after the optimiser's step."""

    def validate(self) -> float | None:
        """Return a figure to maximise on validation rows, or None when there are none."""

    def describe(self, batch: Any) -> str:
        """Name the rows of a batch, for the message when its loss is not finite."""


@dataclass(frozen=True)
class FitFolder:
    """Where a fit keeps its checkpoints, what must match to resume, and where it logs."""

    path: Path
    key: Mapping[str, Any]
    log: Callable[[Mapping[str, Any]], None]
    rewind: Callable[[int], None]


def fit(
    lesson: Lesson, config: FitConfig, folder: FitFolder, patience: int | None = None,
    processes: Processes | None = None,
) -> None:  # fmt: skip
    """Train until the epochs are over or validation stops improving; resumes by itself.

    Ends with the parameters of the best validation when there is one, else the last.

    Args:
        lesson: what is trained.
        config: epochs and rates.
        folder: where checkpoints and log lines go; only the first process writes there.
        patience: epochs without a better validation before it stops.
        processes: who trains together; by default this process alone.

    Raises:
        Failure: a loss, gradient or validation is not finite (nothing is saved).
        Stopped: SIGTERM or SIGINT arrived; a checkpoint was written.
    """
    loop = _Loop(lesson, config, folder, processes=processes or Processes.alone())
    loop.patience = patience
    loop.restore()
    with collected() as caught, ThreadPoolExecutor(max_workers=1) as helper:
        while not loop.finished():
            loop.step(helper)
            stop = loop.processes.largest(caught[0] if caught else 0)
            if stop:
                loop.save()
                loop.processes.barrier("the checkpoint before stopping")
                raise Stopped(stop, f"checkpoint at step {loop.progress.step}")
    loop.take_best()


class _Loop:
    """The state of one fit."""

    def __init__(
        self, lesson: Lesson, config: FitConfig, folder: FitFolder, *, processes: Processes
    ) -> None:
        self.lesson, self.config, self.folder, self.processes = lesson, config, folder, processes
        self.patience: int | None = None
        self.weights = dict(lesson.parameters())
        self.device = next((w.device for w in self.weights.values()), torch.device("cpu"))
        self.bf16 = precision(config.precision, self.device).name == "bf16"
        self.optimizer = torch.optim.AdamW(_groups(self.weights, config), lr=config.learning_rate)
        self.per_epoch = len(lesson.batches(0))
        if self.per_epoch == 0:
            raise Failure("nothing to train on: no batch holds rows that this stage can use")
        self.total = self.per_epoch * config.epochs
        self.progress = Progress(facts={"best": None, "stale": 0, "stopped": False})
        self.every = config.checkpoint_every or self.per_epoch
        self.epoch_batches: dict[int, Sequence[Any]] = {}
        self.ahead: tuple[int, Future[Any]] | None = None

    def finished(self) -> bool:
        return self.progress.step >= self.total or bool(self.progress.facts["stopped"])

    def step(self, helper: Executor) -> None:
        done = self.progress.step
        epoch, position = divmod(done, self.per_epoch)
        self.processes.at(f"{self.folder.path.name} step {done}")
        batch, views = self._prepared(done, helper)
        rate = self._rate(done)
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            logs = self.lesson.learn(batch, views, done)
        if logs:
            self._apply(batch, logs, rate)
        self.progress.step = done + 1
        self.folder.log({"step": done, "epoch": epoch, "learning_rate": rate, **logs})
        if position == self.per_epoch - 1:
            self._end_epoch(epoch)
        if self.progress.step % self.every == 0 or self.finished():
            self.save()

    def _prepared(self, step: int, helper: Executor) -> tuple[Any, Any]:
        """Return a step's batch and views, and let the helper begin the next step's.

        Views come from keys of their own, so who makes them, and when, changes nothing.
        """
        batch = self._batch(step)
        if self.ahead is not None and self.ahead[0] == step:
            views = self.ahead[1].result()
        else:
            views = self.lesson.prepare(batch, step // self.per_epoch)
        self.ahead = None
        if step + 1 < self.total:
            epoch = (step + 1) // self.per_epoch
            self.ahead = (
                step + 1,
                helper.submit(self.lesson.prepare, self._batch(step + 1), epoch),
            )
        return batch, views

    def _batch(self, step: int) -> Any:
        epoch, position = divmod(step, self.per_epoch)
        if epoch not in self.epoch_batches:
            self.epoch_batches = {epoch: self.lesson.batches(epoch)}
        return self.epoch_batches[epoch][position]

    def _apply(self, batch: Any, logs: Mapping[str, float], rate: float) -> None:
        norm = clipped(self.weights.values(), self.config.clip)
        if not (math.isfinite(logs["loss"]) and bool(torch.isfinite(norm))):
            raise Failure(
                f"loss {logs['loss']}, gradient norm {float(norm)} at step {self.progress.step}; "
                f"rows {self.lesson.describe(batch)}; lower learning_rate or look at these rows"
            )
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        self.lesson.after_step()

    def _end_epoch(self, epoch: int) -> None:
        value = self.lesson.validate()
        value = self.processes.from_first("validation", lambda: value)
        if value is None:
            return
        if not math.isfinite(value):
            raise Failure(f"validation after epoch {epoch} is {value}; nothing was saved as best")
        facts = self.progress.facts
        self.folder.log({"step": self.progress.step, "epoch": epoch, "validation": value})
        if facts["best"] is None or value > facts["best"]:
            facts.update(best=value, stale=0)
            best = {f"best/{k}": v.detach().clone() for k, v in self._state().items()}
            self.progress.tensors.update(best)
        else:
            facts["stale"] += 1
        facts["stopped"] = self.patience is not None and facts["stale"] >= self.patience

    def save(self) -> None:
        tensors = dict(self.progress.tensors)
        tensors |= {f"weight/{k}": v.detach() for k, v in self._state().items()}
        for name, weight in self.weights.items():
            for field, value in self.optimizer.state.get(weight, {}).items():
                tensors[f"moment/{field}/{name}"] = value
        content = {k: whole(v) for k, v in tensors.items()}  # all processes bring their parts
        if self.processes.first:
            progress = replace(self.progress, tensors=content)
            save_progress(self.folder.path, progress, self.folder.key)

    def restore(self) -> None:
        found = load_progress(self.folder.path, self.folder.key)
        self.folder.rewind(0 if found is None else found.step)
        self._agree(0 if found is None else found.step)
        if found is None:
            return
        self._put(found.tensors, "weight/")
        for name, weight in self.weights.items():
            if f"moment/step/{name}" in found.tensors:
                moments = {m: found.tensors[f"moment/{m}/{name}"] for m in MOMENTS}
                self.optimizer.state[weight] = {
                    "step": found.tensors[f"moment/step/{name}"],
                    **{m: part_like(value, weight.detach()) for m, value in moments.items()},
                }
        best = {k: part_like(found.tensors[f"best/{k}"], v.detach())
                for k, v in self._state().items() if f"best/{k}" in found.tensors}  # fmt: skip
        self.progress = replace(found, tensors={f"best/{k}": v for k, v in best.items()})

    def _agree(self, step: int) -> None:
        """Refuse to go on from different checkpoints, as a slow shared disk may show them."""
        largest, smallest = self.processes.largest(step), -self.processes.largest(-step)
        if largest != smallest:
            raise Failure(f"{self.folder.path.name}: the processes found checkpoints of steps "
                          f"{smallest} and {largest}; run the same command again")  # fmt: skip

    def take_best(self) -> None:
        if any(k.startswith("best/") for k in self.progress.tensors):
            self._put(self.progress.tensors, "best/")

    def _state(self) -> dict[str, Tensor]:
        """Everything that training changes, parameters and buffers, by name."""
        return {**self.weights, **self.lesson.buffers()}

    def _put(self, tensors: Mapping[str, Tensor], prefix: str) -> None:
        with torch.no_grad():
            for name, tensor in self._state().items():
                tensor.copy_(part_like(tensors[prefix + name], tensor.detach()))

    def _rate(self, step: int) -> float:
        """Linear warm-up, then cosine to one hundredth of the peak."""
        warm = max(1, round(self.config.warmup * self.total))
        if step < warm:
            return self.config.learning_rate * (step + 1) / warm
        share = (step - warm) / max(1, self.total - warm)
        return self.config.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * share)))


def _groups(weights: Mapping[str, nn.Parameter], config: FitConfig) -> list[dict[str, Any]]:
    """Decay matrices only: norms, biases and temperatures keep their scale."""
    decayed: list[Tensor] = [w for w in weights.values() if w.ndim > 1]
    kept: list[Tensor] = [w for w in weights.values() if w.ndim <= 1]
    groups = [
        {"params": decayed, "weight_decay": config.weight_decay},
        {"params": kept, "weight_decay": 0.0},
    ]
    return [g for g in groups if g["params"]]
