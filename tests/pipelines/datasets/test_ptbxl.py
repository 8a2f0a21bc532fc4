"""PTB-XL: official folds, superclasses by the benchmark's rule, missing waveforms counted."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from pipelines.datasets.ptbxl import PTBXL, PtbxlOptions
from workbench.errors import Refusal

HEAD = "ecg_id,patient_id,age,sex,report,scp_codes,strat_fold,filename_lr,filename_hr\n"
STATEMENTS = (
    ",diagnostic,rhythm,diagnostic_class\nNORM,1.0,,NORM\nIMI,1.0,,MI\nSR,,1.0,\nLVOLT,,,\n"
)


def _folder(root: Path, *rows: str) -> Path:
    (root / "ptbxl_database.csv").write_text(HEAD + "".join(f"{row}\n" for row in rows))
    (root / "scp_statements.csv").write_text(STATEMENTS)
    (root / "r").mkdir()
    for name in ("1_lr", "2_lr", "3_lr"):
        (root / "r" / f"{name}.hea").write_text("x")
        (root / "r" / f"{name}.dat").write_text("x")
    return root


def test_a_missing_table_and_unreadable_cells_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"E-MAN-101 scp_statements.csv"):
        PTBXL.adapt(tmp_path, PtbxlOptions())
    _folder(tmp_path, "1,7.0,50,0,r,__import__('os'),1,r/1_lr,")
    with pytest.raises(Refusal, match=r"E-MAN-100 ptbxl_database.csv:2: scp_codes"):
        PTBXL.adapt(tmp_path, PtbxlOptions())
    (tmp_path / "ptbxl_database.csv").write_text(HEAD + "1,7.0,50,0,r,{},11,r/1_lr,\n")
    with pytest.raises(Refusal, match="strat_fold"):
        PTBXL.adapt(tmp_path, PtbxlOptions())


def test_rows_become_text_with_labels_splits_and_missing_values(tmp_path: Path) -> None:
    _folder(
        tmp_path,
        "1,7.0,56.0,1,normal,\"{'IMI': 0.0, 'NORM': 80.0, 'SR': 0.0}\",8,r/1_lr,",
        "2,8.0,300.0,0,,{'LVOLT': 0.0},9,r/2_lr,",
        "3,8.0,,,x,{},10,r/3_lr,",
        "4,9.0,50,0,x,{},1,r/gone_lr,",
    )
    adapted = PTBXL.adapt(tmp_path, PtbxlOptions())
    assert adapted.rejected == {"no waveform file": 1}
    assert adapted.table.to_pylist() == [
        {"id": "1", "group": "7", "split": "train", "ecg": "r/1_lr.hea", "report": "normal",
         "superclass": "MI|NORM", "rhythm": "SR", "age": "56", "sex": "female"},
        {"id": "2", "group": "8", "split": "val", "ecg": "r/2_lr.hea", "report": None,
         "superclass": None, "rhythm": None, "age": "300", "sex": "male"},
        {"id": "3", "group": "8", "split": "test", "ecg": "r/3_lr.hea", "report": "x",
         "superclass": None, "rhythm": None, "age": None, "sex": None},
    ]  # fmt: skip


def test_the_real_subset_gives_the_published_counts(sample_data) -> None:  # type: ignore[no-untyped-def]
    root = sample_data("ecg/ptbxl-biolabsel")
    table = PTBXL.adapt(root, PtbxlOptions()).table
    labels = Counter(
        label for cell in table["superclass"].to_pylist() for label in (cell or "").split("|")
    )
    assert labels == {"NORM": 243, "STTC": 74, "CD": 58, "MI": 53, "HYP": 32, "": 10}
    assert len(set(table["group"].to_pylist())) == 369
    fast = PTBXL.adapt(root, PtbxlOptions(rate_hz=500))
    assert (fast.table.num_rows, fast.rejected) == (40, {"no waveform file": 360})
