"""What exists in the code stands in the documentation, and nothing else does."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import get_args

import pytest
import typer.main

from eval.relations import Relation
from eval.retrieval import RetrievalOptions
from eval.retrieval_rows import formulas
from eval.task import Metric
from pipelines.cli import app
from workbench import registry
from workbench.modality import Modality

CHECKOUT = Path(__file__).resolve().parents[2]
OURS = "medbio-workbench"
CODE = re.compile(r"\b[EF]-[A-Z]{3}-\d{3}\b")


def text(name: str) -> str:
    return (CHECKOUT / name).read_text(encoding="utf-8")


def ours(group: registry.Group) -> list[str]:
    return [n for n, p in registry.installed(group).items() if p.distribution == OURS]


def test_every_command_stands_in_the_readme() -> None:
    named = set(re.findall(r"^\| `workbench (\w+)", text("README.md"), re.MULTILINE))
    assert named == set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


def test_the_readme_names_every_encoder_and_no_other() -> None:
    rows = re.findall(r"^\|[^|]+\|[^|]+\|([^|]+)\|$", text("README.md"), re.MULTILINE)
    known = {e for m in ours("modalities") for e in registry.modality(m).encoders}
    named = {n for row in rows for n in re.findall(r"`(\w+)`", row)}
    assert known <= named
    assert named <= known


@pytest.mark.parametrize("name", ["docs/formats.md", "docs/evaluation.md", "docs/glossary.md"])
def test_every_code_named_is_a_code(name: str) -> None:
    assert set(CODE.findall(text(name))) <= set(CODE.findall(text("docs/codes.md")))


@pytest.mark.parametrize("name", ours("modalities"))
def test_every_modality_has_a_row_of_formats(name: str) -> None:
    assert f"| `{name}` |" in text("docs/formats.md")


@pytest.mark.parametrize("name", ours("tasks"))
def test_every_task_is_explained(name: str) -> None:
    assert f"### `{name}`" in text("docs/evaluation.md")


def test_every_relation_is_explained() -> None:
    page = text("docs/evaluation.md")
    assert all(f"| `{name}` |" in page for name in get_args(Relation))


def test_every_retrieval_metric_is_explained() -> None:
    page = text("docs/evaluation.md")
    options = RetrievalOptions(query="ecg", gallery="report")
    names = {name for name, _ in formulas(options)} - {"first_rank"}
    assert {n for n in names if f"`{n}`" not in page} == set()


def test_every_column_of_the_metrics_is_explained() -> None:
    page = text("docs/evaluation.md").partition("## `metrics.json`")[2]
    named = set(re.findall(r"`(\w+)`", page))
    assert {f.name for f in fields(Metric)} - named == set()


def test_every_method_of_a_modality_is_listed() -> None:
    page = text("docs/add-a-modality.md")
    public = {n for n in vars(Modality) if not n.startswith("_")} - {"complete"}
    public |= {"spec", "options", "encoders", "findings"}
    assert {n for n in public if f"`{n}" not in page} == set()
