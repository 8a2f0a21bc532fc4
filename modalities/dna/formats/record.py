"""What every format gives: one named sequence, as it was written."""

from __future__ import annotations

from typing import NamedTuple


class Record(NamedTuple):
    """One record of a file.

    Attributes:
        names: what a manifest cell may call it after `#`, most specific first.
        letters: the sequence as written, white space removed.
        marker: gene marker of the row, such as "COI-5P"; empty where the format has none.
    """

    names: tuple[str, ...]
    letters: str
    marker: str = ""
