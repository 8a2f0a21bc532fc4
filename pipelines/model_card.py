"""Writes a run's model card: metadata that the Hugging Face Hub reads, then the numbers in words.

Fields follow "Model Cards" of the Hub documentation, results its `model-index`. The body follows
Mitchell et al., "Model Cards for Model Reporting", FAT* 2019.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from eval.report import ReportData
from eval.report.markdown import escape, grid
from eval.report.sections.author import INTENDED_USE, OPENNESS, RESEARCH_USE
from eval.report.tables import place
from eval.report.verdicts import all_main_rows, leaks, warnings
from eval.report.wording import (
    count,
    finite,
    interval,
    is_control,
    metric_name,
    model_name,
    number,
    task_name,
)
from workbench.files import atomic_write

Row = Mapping[str, Any]

NOT_PROVIDED = "not provided"
_HUB_TASKS = {"zero_shot": "zero-shot-classification", "retrieval": "feature-extraction",
              "regression": "tabular-regression"}  # fmt: skip
_FROM_CARD = ("license", "language", "license_link")


def write_model_card(data: ReportData, folder: Path) -> None:
    """Write `model-card.md` into a run's folder; the same numbers give the same bytes."""
    atomic_write(folder / "model-card.md", model_card(data).encode("utf-8", "replace"))


def model_card(data: ReportData) -> str:
    """Return the card: YAML between two lines of dashes, then Markdown.

    Nothing in it tells the time or the machine, so that a run that was resumed has the same card.
    """
    import yaml

    header = yaml.safe_dump(metadata(data), sort_keys=False, allow_unicode=True, width=100)
    parts = [
        f"# {escape(data.name)}", *_opening(data), "## Use", *_use(data), "## Results",
        *_results(data), "## Training data", *_training(data), "## Leakage", *_leakage(data),
        "## Model", *_model(data), "## Limits", *_limits(data),
    ]  # fmt: skip
    return f"---\n{header}---\n\n" + "\n\n".join(parts) + "\n"


def metadata(data: ReportData) -> dict[str, Any]:
    """Return what the Hub reads of the card."""
    towers: Mapping[str, Mapping[str, Any]] = data.record.get("towers") or {}
    bases = _hub_bases(data.pipeline)
    found: dict[str, Any] = {key: data.card[key] for key in _FROM_CARD if data.card.get(key)}
    found |= {
        "library_name": "medbio-workbench",
        "tags": ["contrastive", "multimodal", *towers],
        **({"base_model": bases} if bases else {}),
        "metrics": list(dict.fromkeys(str(row["metric"]) for row in _defined(data))),
        "model-index": [{"name": data.name, "results": list(_indexed(data))}],
    }
    return found


def _indexed(data: ReportData) -> Iterable[dict[str, Any]]:
    """Yield one result per task and data; the Hub wants numbers, so undefined ones stay out."""
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in _defined(data):
        key = (str(row["task"]), place(row), str(row.get("split") or ""))
        groups.setdefault(key, []).append(row)
    about: Mapping[str, Any] = data.record.get("data") or {}
    dataset, digest = str(about.get("name") or data.name), str(about.get("digest") or "")
    for (task, where, split), rows in groups.items():
        yield {
            "task": {"type": _HUB_TASKS.get(task, "other"), "name": f"{_task(task)}: {where}"},
            "dataset": {
                "type": dataset, "name": data.source.strip() or dataset, "split": split,
                "args": {"data_digest": digest},
            },
            "metrics": [_metric(row) for row in rows],
        }  # fmt: skip


def _metric(row: Row) -> dict[str, Any]:
    """Return one number with its interval, chance and counts."""
    known = {"ci_low": row.get("ci_low"), "ci_high": row.get("ci_high"),
             "chance": row.get("chance"), "n": row.get("n"), "n_groups": row.get("n_groups")}  # fmt: skip
    name = metric_name(row)
    relation = f", relation {row['relation']}" if row.get("relation") else ""
    return {
        "type": str(row["metric"]), "name": name + relation, "value": row["value"],
        "args": {key: value for key, value in known.items() if value is not None},
    }  # fmt: skip


def _opening(data: ReportData) -> Iterable[str]:
    towers = data.record.get("towers") or data.flow
    yield escape(RESEARCH_USE)
    yield escape(
        f"Towers for {', '.join(towers)} that share one space, trained by the run "
        f"{data.name} ({data.digest[:16]}), seed {data.seed}. The report of the run, report.html, "
        "holds every number, its controls and single cases."
    )


