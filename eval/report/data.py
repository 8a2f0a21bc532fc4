"""What a report is made from: plain values of one run, no model and no patient file.

`extras` is keyed by the entry of `evaluate:` it came from, such as `zero_shot-ecg-ecg_finding`
or `retrieval-ecg-report-same_text`. Every key inside is optional; understood are

- `classes`: class names in the order of the confusion matrix.
- `confusion`: counts, rows are the truth, columns the prediction; ties may make them fractions.
- `prompts`: the prompt texts of every class, verbatim.
- `sensitivity`: how the main number moves with the wording: a value, or a mapping of values such
  as {"min", "median", "max"}, by name of the variation.
- `neighbours`: [{"query", "query_modality", "gallery_modality", "items": [{"id", "score",
  "relevant"}]}], nearest first.
- `errors`: [{"id", "truth", "prediction", "score"}], worst first.
- `reliability`: [{"low", "high", "confidence", "accuracy", "n"}], one per bin.
- `curve` or `risk_coverage`: [{"coverage", "accuracy" or "risk"}], or such lists by name.
- `thresholds`: [{"label", "kind", "value", "rule", "split", "n"}].
- `spectrum`: variances of the first components, largest first, by modality.
- `suspicious`: [{"id", ...}] of pairs that fit together least, worst first.
- `suppressed`: [{"column", "value", "n", "n_groups"}] of subgroups too small to show.
- `predicted`: [{"id", "truth", "prediction"}] of a regression.
- `cases`: single samples by kind, as `eval.report.cases` picks them.

`leakage` holds, by name of the check, a count, a list of what was found, a statement in words, or
{"found": count, "result": words}. `pretraining_overlap` is a statement or one per modality.

`card` holds what only the author knows; its keys are those of `eval.report.sections.author`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class ReportData:
    """One run, as the report sees it.

    Attributes:
        name: the pipeline's name.
        digest: the run's digest.
        seed: the run's seed.
        pipeline: the resolved pipeline file, verbatim.
        record: `versions`, `seeds`, `threads`, `device`, `stages` {stage: {"seconds", "peak_mb"}}
            and `towers` {modality: {"encoder", "weights", "base_digest", "adapt",
            "trained_parameters", "total_parameters"}}.
        flow: by modality the counts rows, absent, present, ok, flag, quarantine.
        splits: by split the counts rows, groups, and items per modality.
        flags: how often each flag was raised.
        quarantine: the lines of `quarantine.jsonl`.
        metrics: the rows of `metrics.json`, but for those of subsets.
        labels: by label column, by split, how many rows bear each value; for the rows of a label
            set, every label counts. None is "missing".
        subsets: rows whose query or gallery is a subset of a fused vector, "patient@xray+ecg".
        extras: material per task entry, see above.
        curves: the training log, rows with stage, step, epoch, loss, validation.
        space_map: {"points": [{"x", "y", "modality", "id", "label"}]}, from `map_of_space`.
        previews: PNG bytes by "modality/id".
        leakage: what the leakage audit found, see above.
        source: where the data come from, in words.
        card: free text of the author, by key.
    """

    name: str
    digest: str
    seed: int
    pipeline: str
    record: Mapping[str, Any] = field(default_factory=dict)
    flow: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    splits: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    flags: Mapping[str, int] = field(default_factory=dict)
    quarantine: Sequence[Mapping[str, str]] = ()
    metrics: Sequence[Mapping[str, Any]] = ()
    extras: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    curves: Sequence[Mapping[str, Any]] = ()
    space_map: Mapping[str, Any] = field(default_factory=dict)
    previews: Mapping[str, bytes] = field(default_factory=dict)
    leakage: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""
    card: Mapping[str, str] = field(default_factory=dict)
    subsets: Sequence[Mapping[str, Any]] = ()
    labels: Mapping[str, Mapping[str, Mapping[str, int]]] = field(default_factory=dict)
