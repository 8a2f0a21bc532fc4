"""What must not be shared between splits, looked for before anything trains."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipelines.decode import Decoded
from pipelines.plan import Plan
from workbench.errors import Refusal
from workbench.manifest import Manifest

SHOWN = 20


def audit(plan: Plan, manifest: Manifest, decoded: Mapping[str, Decoded]) -> dict[str, Any]:
    """Return, per modality, how many contents lie in more than one split, with the first pairs.

    Groups across splits were refused when the manifest was read.

    Raises:
        Refusal: equal decoded files in two splits, unless `manifest.duplicates: flag`. Equal texts
            and sequences are flagged only: reports repeat, and so do barcodes.
    """
    findings: dict[str, Any] = {"groups_across_splits": 0, "content": {}}
    for key, part in plan.parts.items():
        pairs = _shared(manifest, decoded[key])
        files = part.modality.spec.cell == "path"
        findings["content"][key] = {"shared": len(pairs), "first": pairs[:SHOWN], "files": files}
        if pairs and files and plan.pipeline.manifest.duplicates == "refuse":
            raise Refusal(
                "E-MAN-004", file=manifest.name, field=f"{key} contents",
                found=f"{len(pairs)} equal files in two splits, first {pairs[:3]}",
                expected="no equal file in two splits",
                fix="Mend the splits, or set manifest.duplicates: flag.",
            )  # fmt: skip
    return findings


def _shared(manifest: Manifest, decoded: Decoded) -> list[tuple[str, str]]:
    """Return (id, id) of the first two samples of every content that lies in two splits."""
    first: dict[str, int] = {}
    pairs: dict[str, tuple[str, str]] = {}
    for row, digest in zip(decoded.rows.tolist(), decoded.digests, strict=True):
        other = first.setdefault(digest, row)
        if manifest.splits[other] != manifest.splits[row]:
            pairs.setdefault(digest, (manifest.ids[other], manifest.ids[row]))
    return sorted(pairs.values())
