"""Tests of gathering a run's material for its report."""

from __future__ import annotations

import io
import json
from pathlib import Path

from PIL import Image

import workbench as wb
from eval.report import ReportData
from pipelines.reporting import fewer_colours, label_counts, report_data


def gathered(finished: Path) -> ReportData:
    run = wb.open(finished)
    return report_data(run.plan, run.folder, run.manifest)


def test_fewer_colours_make_a_smaller_picture_of_the_same_size() -> None:
    noise = Image.effect_noise((120, 90), 60).convert("RGB")
    stream = io.BytesIO()
    noise.save(stream, "PNG")
    reduced = fewer_colours(stream.getvalue())
    assert len(reduced) < len(stream.getvalue())
    assert Image.open(io.BytesIO(reduced)).size == (120, 90)
    assert fewer_colours(stream.getvalue()) == reduced


def test_labels_are_counted_by_split_with_missing_ones(finished: Path) -> None:
    run = wb.open(finished)
    counts = label_counts(run.plan, run.manifest)["ecg_finding"]
    cells = run.manifest.columns["ecg_finding"]
    assert sum(sum(split.values()) for split in counts.values()) == len(cells)
    assert sum(split.get("missing", 0) for split in counts.values()) == cells.count(None)


def test_single_errors_are_picked_from_the_predictions(finished: Path) -> None:
    extras = gathered(finished).extras
    key = "zero_shot-ecg-ecg_finding-test"
    errors = json.loads((finished / "predictions" / "extras.json").read_text())[key]["errors"]
    assert {case["id"] for case in extras[key]["cases"]["confident"]} == {e["id"] for e in errors}


def test_every_shown_item_has_a_preview_of_few_bytes(finished: Path) -> None:
    data = gathered(finished)
    assert data.previews
    assert all(len(png) < 20_000 for png in data.previews.values())


def test_the_report_is_written_with_what_machines_read(finished: Path) -> None:
    before = {name: (finished / name).read_bytes() for name in ("croissant.json", "model-card.md")}
    wb.open(finished).report()
    assert {name: (finished / name).read_bytes() for name in before} == before
