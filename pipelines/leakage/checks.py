"""One line of the audit: what was looked for, which pairs of rows were found, what that costs."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from workbench.errors import Refusal
from workbench.manifest import Manifest

Verdict = Literal["refuse", "flag", "note"]
SHOWN = 20


@dataclass(frozen=True)
class Pair:
    """Two rows of the manifest that share what they should not.

    Attributes:
        a: position of the first row.
        b: position of the second row.
        likeness: how alike they are where that was measured, in the modality's own measure.
    """

    a: int
    b: int
    likeness: float | None = None


@dataclass(frozen=True)
class Check:
    """What one check found.

    Attributes:
        name: what was looked for, as the report prints it: "equal ecg content in two splits".
        field: what a refusal names: the column, or the modality's contents.
        code: the code of a refusal.
        verdict: what finding something means. A note is counted but makes no number doubtful.
        found: how many ids, contents or pairs were found.
        pairs: the rows, one pair for each.
        remark: what a reader must know about how it was looked for, or why it was not.
        looked: whether it was looked for at all.
        fix: what to do about it.
    """

    name: str
    field: str
    code: str
    verdict: Verdict
    found: int = 0
    pairs: Sequence[Pair] = ()
    remark: str = ""
    fix: str = ""
    looked: bool = True

    @property
    def refused(self) -> bool:
        """Whether a run must stop."""
        return self.found > 0 and self.verdict == "refuse"

    def refusal(self, manifest: Manifest) -> Refusal:
        """Return the error that stops a run, naming the first pairs."""
        first = [(manifest.ids[p.a], manifest.ids[p.b]) for p in self.pairs[:3]]
        named = f", first {first}" if first else ""
        return Refusal(
            self.code, file=manifest.name, field=self.field,
            found=f"{self.found} x {self.name}{named}", expected=f"no {self.name}", fix=self.fix,
        )  # fmt: skip

    def as_dict(self, manifest: Manifest) -> dict[str, object]:
        """Return the check as `record.json` keeps it, with its first pairs."""
        first = [[manifest.ids[p.a], manifest.ids[p.b]] for p in self.pairs[:SHOWN]]
        return {
            "name": self.name, "found": self.found, "verdict": self.verdict, "code": self.code,
            "remark": self.remark, "looked": self.looked, "first": first,
        }  # fmt: skip


def crossing(
    keys: Iterable[tuple[int, Hashable]], homes: Sequence[str]
) -> tuple[int, tuple[Pair, ...]]:
    """Return how many keys stand in rows of more than one home, and a pair of rows for each.

    Args:
        keys: (row, key) in the order of the rows; the same row may have several.
        homes: split or group of every row of the manifest.
    """
    firsts: dict[Hashable, dict[str, int]] = {}
    for row, key in keys:
        firsts.setdefault(key, {}).setdefault(homes[row], row)
    found = [list(rows.values()) for rows in firsts.values() if len(rows) > 1]
    pairs = [Pair(rows[0], other) for rows in found for other in rows[1:]]
    return len(found), tuple(sorted(pairs, key=lambda pair: (pair.a, pair.b)))
