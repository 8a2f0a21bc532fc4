"""Compares finished runs from their predictions alone, and ranks them on one board."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.compare import Contest, Entrant, Line, differences, standings
from eval.report.compare_page import (
    ComparisonData,
    comparison_html,
    comparison_text,
    write_comparison,
)  # fmt: skip
from pipelines.evaluate import ABOUT
from workbench.errors import Refusal

if TYPE_CHECKING:
    import pandas as pd

    from eval.measures import Measure

METRICS = ("accuracy", "auroc", "hit", "mrr")
COLUMNS = ("entry", "run", "metric", "k", "average", "query", "gallery", "label", "pool")


@dataclass(frozen=True, repr=False)
class Comparison:
    """Several runs side by side.

    Attributes:
        runs: their names, the one that the others are compared with first.
        board: one line per run and number, with its rank.
        paired: one line per run but the first and number: the difference to the first.
        left_out: why entries of `evaluate:` could not be compared.
    """

    runs: Sequence[str]
    board: Sequence[Line]
    paired: Sequence[Line]
    left_out: Mapping[str, str]

    @cached_property
    def leaderboard(self) -> pd.DataFrame:
        """One row per run and number."""
        import pandas as pd

        return pd.DataFrame(list(self.board))

    @cached_property
    def differences(self) -> pd.DataFrame:
        """One row per run but the first and number."""
        import pandas as pd

        return pd.DataFrame(list(self.paired))

    def write(self, folder: Path) -> None:
        """Write leaderboard and differences as Parquet and CSV, and the page as HTML."""
        from workbench.files import atomic_write

        folder.mkdir(parents=True, exist_ok=True)
        for name, table in (("leaderboard", self.leaderboard), ("differences", self.differences)):
            table.to_parquet(folder / f"{name}.parquet", index=False)
            atomic_write(folder / f"{name}.csv", table.to_csv(index=False).encode())
        write_comparison(self.shown, folder)

    def text(self) -> str:
        """Return both tables for a terminal."""
        return comparison_text(self.shown)

    @property
    def shown(self) -> ComparisonData:
        """What the page and a notebook show."""
        return ComparisonData(self.runs, self.board, self.paired, self.left_out)

    def __repr__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        return comparison_html(self.shown)


def compare(
    paths: Sequence[str | Path], *, metrics: Sequence[str] = METRICS, contest: Contest | None = None
) -> Comparison:  # fmt: skip
    """Compare two or more finished runs over the same test rows; the first is the reference.

    Only `predictions/` is read. Each entry of `evaluate:` is one family of tests.

    Args:
        paths: folders of runs.
        metrics: which metrics of `zero_shot`, `probe`, `knn` and `retrieval`.
        contest: seed, replicates and permutations.

    Raises:
        Refusal: fewer than two runs, a folder without predictions, nothing in common, or runs
            over different test rows.
    """
    folders = [Path(path) for path in paths]
    if len(set(folders)) < 2:
        raise Refusal("E-CFG-028", file="compare", field="runs", found=len(set(folders)),
                      expected="at least two")  # fmt: skip
    names = _names(folders)
    read = [_measured(folder, metrics) for folder in folders]
    common = [entry for entry in read[0] if all(read_one.get(entry) for read_one in read)]
    if not common:
        raise Refusal("E-CFG-028", file=str(folders[0]), field="evaluate", found="no common entry",
                      expected=f"an entry that all {len(folders)} runs evaluated")  # fmt: skip
    board: list[Line] = []
    paired: list[Line] = []
    for entry in common:
        entrants = [Entrant(name, one[entry]) for name, one in zip(names, read, strict=True)]
        given = contest or Contest()
        board += [{"entry": entry, **line} for line in standings(entrants, given)]
        paired += [{"entry": entry, **line} for line in differences(entrants, given)]
    every = dict.fromkeys(entry for one in read for entry in one)
    return Comparison(names, board, paired, {
        entry: "no number of it can be computed from the predictions of every run"
        for entry in every if entry not in common
    })  # fmt: skip


def about_of(path: Path) -> dict[str, Any]:
    """Return what a predictions file says about itself.

    Raises:
        Refusal: it says nothing, because an older version wrote it.
    """
    import pyarrow.parquet

    found = (pyarrow.parquet.read_schema(path).metadata or {}).get(ABOUT.encode())
    if found is None:
        raise Refusal("E-CFG-028", file=str(path), field="metadata", found="none",
                      expected="what task wrote it",
                      fix="Run `workbench evaluate` on the run again.")  # fmt: skip
    return dict(json.loads(found))


def _measured(folder: Path, metrics: Sequence[str]) -> dict[str, list[Measure]]:
    """Return the numbers of the trained model of a run, by entry of `evaluate:`."""
    import pyarrow.parquet

    from eval.measures import measures_of

    files = sorted((folder / "predictions").glob("*.parquet"))
    if not files:
        raise Refusal("E-CKP-011", file=str(folder), field="predictions", found="none",
                      expected="the folder of a finished run")  # fmt: skip
    found = {}
    for path in files:
        about = about_of(path)
        if about["model"] == "trained":
            table = pyarrow.parquet.read_table(path).to_pydict()
            measures = measures_of(about["task"], table, about["options"], classes=about["classes"])
            found[str(about["entry"])] = [m for m in measures if m.place["metric"] in metrics]
    return found


def _names(folders: Sequence[Path]) -> list[str]:
    """Return the folders' own names, or their paths where two are alike."""
    short = [folder.resolve().name for folder in folders]
    return short if len(set(short)) == len(short) else [str(folder) for folder in folders]
