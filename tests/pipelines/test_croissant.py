"""Tests of the Croissant description of a manifest."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from pipelines.croissant import CONFORMS_TO, croissant
from pipelines.plan import make_plan
from pipelines.rows import manifest_of
from workbench.record import RunFolder

REQUIRED = {"@context", "@type", "conformsTo", "name", "description", "distribution", "recordSet"}


def described(finished: Path) -> dict[str, Any]:
    return dict(json.loads((finished / "croissant.json").read_text()))


def test_a_finished_run_describes_its_manifest(finished: Path) -> None:
    found = described(finished)
    assert set(found) >= REQUIRED
    assert found["@type"] == "sc:Dataset"
    assert found["conformsTo"] == CONFORMS_TO
    assert found["@context"]["cr"] == "http://mlcommons.org/croissant/"


def test_the_table_is_where_the_description_says_with_its_digest(finished: Path) -> None:
    (table,) = described(finished)["distribution"]
    data = (finished / table["contentUrl"]).read_bytes()
    assert table["sha256"] == hashlib.sha256(data).hexdigest()
    assert not Path(table["contentUrl"]).is_absolute()


def test_every_column_is_a_field_that_names_its_source(finished: Path) -> None:
    (rows,) = described(finished)["recordSet"]
    cohort = json.loads((finished / "cohort" / "cohort.json").read_text())["rows"]
    assert [field["name"] for field in rows["field"]] == list(cohort[0])
    assert rows["key"] == {"@id": "rows/id"}
    ids = [field["@id"] for field in rows["field"]]
    assert len(set(ids)) == len(ids)
    group = next(field for field in rows["field"] if field["name"] == "group")
    assert "never crosses splits" in group["description"]
    assert group["source"]["extract"] == {"jsonPath": "$.rows[*].group"}


def test_the_same_rows_give_the_same_bytes(finished: Path) -> None:
    plan = make_plan(finished.parent / "small.yaml")
    manifest = manifest_of(plan, finished / "cohort")
    again = croissant(plan, manifest, RunFolder(finished))
    assert json.loads(json.dumps(again)) == described(finished)
    assert str(finished) not in (finished / "croissant.json").read_text()


def test_the_author_gives_licence_and_address(finished: Path) -> None:
    words = ["card={license: 'https://spdx.org/licenses/CC0-1.0', url: 'https://example.org',"
             " creator: A group, date_published: '2026-01-01'}"]  # fmt: skip
    plan = make_plan(finished.parent / "small.yaml", words)
    found = croissant(plan, manifest_of(plan, finished / "cohort"), RunFolder(finished))
    assert found["license"].endswith("CC0-1.0")
    assert found["creator"] == {"@type": "sc:Organization", "name": "A group"}
    assert found["datePublished"] == "2026-01-01"
    assert "license" not in described(finished)


@pytest.mark.parametrize(
    ("name", "form"), [("rows.csv", "text/csv"), ("rows.tsv", "text/tab-separated-values")]
)
def test_a_manifest_file_is_named_and_stays_where_it_is(
    finished: Path, tmp_path: Path, name: str, form: str
) -> None:
    cohort = json.loads((finished / "cohort" / "cohort.json").read_text())["rows"]
    mark = "\t" if name.endswith("tsv") else ","
    columns = ("id", "group", "split", "ecg", "report")
    lines = [columns, *([row[key] or "" for key in columns] for row in cohort)]
    (tmp_path / name).write_text("".join(mark.join(line) + "\n" for line in lines))
    (tmp_path / "prompts.yaml").write_text((finished.parent / "prompts.yaml").read_text())
    text = (finished.parent / "small.yaml").read_text()
    text = text[: text.index("evaluate:")].replace(
        "{synthetic: clinic, subjects: 24}", f"{{path: {name}}}"
    )
    (tmp_path / "small.yaml").write_text(text)
    plan = make_plan(tmp_path / "small.yaml")
    found = croissant(plan, manifest_of(plan, tmp_path), RunFolder(tmp_path / "run"))
    (table,) = found["distribution"]
    assert (table["contentUrl"], table["encodingFormat"]) == (name, form)
    assert table["sha256"] == hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
    assert found["recordSet"][0]["field"][0]["source"]["extract"] == {"column": "id"}
    assert str(tmp_path) not in json.dumps(found)