def _use(data: ReportData) -> Iterable[str]:
    yield _facts(INTENDED_USE, data.card)
    yield "Out of scope: any decision about a person, and data unlike the training data below."


def _results(data: ReportData) -> Iterable[str]:
    """Yield the main numbers with intervals, chance and controls, then what to beware of."""
    rows = all_main_rows(data.metrics)
    if not rows:
        yield "No evaluation result was given."
        return
    kept = {_question(row): place for place, row in enumerate(rows)}
    lines = [
        (task_name(row), place(row), metric_name(row), model_name(row),
         number(row["value"]) if finite(row.get("value")) is not None else "not defined",
         interval(row), number(row.get("chance")), f"{count(row.get('n'))} in {count(row.get('n_groups'))}")
        for row in sorted(
            (row for row in data.metrics if _question(row) in kept),
            key=lambda row: (kept[_question(row)], is_control(row)),
        )
    ]  # fmt: skip
    columns = ("task", "of", "metric", "model", "value", "95 % interval", "chance", "n in groups")
    yield grid(columns, lines, frozenset({4, 6}))
    yield "Intervals resample groups (patients or specimens). Controls stand below the model."
    for text in warnings(data):
        yield f"**{escape(text)}**"


def _training(data: ReportData) -> Iterable[str]:
    yield escape(data.source.strip() or f"Source: {NOT_PROVIDED}.")
    columns = list(dict.fromkeys(key for split in data.splits.values() for key in split))
    rows = [
        (name, *(count(split.get(key)) for key in columns)) for name, split in data.splits.items()
    ]
    yield grid(("split", *columns), rows, frozenset(range(1, len(columns) + 1)))
    lost = sum(flow.get("quarantine", 0) for flow in data.flow.values())
    yield f"{count(lost)} cells could not be read and were set aside."
    yield "`croissant.json` describes the manifest for machines."


def _leakage(data: ReportData) -> Iterable[str]:
    """Yield the audit's verdict and its checks."""
    if not data.leakage:
        yield f"Audit: {NOT_PROVIDED}."
        return
    found = leaks(data.leakage)
    yield escape(
        f"Found: {', '.join(found)}. Numbers above may be too good."
        if found
        else "The audit found nothing that crosses splits."
    )
    overlap = data.leakage.get("pretraining_overlap")
    told = overlap.items() if isinstance(overlap, Mapping) else [("all", overlap or NOT_PROVIDED)]
    lines = "\n".join(f"- {escape(str(key))}: {escape(str(said))}" for key, said in told)
    yield f"Overlap with the encoders' pretraining data:\n\n{lines}"


def _model(data: ReportData) -> Iterable[str]:
    towers: Mapping[str, Mapping[str, Any]] = data.record.get("towers") or {}
    rows = [
        (name, str(tower.get("encoder") or ""), str(tower.get("weights") or ""),
         str(tower.get("base_digest") or "")[:16], count(tower.get("trained_parameters")),
         count(tower.get("total_parameters")))
        for name, tower in towers.items()
    ]  # fmt: skip
    columns = ("modality", "encoder", "weights", "base digest", "trained", "of")
    yield grid(columns, rows, frozenset({4, 5}))
    yield "Adapters in peft's format lie in `checkpoints/`, with the sha256 of every file."


def _limits(data: ReportData) -> Iterable[str]:
    yield _facts(OPENNESS, data.card)
    yield escape(RESEARCH_USE)


def _facts(terms: Mapping[str, str], card: Mapping[str, str]) -> str:
    return "\n".join(
        f"- {term}: {escape(card.get(key, '').strip()) or NOT_PROVIDED}"
        for key, term in terms.items()
    )


def _defined(data: ReportData) -> list[Row]:
    return [row for row in all_main_rows(data.metrics) if finite(row.get("value")) is not None]


def _question(row: Row) -> tuple[str, ...]:
    """Return what a number of the model and of its controls have in common."""
    names = ("task", "query", "gallery", "label", "relation", "metric", "k", "average", "rank",
             "pool", "subgroup", "split", "compared_to")  # fmt: skip
    return tuple(str(row.get(name)) for name in names)


def _task(name: str) -> str:
    return task_name({"task": name})


def _hub_bases(pipeline: str) -> list[str]:
    """Return the Hub ids that encoders start from: those that are pinned to a revision."""
    import yaml

    resolved = yaml.safe_load(pipeline)
    parts = resolved.get("modalities", {}) if isinstance(resolved, Mapping) else {}
    encoders = [part.get("encoder", {}) for part in parts.values() if isinstance(part, Mapping)]
    return sorted({str(one["weights"]) for one in encoders if one.get("revision")})
