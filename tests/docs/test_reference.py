"""The reference of the pipeline file is the one the models write today."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest
from pydantic import BaseModel

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture
def reference(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(CHECKOUT / "scripts"))
    return importlib.import_module("write_reference")


def test_the_page_is_current(reference: ModuleType) -> None:
    written = (CHECKOUT / "docs" / "pipeline-file.md").read_text(encoding="utf-8")
    assert written == reference.page(), "run: python scripts/write_reference.py"


def test_every_key_has_a_meaning(reference: ModuleType) -> None:
    lines = reference.page().splitlines()
    bare = [line for line in lines if line.startswith("| `") and line.endswith("|  |")]
    assert not bare, "describe the field, or add it to scripts/reference_words.py"


def test_a_key_without_words_would_be_seen(reference: ModuleType) -> None:
    class Bare(BaseModel):
        """A model."""

        unheard_of: int = 3

    assert list(reference.rows(Bare)) == [("unheard_of", "whole number", "`3`", "")]


def test_checking_refuses_an_outdated_page(
    reference: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    old = tmp_path / "pipeline-file.md"
    old.write_text("old")
    monkeypatch.setattr(reference, "PAGE", old)
    monkeypatch.setattr(sys, "argv", ["write_reference.py", "--check"])
    with pytest.raises(SystemExit, match="out of date"):
        reference.main()
    assert old.read_text() == "old"
