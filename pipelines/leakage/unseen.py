"""Species, BINs and barcodes that a split calls unseen, looked for in the training split."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.leakage.checks import Check, Pair, Verdict, crossing
from pipelines.leakage.contents import labels_of
from pipelines.leakage.seen import Seen
from pipelines.plan import Plan
from workbench.manifest import Manifest

TRAINING = "train"
MARKS = ("unseen", "heldout", "held_out")
COLUMNS = ("species", "species_name", "scientific_name", "bin", "bin_uri", "dna_bin", "barcode")
FIX = "Take these rows out of training, or name the split otherwise (leakage.unseen)."


def check_unseen(plan: Plan, manifest: Manifest, seen: Sequence[Seen]) -> list[Check]:
    """Return one check per label column and per modality; none where no split claims it."""
    named = plan.pipeline.leakage.unseen
    present = sorted(set(manifest.splits))
    if named is None:
        splits = [s for s in present if any(mark in s.lower() for mark in MARKS)]
    else:
        splits = [s for s in present if s in named]
    if not splits:
        return []
    homes = ["unseen" if s in splits else s for s in manifest.splits]
    rows = [i for i, home in enumerate(homes) if home in ("unseen", TRAINING)]
    checks = []
    claimed = plan.pipeline.leakage.unseen_by
    usual = [column for column in COLUMNS if column in manifest.columns]
    for name in dict.fromkeys([*(claimed or ()), *usual]):
        cells = manifest.column(name)
        keys = [(i, cells[i]) for i in rows if cells[i] is not None]
        strict = claimed is None or name in claimed or plan.pipeline.leakage.strict
        verdict: Verdict = "refuse" if strict else "flag"
        found = crossing(keys, homes)
        checks.append(_check(name, found, verdict=verdict))
    wanted = set(rows)
    for one in seen:
        if not one.part.modality.repeats:
            pairs = zip(one.rows.tolist(), labels_of(one).tolist(), strict=True)
            found = crossing([(row, label) for row, label in pairs if row in wanted], homes)
            checks.append(_check(f"{one.part.key} content", found))
    return checks


def _check(what: str, found: tuple[int, Sequence[Pair]], *, verdict: Verdict = "refuse") -> Check:
    count, pairs = found
    name = f"{what} of an unseen split in training"
    return Check(name, field=f"{what} of training", code="E-MAN-005", verdict=verdict, found=count,
                 pairs=pairs, fix=FIX)  # fmt: skip
