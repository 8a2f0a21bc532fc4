"""`workbench check`: everything that can be refused before work begins, and nothing changed."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

from pipelines import leakage, rows
from pipelines.plan import Plan
from workbench.errors import BadInput, Refusal
from workbench.manifest import Manifest

SHOWN = 20


def check_plan(plan: Plan, limit: int | None = None) -> str:
    """Return what was checked, in words.

    Raises:
        Refusal: the manifest is wrong, more cells are bad than `manifest.max_bad` allows, or splits
            share what they must not.
    """
    with tempfile.TemporaryDirectory() as folder:
        manifest = rows.manifest_of(plan, Path(folder), limit=limit)
        bad, present = _peek_all(plan, manifest)
        lines = _summary(plan, manifest)
        _refuse_many(bad, present, plan, name=manifest.name)
        found = leakage.audit(plan, manifest, leakage.of_manifest(plan, manifest))
    lines += [str(b) for b in bad[:SHOWN]]
    if len(bad) > SHOWN:
        lines.append(f"... and {len(bad) - SHOWN} more")
    found.refuse()
    lines += found.lines()
    lines.append(f"checked {present} cells, {len(bad)} bad; nothing was changed")
    return "\n".join(lines)


def _refuse_many(bad: list[BadInput], present: int, plan: Plan, *, name: str) -> None:
    """Stop when more cells are bad than the pipeline file allows."""
    share, allowed = len(bad) / max(present, 1), plan.pipeline.manifest.max_bad
    if share > allowed:
        common = ", ".join(f"{c} x {n}" for c, n in Counter(b.code for b in bad).most_common(3))
        raise Refusal(
            "E-MAN-007", file=name, field="cells",
            found=f"{len(bad)} of {present} bad ({common})",
            expected=f"at most manifest.max_bad {allowed:.2%}", fix="First: " + str(bad[0]),
        )  # fmt: skip


def _peek_all(plan: Plan, manifest: Manifest) -> tuple[list[BadInput], int]:
    bad: list[BadInput] = []
    present = 0
    for part in plan.parts.values():
        for cell in rows.cells(part, manifest):
            if cell is None:
                continue
            present += 1
            try:
                part.modality.peek(rows.source(part, cell, manifest), part.options)
            except BadInput as error:
                bad.append(error)
    return bad, present


def _summary(plan: Plan, manifest: Manifest) -> list[str]:
    counts = rows.split_counts(plan, manifest)
    lines = [f"{plan.pipeline.name}: {len(manifest)} rows, {len(set(manifest.groups))} groups"]
    for split, found in counts.items():
        cells = ", ".join(f"{k} {n}" for k, n in found.items())
        lines.append(f"  {split}: {cells}")
    lines += [f"  rejected by the adapter: {n} {why}" for why, n in manifest.rejected.items()]
    return lines
