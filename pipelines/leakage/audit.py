"""Runs every check of the leakage audit, and says whether a run may go on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.leakage import pretraining
from pipelines.leakage.checks import Check
from pipelines.leakage.contents import check_contents
from pipelines.leakage.fitted import check_fitted, provenance
from pipelines.leakage.ids import check_ids, check_parents
from pipelines.leakage.near import check_near
from pipelines.leakage.seen import Seen
from pipelines.leakage.table import write_pairs
from pipelines.leakage.unseen import check_unseen
from pipelines.plan import Plan
from workbench.manifest import Manifest


@dataclass(frozen=True)
class Audit:
    """What was looked for and found.

    Attributes:
        checks: one per line of the report.
        pretraining: statement on the overlap with pretraining data, by modality.
        fitted: for everything fitted, the split it comes from.
        manifest: the rows.
    """

    checks: tuple[Check, ...]
    pretraining: Mapping[str, str]
    fitted: Mapping[str, str]
    manifest: Manifest

    def refuse(self) -> None:
        """Stop when a check says so.

        Raises:
            Refusal: of the first check whose finding makes every number wrong.
        """
        for check in self.checks:
            if check.refused:
                raise check.refusal(self.manifest)

    def write(self, folder: Path) -> None:
        """Write `leakage.parquet` into a run's folder."""
        write_pairs(self.checks, self.manifest, folder)

    def as_dict(self) -> dict[str, Any]:
        """Return the audit as `record.json` keeps it."""
        return {
            "checks": [check.as_dict(self.manifest) for check in self.checks],
            "pretraining": dict(self.pretraining), "fitted": dict(self.fitted),
        }  # fmt: skip

    def lines(self) -> list[str]:
        """Return the audit in words, one line per check that found something."""
        done = f"leakage: {len(self.checks)} checks"
        told = [f"  {c.found} x {c.name} ({c.remark or c.verdict})" for c in self.checks if c.found]
        unknown = [f"  pretraining overlap of {key}: {said}" for key, said in
                   self.pretraining.items() if not said.startswith("no:")]  # fmt: skip
        return [done if told else f"{done}, nothing found", *told, *unknown]


def audit(plan: Plan, manifest: Manifest, seen: Sequence[Seen]) -> Audit:
    """Return what must not be shared between splits, and is.

    Groups in two splits were refused when the manifest was read.
    """
    checks = [
        Check("group in two splits", field="split", code="E-MAN-001", verdict="refuse"),
        *check_ids(plan, manifest),
        *check_parents(plan, manifest),
        *check_unseen(plan, manifest, seen),
        *check_fitted(plan),
    ]
    for one in seen:
        checks += check_contents(plan, manifest, one)
    for one in seen:
        checks += check_near(plan, manifest, one)
    return Audit(tuple(checks), pretraining.overlap(plan), provenance(plan), manifest)
