from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from modalities.oct.formats.heidelberg_e2e import read_e2e
from modalities.oct.options import OctOptions
from workbench.errors import Refusal


def test_without_eyepy_the_message_names_the_extra(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "eyepy", None)
    (tmp_path / "a.e2e").write_bytes(b"CMDb" + bytes(100))
    with pytest.raises(Refusal, match=r"medbio-workbench\[oct\]"):
        read_e2e(tmp_path / "a.e2e", "a.e2e", OctOptions())


def test_rubbish_after_the_magic_is_refused(tmp_path: Path, quarantined) -> None:
    pytest.importorskip("eyepy")
    (tmp_path / "a.e2e").write_bytes(b"CMDb" + bytes(3000))
    quarantined(tmp_path / "a.e2e", "E-OCT-002")


def test_the_real_cut_file_is_refused(sample_data, quarantined) -> None:
    pytest.importorskip("eyepy")
    quarantined(sample_data("oct/vendor-panimg/e2e_minimized.E2E"), "E-OCT-002")


def test_a_volume_that_eyepy_returns_keeps_spacing_and_eye(tmp_path: Path, monkeypatch) -> None:
    eyepy = pytest.importorskip("eyepy")

    class Returned:
        data = np.zeros((3, 4, 5), np.uint8)
        meta = {"scale_z": 0.12, "scale_y": 0.004, "scale_x": 0.011, "laterality": "OS"}  # noqa: RUF012

    monkeypatch.setattr(eyepy, "import_heyex_e2e", lambda path: Returned())
    (tmp_path / "a.e2e").write_bytes(b"CMDb")
    volume = read_e2e(tmp_path / "a.e2e", "a.e2e", OctOptions())
    assert volume.spacing_mm == (0.12, 0.004, 0.011)
    assert volume.laterality == "L"
