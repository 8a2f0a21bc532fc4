"""A generated cohort with a planted truth: five modalities on disk, in their real formats.

What is planted, so that a reader can check the numbers:

- There are `subjects` people, each with one to three visits; a visit is a row, a person a group.
- A visit always has a report and one to four of oct, xray, ecg and dna (one 40 %, two 30 %, three
  20 %, four 10 % of visits); which ones is drawn evenly.
- For each modality present, one of its first four `findings` is drawn evenly and written by
  its `synthesize`; its name stands in the column `<modality>_finding`. How a finding
  looks in the signal is said in the docstring of the modality's `synth.py`.
- The report states each present modality's finding by one of its `statements`, drawn evenly; with
  probability one half it also rules out another finding of that modality by one of its `denials`.
  Sentences that mean nothing here (`FILLERS`) stand between, in random order. The indication asks
  about a finding drawn without looking at the truth.
- Nothing else links the modalities: file names, sizes and headers carry no label.
- 65 % of the people are train, 10 % val and 25 % test, by a hash of their number.

Every draw comes from (seed, row, purpose), so a larger cohort begins with the smaller one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from workbench import registry
from workbench.dataset import Adapted, Dataset
from workbench.files import atomic_write
from workbench.modality import Finding, Options
from workbench.seeding import derive_seed, keyed_rng

if TYPE_CHECKING:
    import numpy as np

MODALITIES = ("oct", "xray", "ecg", "dna")
HOW_MANY = (0.40, 0.30, 0.20, 0.10)
CLASSES = 4
FILLERS = (
    "The examination was tolerated well.",
    "Correlate with the clinical picture.",
    "The patient is resting comfortably.",
    "Technical quality is adequate.",
    "Results were discussed with the referring team.",
    "Routine follow-up is advised.",
    "There is no earlier study for comparison.",
    "Consent was obtained before the examination.",
    "The record was reviewed by two readers.",
)
CHUNK = 16


class ClinicOptions(Options):
    """Size and seed of the cohort."""

    subjects: Annotated[int, Field(gt=0, le=1_000_000)] = 600
    seed: int = 0


class Clinic(Dataset[ClinicOptions]):
    """The generated cohort of the quickstart."""

    summary = "generated: five modalities in their real formats with a planted truth"
    options = ClinicOptions

    def adapt(self, root: Path, options: ClinicOptions) -> Adapted:
        """Write the cohort into `root`, or find it there, and return its manifest."""
        import pyarrow as pa

        done = root / "cohort.json"
        wanted = options.model_dump()
        rows: list[dict[str, str | None]]
        if done.is_file() and json.loads(done.read_text())["options"] == wanted:
            rows = json.loads(done.read_text())["rows"]
        else:
            rows = _write(root, options)
            atomic_write(done, json.dumps({"options": wanted, "rows": rows}).encode())
        names = list(rows[0])
        table = pa.table({n: pa.array([r[n] for r in rows], pa.string()) for n in names})
        source = (
            f"generated cohort 'clinic', {options.subjects} subjects, seed {options.seed}; "
            "no real person, no licence needed"
        )
        return Adapted(table, root, {}, source)


CLINIC = Clinic()


def _write(root: Path, options: ClinicOptions) -> list[dict[str, str | None]]:
    """Write every visit, in worker processes; the order of the rows never depends on them."""
    visits = list(_visits(options))
    chunks = [visits[i : i + CHUNK] for i in range(0, len(visits), CHUNK)]
    with ProcessPoolExecutor(mp_context=get_context("fork")) as pool:
        parts = pool.map(_write_chunk, chunks, [root] * len(chunks), [options.seed] * len(chunks))
        return [row for part in parts for row in part]


def _visits(options: ClinicOptions) -> Iterator[tuple[str, str]]:
    """Yield (subject, row id)."""
    for number in range(options.subjects):
        subject = f"S{number:05d}"
        count = int(keyed_rng(options.seed, "visits", subject).integers(1, 4))
        yield from ((subject, f"{subject}-{visit + 1}") for visit in range(count))


def _write_chunk(
    visits: Sequence[tuple[str, str]], root: Path, seed: int
) -> list[dict[str, str | None]]:
    return [_write_visit(subject, row, root, seed) for subject, row in visits]


def _write_visit(subject: str, row: str, root: Path, seed: int) -> dict[str, str | None]:
    rng = keyed_rng(seed, "clinic", row)
    count = 1 + int(rng.choice(4, p=HOW_MANY))
    present = {MODALITIES[i] for i in rng.choice(4, size=count, replace=False)}
    cells: dict[str, str | None] = {"id": row, "group": subject, "split": _split(subject, seed)}
    found: dict[str, Finding] = {}
    for name in MODALITIES:
        cells[name] = cells[f"{name}_finding"] = None
        if name in present:
            modality = registry.modality(name)
            finding = modality.findings[int(rng.integers(CLASSES))]
            folder = root / name / row
            folder.mkdir(parents=True, exist_ok=True)
            file = modality.synthesize(finding.name, keyed_rng(seed, "file", row, name), folder)
            cells[name], cells[f"{name}_finding"] = f"{name}/{row}/{file}", finding.name
            found[name] = finding
    (root / "report").mkdir(exist_ok=True)
    atomic_write(root / "report" / f"{row}.txt", _report(found, rng).encode())
    cells["report"] = f"report/{row}.txt"
    return cells


def _report(found: dict[str, Finding], rng: np.random.Generator) -> str:
    """Write the report of a visit: what was found, some of what was not, and filler."""
    groups = []
    for name, finding in found.items():
        sentences = [_one(finding.statements, rng)]
        known = registry.modality(name).findings[:CLASSES]
        others = [f for f in known if f.name != finding.name]
        if rng.random() < 0.5:
            sentences.append(_one(others[int(rng.integers(len(others)))].denials, rng))
        groups.append(" ".join(sentences))
    groups += [_one(FILLERS, rng) for _ in range(int(rng.integers(1, 4)))]
    order = rng.permutation(len(groups))
    asked = registry.modality(MODALITIES[int(rng.integers(4))]).findings[:CLASSES]
    question = asked[int(rng.integers(len(asked)))].name
    body = " ".join(groups[i] for i in order)
    return f"INDICATION: Question of {question}.\n\nFINDINGS: {body}\n"


def _one(sentences: Sequence[str], rng: np.random.Generator) -> str:
    return sentences[int(rng.integers(len(sentences)))]


def _split(subject: str, seed: int) -> str:
    draw = derive_seed(seed, "clinic split", subject) / 2**64
    return "train" if draw < 0.65 else "val" if draw < 0.75 else "test"
