"""The report of a run: plain data in, one self-contained `report.html` and `report.md` out."""

from __future__ import annotations

from pathlib import Path

from eval.report.data import ReportData
from eval.report.markdown import markdown
from eval.report.notebook import Confusion, Searches, metrics_html
from eval.report.page import page
from eval.report.space_map import map_of_space
from eval.report.tables import metrics_text
from workbench.files import atomic_write

__all__ = [
    "Confusion",
    "ReportData",
    "Searches",
    "map_of_space",
    "metrics_html",
    "metrics_text",
    "write_report",
]


def write_report(data: ReportData, folder: Path) -> None:
    """Write `report.html` and `report.md` into `folder`, each whole or not at all.

    The page opens offline from disk: it holds no script, loads nothing, and escapes every text.
    The same data give the same bytes.
    """
    atomic_write(folder / "report.html", page(data).encode("utf-8", "replace"))
    atomic_write(folder / "report.md", markdown(data).encode("utf-8", "replace"))
