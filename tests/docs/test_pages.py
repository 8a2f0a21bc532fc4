"""What the README and the pages state is true: commands, files, links, snippets."""

from __future__ import annotations

import ast
import importlib.util
import re
import shlex
from fnmatch import fnmatch
from pathlib import Path
from types import ModuleType

import pytest
import typer.main

from pipelines.cli import app
from pipelines.datasets.ptbxl import COLUMNS
from pipelines.plan import make_plan, recipe_names
from workbench.yaml12 import load_yaml


def _module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("pages.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


DOCS = _module("documentation_pages")
COMMANDS = sorted(set(DOCS.commands()))
GROUP = typer.main.get_command(app)
YAML = [(p, b) for p in DOCS.pages() for b in DOCS.blocks(p, "yaml")]
PYTHON = [(p, b) for p in DOCS.pages() for b in DOCS.blocks(p, "python")]


def test_pages_were_found() -> None:
    assert len(COMMANDS) > 15
    assert len(YAML) >= 3
    assert len(PYTHON) >= 3


@pytest.mark.parametrize(("page", "line"), COMMANDS, ids=lambda value: str(value)[:60])
def test_every_command_parses(page: str, line: str) -> None:
    words = [w for w in shlex.split(line)[1:] if w != "..."]
    words = [w.rstrip(".") if w == "RUN..." else w for w in words]
    command = GROUP.commands.get(words[0])
    assert command is not None or words[0] in ("--help", "--version"), f"{page}: {line}"
    if command is None or len(words) == 1:
        return
    options = {o for p in command.params for o in (*p.opts, *p.secondary_opts)}
    given = [w for w in words[1:] if re.match(r"--?[a-z]", w)]
    allowed = options | {"--ecg"} if words[0] == "search" else options
    assert set(given) <= allowed | {"-h", "--help"}, f"{page}: {line}"


@pytest.mark.parametrize(
    "line",
    sorted({c for _, c in COMMANDS if re.match(r"workbench (run|check) [a-z][a-z-]*(?=\s|$)", c)}),
)
def test_every_recipe_named_exists(line: str) -> None:
    assert line.split()[2] in recipe_names()


@pytest.mark.parametrize(("page", "text"), YAML, ids=lambda value: str(value)[:40])
def test_every_whole_pipeline_is_valid(page: Path, text: str, tmp_path: Path) -> None:
    data = load_yaml(text, page.name)
    if not isinstance(data, dict) or not {"name", "modalities", "align"} <= set(data):
        return
    path = tmp_path / "pipeline.yaml"
    path.write_text(text)
    plan = make_plan(path)
    assert plan.tasks
    if plan.pipeline.manifest.dataset == "ptbxl":
        used = {getattr(t.options, "label", None) for t in plan.tasks} - {None}
        assert used <= set(COLUMNS)


@pytest.mark.parametrize("page", DOCS.pages(), ids=lambda p: p.name)
def test_every_local_link_resolves(page: Path) -> None:
    broken = [str(link) for link in DOCS.local_links(page) if not link.exists()]
    assert not broken


@pytest.mark.parametrize(("page", "text"), PYTHON, ids=lambda value: str(value)[:40])
def test_every_python_snippet_uses_names_that_exist(page: Path, text: str) -> None:
    import workbench as wb

    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            owner = {"wb": wb, "run": wb.Run}.get(node.value.id)
            assert owner is None or hasattr(owner, node.attr), f"{page.name}: {node.attr}"


def test_every_page_is_in_a_table_of_contents() -> None:
    docs = DOCS.CHECKOUT / "docs"
    index = (docs / "index.md").read_text(encoding="utf-8")
    listed = re.findall(r"^[\w/*-]+$", index, re.MULTILINE)
    stems = {p.stem for p in docs.glob("*.md")} - {"index"}
    assert not [stem for stem in stems if not any(fnmatch(stem, name) for name in listed)]
