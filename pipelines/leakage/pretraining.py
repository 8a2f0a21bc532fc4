"""Whether an encoder's published weights were trained on the data that is evaluated now."""

from __future__ import annotations

import re
from pathlib import Path

from pipelines.plan import Part, Plan

NOT_SAID = {"", "not known", "whatever its folder says", "as its model card says"}
NOTHING = ("none", "nothing")
CARD_LIMIT = 1 << 20

_FRONT = re.compile(r"---\s*\n(.*?)\n---", re.DOTALL)
_DATASETS = re.compile(r"^datasets:[ \t]*((?:\n[ \t]*-[^\n]*)+|[^\n]+)", re.MULTILINE)
_WORD = re.compile(r"[\w./][\w./-]*")


def overlap(plan: Plan) -> dict[str, str]:
    """Return a statement per modality: "no", "yes" or "not known", with the reason.

    What the weights' own card (README.md with `datasets:`) or the encoder's entry declares is held
    against the name of the dataset.
    """
    manifest = plan.pipeline.manifest
    dataset = None if manifest.synthetic else (manifest.dataset or "")
    return {key: _statement(part, dataset) for key, part in plan.parts.items()}


def _statement(part: Part, dataset: str | None) -> str:
    if part.weights.scratch:
        return "no: starts from random numbers"
    if dataset is None:
        return "no: the cohort is generated"
    listed = _card(part.weights.source)
    declared = listed or part.entry.data
    if declared.strip().lower() in NOT_SAID:
        return "not known: the weights do not say what they were trained on"
    if declared.lower().startswith(NOTHING):
        return "no: trained on nothing"
    if not dataset:
        return f"not known: the manifest names no dataset; weights trained on {declared}"
    if _plain(dataset) in _plain(declared):
        return f"yes: weights trained on {declared}"
    if listed:
        return f"no: weights trained on {listed}, as their card says"
    return f"not known: {dataset} is not named; weights trained on {declared}"


def _card(source: str) -> str:
    """Return the datasets that a local folder's README.md lists in its front matter."""
    path = Path(source) / "README.md"
    if not path.is_file():
        return ""
    with open(path, "rb") as stream:
        text = stream.read(CARD_LIMIT).decode("utf-8", "replace")
    front = _FRONT.match(text)
    listed = _DATASETS.search(front[1]) if front else None
    return ", ".join(_WORD.findall(listed[1])) if listed else ""


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
