"""Runs one function over independent parts on as many threads as torch multiplies with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Part = TypeVar("Part")


def in_threads(work: Callable[[Part], None], parts: Sequence[Part]) -> None:
    """Call `work` on every part and return when all are done; numpy lets go of the interpreter.

    Each part writes its own place, so the number of threads changes no value. What a part raises
    is raised here.
    """
    import torch

    threads = min(torch.get_num_threads(), len(parts))
    if threads <= 1:
        for part in parts:
            work(part)
        return
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(work, parts):
            pass
