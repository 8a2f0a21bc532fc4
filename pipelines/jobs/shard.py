"""Cuts the work of a job into shards of an array, and a shard into chunks for its workers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import TypeVar

from workbench.errors import Refusal

T = TypeVar("T")


@dataclass(frozen=True)
class Shard:
    """Part `index` of `count`, counted from 1."""

    index: int = 1
    count: int = 1

    def of(self, items: Sequence[T]) -> Sequence[T]:
        """Return this shard's items: a run of neighbours, so that a store is in few shards.

        >>> [Shard(i, 3).of("abcdefg") for i in (1, 2, 3)]
        ['ab', 'cd', 'efg']
        """
        total = len(items)
        start, stop = ((self.index - 1) * total // self.count, self.index * total // self.count)
        return items[start:stop]

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


def parse_shard(text: str) -> Shard:
    """Return the shard of "i/n".

    Raises:
        Refusal: other words, or i is not from 1 to n.

    >>> parse_shard("2/8")
    Shard(index=2, count=8)
    """
    found = re.fullmatch(r"(\d+)/(\d+)", text.strip())
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        raise Refusal("E-JOB-002", file="--shard", field="shard", found=repr(text),
                      expected="i/n with i from 1 to n, such as 3/8")  # fmt: skip
    return Shard(int(found[1]), int(found[2]))


def cut(items: Sequence[T], parts: int) -> Iterator[Sequence[T]]:
    """Yield items in at most so many runs of about equal length, none empty.

    >>> list(cut("abcde", 2))
    ['abc', 'de']
    """
    size = max(1, ceil(len(items) / max(parts, 1)))
    for start in range(0, len(items), size):
        yield items[start : start + size]
