"""Tells a person how far a run is: a bar on a terminal, plain lines in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any, Protocol

EVERY_SECONDS = 5.0


class Progress(Protocol):
    """What a run reports to."""

    def stage(self, name: str, note: str = "") -> None:
        """A stage begins; `note` says when it was found complete."""

    def step(self, row: Mapping[str, Any]) -> None:
        """A line of the training log."""

    def say(self, text: str) -> None:
        """Something a person should read."""


class Quiet:
    """Reports nothing."""

    def stage(self, name: str, note: str = "") -> None:
        """Ignore the stage."""

    def step(self, row: Mapping[str, Any]) -> None:
        """Ignore the step."""

    def say(self, text: str) -> None:
        """Ignore the text."""


class Lines:
    """Plain lines on standard error, at most one training line every few seconds."""

    def __init__(self) -> None:
        self.last = 0.0
        self.begun = time.monotonic()

    def stage(self, name: str, note: str = "") -> None:
        """Print the stage and the seconds since the run began."""
        self.say(f"[{time.monotonic() - self.begun:6.1f} s] {name}{f': {note}' if note else ''}")

    def step(self, row: Mapping[str, Any]) -> None:
        """Print epoch, loss and validation now and then."""
        now = time.monotonic()
        if "validation" in row or now - self.last >= EVERY_SECONDS:
            self.last = now
            self.say("           " + describe(row))

    def say(self, text: str) -> None:
        """Print a line."""
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


class Bar(Lines):
    """One line that a terminal redraws, under the stages already done."""

    def __init__(self) -> None:
        super().__init__()
        from rich.console import Console

        self.console = Console(stderr=True)
        self.status = self.console.status("starting")
        self.status.start()

    def step(self, row: Mapping[str, Any]) -> None:
        """Redraw the status line."""
        self.status.update(describe(row))

    def say(self, text: str) -> None:
        """Print above the status line."""
        self.console.print(text, highlight=False, markup=False)

    def close(self) -> None:
        """Leave the terminal as it was."""
        self.status.stop()


def describe(row: Mapping[str, Any]) -> str:
    """Return a training row in words.

    >>> describe({"stage": "align", "epoch": 2, "step": 40, "loss": 1.25})
    'align epoch 2 step 40 loss 1.250'
    """
    words = [str(row.get("stage", "")), f"epoch {row.get('epoch')}", f"step {row.get('step')}"]
    for name in ("loss", "validation"):
        if name in row:
            words.append(f"{name} {float(row[name]):.3f}")
    return " ".join(w for w in words if w)
