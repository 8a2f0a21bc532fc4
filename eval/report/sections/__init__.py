"""The eighteen sections of a report, always all, in their fixed order."""

from __future__ import annotations

from collections.abc import Callable

from eval.report.blocks import Block, Missing, Section
from eval.report.data import ReportData
from eval.report.sections import (
    author,
    cohort,
    failures,
    model,
    people,
    results,
    robust,
    searches,
)
from eval.report.sections.checklist import checklist

Builder = Callable[[ReportData], list[Block]]

_SECTIONS: tuple[tuple[str, Builder], ...] = (
    ("Intended use", author.intended_use),
    ("Data", cohort.data_flow),
    ("Partition and leakage", cohort.partition),
    ("Demographics and prevalence", cohort.demographics),
    ("Reference standard", author.reference_standard),
    ("Model", model.model),
    ("Metrics", results.metrics),
    ("Retrieval", searches.retrieval),
    ("Calibration", results.calibration),
    ("Comparisons", results.comparisons),
    ("Subgroups", people.subgroups),
    ("Robustness", robust.robustness),
    ("Failure analysis", failures.failure_analysis),
    ("Prevalence and label shift", cohort.shift),
    ("Sample size", results.sample_size),
    ("Quarantine and flags", cohort.quarantine),
    ("Fairness, limitations and openness", author.openness),
)


def sections(data: ReportData) -> tuple[Section, ...]:
    """Build all sections; one that nothing fills says "not provided"."""
    built = tuple(
        Section(i, title, tuple(builder(data) or [Missing(title.lower())]))
        for i, (title, builder) in enumerate(_SECTIONS, start=1)
    )
    return (*built, Section(18, "Reporting checklists", tuple(checklist(data, built))))
