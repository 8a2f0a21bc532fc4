"""Section 18: where the items of TRIPOD+AI and CLAIM 2024 are answered in the report.

Collins et al., "TRIPOD+AI statement", BMJ 2024;385:e078378. Tejani et al., "Checklist for
Artificial Intelligence in Medical Imaging (CLAIM): 2024 Update", Radiology: AI 2024;6(4):e240300.
Items are abridged to a few words.
"""

from __future__ import annotations

from collections.abc import Sequence

from eval.report.blocks import Block, Section, Table
from eval.report.data import ReportData

AUTHOR = "author must fill"

# item, abridged wording, section that answers it (0: none), key of the card it needs ("": none)
_Item = tuple[str, str, int, str]
_TRIPOD: tuple[_Item, ...] = (
    ("1", "title", 0, ""),
    ("2", "abstract", 0, ""),
    ("3a", "context and rationale", 0, ""),
    ("3b", "target population and use", 1, "intended_use"),
    ("3c", "health inequalities", 17, "fairness"),
    ("4", "objectives", 0, ""),
    ("5a", "sources of data", 2, "sources"),
    ("5b", "dates", 2, "dates"),
    ("6a", "setting and sites", 2, "sites"),
    ("6b", "eligibility", 2, "criteria"),
    ("6c", "treatments received", 0, ""),
    ("7", "data preparation", 2, ""),
    ("8a", "outcome", 5, "reference_standard"),
    ("8b", "outcome assessors", 5, "annotators"),
    ("8c", "blinding", 0, ""),
    ("9a", "choice of predictors", 6, ""),
    ("9b", "definition of predictors", 6, ""),
    ("9c", "predictor assessors", 0, ""),
    ("10", "sample size", 15, ""),
    ("11", "missing data", 16, ""),
    ("12a", "use of data for development and evaluation", 3, ""),
    ("12b", "handling of predictors", 6, ""),
    ("12c", "model type and building", 6, ""),
    ("12d", "heterogeneity between clusters", 11, ""),
    ("12e", "performance measures", 7, ""),
    ("12f", "model updating", 0, ""),
    ("12g", "how predictions are computed", 6, ""),
    ("13", "class imbalance", 4, ""),
    ("14", "fairness approaches", 17, "fairness"),
    ("15", "model output and thresholds", 7, ""),
    ("16", "development against evaluation data", 14, ""),
    ("17", "ethical approval", 17, "ethics"),
    ("18a", "funding", 17, "funding"),
    ("18b", "conflicts of interest", 17, "conflicts"),
    ("18c", "protocol", 17, "protocol"),
    ("18d", "registration", 0, ""),
    ("18e", "data sharing", 17, "availability"),
    ("18f", "code sharing", 17, "availability"),
    ("19", "patient and public involvement", 0, ""),
    ("20a", "flow of participants", 2, ""),
    ("20b", "characteristics", 4, "demographics"),
    ("20c", "comparison of splits", 14, ""),
    ("21", "numbers of participants and outcomes", 4, ""),
    ("22", "full model specification", 6, ""),
    ("23a", "performance with intervals", 7, ""),
    ("23b", "heterogeneity of performance", 11, ""),
    ("24", "results of updating", 0, ""),
    ("25", "interpretation", 0, ""),
    ("26", "limitations", 17, "limitations"),
    ("27a", "handling of poor input", 16, ""),
    ("27b", "user interaction and expertise", 1, "user"),
    ("27c", "next steps", 0, ""),
)  # fmt: skip
_CLAIM: tuple[_Item, ...] = (
    ("1", "title names the AI method", 0, ""),
    ("2", "abstract", 0, ""),
    ("3", "background and role", 1, "intended_use"),
    ("4", "aims and hypotheses", 0, ""),
    ("5", "prospective or retrospective", 0, ""),
    ("6", "study goal", 0, ""),
    ("7", "data sources", 2, "sources"),
    ("8", "inclusion and exclusion", 2, "criteria"),
    ("9", "preprocessing", 6, ""),
    ("10", "selection of data subsets", 2, ""),
    ("11", "de-identification", 0, ""),
    ("12", "missing data", 16, ""),
    ("13", "acquisition protocol", 2, "devices"),
    ("14", "reference standard", 5, "reference_standard"),
    ("15", "why this reference standard", 0, ""),
    ("16", "source of annotations", 5, "annotators"),
    ("17", "annotation of the test set", 0, ""),
    ("18", "inter- and intra-rater variability", 0, ""),
    ("19", "assignment to partitions", 3, ""),
    ("20", "level of disjointness", 3, ""),
    ("21", "sample size", 15, ""),
    ("22", "model description", 6, ""),
    ("23", "software and versions", 6, ""),
    ("24", "initialisation", 6, ""),
    ("25", "training details", 6, ""),
    ("26", "selection of the final model", 6, ""),
    ("27", "ensembling", 0, ""),
    ("28", "metrics", 7, ""),
    ("29", "statistical uncertainty", 7, ""),
    ("30", "robustness or sensitivity", 12, ""),
    ("31", "explainability", 0, ""),
    ("32", "internal evaluation", 7, ""),
    ("33", "external evaluation", 0, ""),
    ("34", "registration", 0, ""),
    ("35", "flow of participants", 2, ""),
    ("36", "demographic characteristics", 4, "demographics"),
    ("37", "performance on every partition", 7, ""),
    ("38", "precision of estimates", 15, ""),
    ("39", "failure analysis", 13, ""),
    ("40", "limitations", 17, "limitations"),
    ("41", "implications for practice", 0, ""),
    ("42", "protocol", 17, "protocol"),
    ("43", "availability", 17, "availability"),
    ("44", "funding", 17, "funding"),
)  # fmt: skip


def checklist(data: ReportData, built: Sequence[Section]) -> list[Block]:
    """Say for every item where it is answered, or that the author must fill it."""
    filled = {section.number for section in built if section.filled}
    return [
        _table("TRIPOD+AI", _TRIPOD, data, filled),
        _table("CLAIM 2024", _CLAIM, data, filled),
    ]


def _table(name: str, items: Sequence[_Item], data: ReportData, filled: set[int]) -> Table:
    rows = []
    for item, wording, section, key in items:
        answered = section in filled and (not key or bool(data.card.get(key)))
        rows.append((item, wording, f"section {section}" if answered else AUTHOR))
    open_items = sum(row[2] == AUTHOR for row in rows)
    title = f"{name}: {len(rows) - open_items} of {len(rows)} items answered here"
    return Table(title, ("item", "about", "where"), tuple(rows), folded=True)
