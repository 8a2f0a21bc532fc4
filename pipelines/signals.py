"""Turns SIGTERM and SIGINT into an end in good order."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

TWICE_SECONDS = 2.0
"""A launcher and its process group may both pass on one signal; so close, two count as one."""


@contextmanager
def collected() -> Iterator[list[int]]:
    """Collect SIGTERM and SIGINT; a second one of a kind, somewhat later, acts at once."""
    caught: list[int] = []
    first: dict[int, float] = {}
    previous: dict[int, Any] = {}

    def note(number: int, frame: FrameType | None) -> None:
        del frame
        if time.monotonic() - first.setdefault(number, time.monotonic()) > TWICE_SECONDS:
            signal.signal(number, previous[number])
            os.kill(os.getpid(), number)
        caught.append(number)

    with _handling([signal.SIGTERM, signal.SIGINT], note) as before:
        previous.update(before)
        yield caught


@contextmanager
def ended_by_term(*, after_seconds: float = 0.0) -> Iterator[None]:
    """End the block on SIGTERM with exit code 143, so that what it holds is let go."""
    owner = os.getpid()

    def end(number: int, frame: FrameType | None) -> None:
        del frame
        if os.getpid() != owner:  # a worker forked inside the block dies as it always did
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        time.sleep(after_seconds)
        sys.stderr.write(f"stopped by signal {number}; the same command goes on from here\n")
        raise SystemExit(128 + number)

    with _handling([signal.SIGTERM], end):
        yield


@contextmanager
def _handling(numbers: list[signal.Signals], handler: Any) -> Iterator[dict[int, Any]]:
    """Handle signals while the block runs; outside the main thread they stay as they are."""
    previous: dict[int, Any] = {}
    try:
        for number in numbers:
            previous[int(number)] = signal.signal(number, handler)
    except ValueError:  # not the main thread, as in some notebooks
        previous.clear()
    try:
        yield previous
    finally:
        for key, before in previous.items():
            signal.signal(key, before)
