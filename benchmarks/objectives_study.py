"""Trains every objective on one cohort of known structure, with the same towers and budget.

    python -m benchmarks.objectives_study --write docs/benchmarks/objectives.md

Three training seeds each, on complete records and with half of them lacking a modality. Every
figure is a share of held-out records found first among 1,000 (R@1), averaged over the seeds, with
the 95 % interval over records in brackets. It says how the objectives differ on this cohort, not
which is best on any real data.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.study_cohort import CLASSES, NAMES, Records, cohort
from benchmarks.study_towers import DIM, ELEMENTS, Towers, hide, view
from eval.intervals import Resampler
from eval.scores.base import Score
from eval.scores.pooled import Pooled, pooled
from pipelines.averages import Averages
from pipelines.objectives.entry import Edge, Shapes
from pipelines.objectives.objective import Encoded, Items, Memory, Objective, Step
from pipelines.objectives.pairs import side_of
from workbench import registry

TRAIN, TEST, BATCH, EPOCHS, RATE = 4096, 1000, 256, 25, 2e-3
SEEDS = (0, 1, 2)
LACKING = (0.0, 0.5)
ANCHORED = (("text", "xray"), ("text", "ecg"))
ALL = (*ANCHORED, ("xray", "ecg"))
PAIRS = tuple((a, b) for a in NAMES for b in NAMES if a != b)
SOFT = {"targets": "soft", "soft_from": "text"}

STUDIED: Mapping[str, tuple[str, dict[str, Any], tuple[tuple[str, str], ...]]] = {
    "contrastive, anchored on text": ("contrastive", {}, ANCHORED),
    "contrastive, all pairs": ("contrastive", {}, ALL),
    "contrastive, soft targets": ("contrastive", SOFT, ANCHORED),
    "sigmoid": ("sigmoid", {}, ANCHORED),
    "gram alone": ("gram", {"anchored": 0.0}, ANCHORED),
    "gram + anchored": ("gram", {}, ANCHORED),
    "gram + all pairs": ("sum", {"parts": [
        {"name": "contrastive"}, {"name": "gram", "anchored": 0.0}]}, ALL),
    "mv_infonce": ("mv_infonce", {}, ALL),
    "mv_dhel": ("mv_dhel", {}, ALL),
    "hcl": ("hcl", {}, ANCHORED),
    "topk_filtered": ("topk_filtered", {}, ANCHORED),
    "mined": ("mined", {}, ANCHORED),
    "contrary": ("contrary", {}, ANCHORED),
    "queue": ("queue", {"ema_decay": 0.99}, ANCHORED),
    "byol": ("byol", {}, ANCHORED),
    "simdino": ("simdino", {}, ANCHORED),
    "mix": ("mix", {}, ANCHORED),
    "late": ("late", {}, ANCHORED),
    "segment_attention": ("segment_attention", {}, ANCHORED),
    "mil_nce": ("mil_nce", {}, ANCHORED),
    "fdt": ("fdt", {}, ANCHORED),
    "masked": ("masked", {}, ANCHORED),
}  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """What one objective reached: by column, (seeds, records) of 0..1, NaN where not a query."""

    hits: Mapping[str, np.ndarray]
    complete: float
    seconds: float


def main() -> None:
    """Run the study and print or write its page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", help="rows to run")
    parser.add_argument("--seeds", type=int, default=len(SEEDS))
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument(
        "--kept", type=Path, help="folder of outcomes; those in it are not run again"
    )
    parser.add_argument("--write", type=Path)
    chosen = parser.parse_args()
    names = chosen.only or list(STUDIED)
    found: dict[tuple[str, float], Outcome] = {}
    for name in names:
        for lacking in LACKING:
            found[name, lacking] = kept(name, lacking, chosen)
            print(row(name, found[name, lacking], lacking), flush=True)
    pages = [table({n: found[n, lacking] for n in names}, lacking) for lacking in LACKING]
    if chosen.write:
        chosen.write.write_text(page(pages, chosen))


def kept(name: str, lacking: float, chosen: argparse.Namespace) -> Outcome:
    """Return an outcome, from its file where there is one."""
    seeds = SEEDS[: chosen.seeds]
    if chosen.kept is None:
        return studied(name, lacking, seeds, chosen.epochs)
    asked = json.dumps([STUDIED[name], lacking, seeds, chosen.epochs, TRAIN, TEST, BATCH, RATE])
    path = chosen.kept / f"{hashlib.sha256(asked.encode()).hexdigest()[:16]}.npz"
    if not path.exists():
        outcome = studied(name, lacking, seeds, chosen.epochs)
        chosen.kept.mkdir(parents=True, exist_ok=True)
        facts = np.array([outcome.complete, outcome.seconds])
        np.savez(path, **{"facts": facts, **outcome.hits})
    with np.load(path) as stored:
        hits = {key: stored[key] for key in stored.files if key != "facts"}
        complete, seconds = stored["facts"]
    return Outcome(hits, float(complete), float(seconds))


def studied(name: str, lacking: float, seeds: tuple[int, ...], epochs: int) -> Outcome:
    """Train one objective under several seeds and find every record from every side."""
    train = cohort(TRAIN, seed=1, lacking=lacking)
    test = cohort(TEST, seed=2, lacking=lacking)
    found: list[dict[str, np.ndarray]] = []
    complete, begun = [], time.monotonic()
    for seed in seeds:
        towers, objective = trained(name, train, seed, epochs)
        towers.eval()
        objective.eval()
        with torch.no_grad():
            hits, share = measured(towers, objective, train, test)
        found.append(hits)
        complete.append(share)
    hits = {k: np.stack([f[k] for f in found]) for k in found[0]}
    return Outcome(hits, float(np.mean(complete)), (time.monotonic() - begun) / len(seeds))


def trained(name: str, records: Records, seed: int, epochs: int) -> tuple[Towers, Objective]:
    """Train towers with one objective: AdamW, one cycle."""
    kind, given, edges = STUDIED[name]
    entry = registry.load("objectives", kind)
    options = entry.options(**given)
    needs = entry.needed(options)
    torch.manual_seed(seed)
    towers = Towers()
    shapes = Shapes(DIM, len(records), dict.fromkeys(NAMES, (ELEMENTS, 0)))
    objective = entry.build(options, [Edge(a, (b,)) for a, b in edges], shapes)
    weights = [*towers.parameters(), *(p for p in objective.parameters() if p.requires_grad)]
    steps = epochs * (len(records) // BATCH)
    optimizer = torch.optim.AdamW(weights, lr=RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    decay = getattr(options, "ema_decay", 0.99)
    averages = Averages(towers, decay) if "ema" in needs else None
    rng = torch.Generator().manual_seed(seed)
    ratio = getattr(options, "mask_ratio", 0.5)
    for number in range(steps):
        if number % (len(records) // BATCH) == 0:
            order = torch.randperm(len(records), generator=rng)
            epoch = number // (len(records) // BATCH)
            objective.on_epoch(epoch, lambda: memory(towers, records))
        place = number % (len(records) // BATCH) * BATCH
        rows = order[place : place + BATCH]
        values = view({k: v[rows] for k, v in records.values.items()}, rng)
        present = {k: v[rows] for k, v in records.present.items()}
        hidden = {}
        if "recon" in needs:
            values, hidden = hide(values, present, rng, ratio)
        encoded = towers.encode(values, present)
        second = view({k: v[rows] for k, v in records.values.items()}, rng)
        step = Step(
            number=number, epoch=epoch, progress=number / steps, seed=seed, hidden=hidden,
            second=towers.encode(second, present) if "views" in needs else None,
            contrary=towers.contrary(records, rows) if "contrary" in needs else {},
        )  # fmt: skip
        if averages is not None:
            step = averaged(step, averages, towers, (values, second, present))
        loss = objective(encoded, items_of(rows), step).total
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        schedule.step()
        if averages is not None:
            averages.update()
        objective.after_step(detached(encoded), items_of(rows), step)
    return towers, objective


def averaged(step: Step, averages: Averages, towers: Towers, views: tuple[Any, Any, Any]) -> Step:
    """Return the step with both views by the averaged towers."""
    from dataclasses import replace

    first, second, present = views
    with averages.applied(), torch.no_grad():
        return replace(
            step, ema=towers.encode(first, present), ema_second=towers.encode(second, present)
        )


def items_of(rows: Tensor) -> Items:
    """Return rows that all belong to someone else and equal nothing."""
    return Items(rows, rows, dict.fromkeys(NAMES, rows))


def memory(towers: Towers, records: Records) -> Memory:
    """Return the vectors of all training records."""
    with torch.no_grad():
        encoded = towers.encode(records.values, records.present)
    return {k: (encoded.present[k].nonzero()[:, 0], v[encoded.present[k]])
            for k, v in encoded.emb.items()}  # fmt: skip


def measured(
    towers: Towers, objective: Objective, train: Records, test: Records
) -> tuple[dict[str, np.ndarray], float]:
    """Return hits by column, and the share of complete records among the first found."""
    encoded = towers.encode(test.values, test.present)
    cosine = Pooled(dim=DIM)
    own = getattr(objective, "score", cosine)
    hits = {}
    for query, gallery in PAIRS:
        table = cosine(side_of(encoded, (query,)), side_of(encoded, (gallery,)))
        hits[f"{query}-{gallery}"], _ = first(table, test.present[query], test.present[gallery])
    image = test.present["xray"] | test.present["ecg"]
    text, record = side_of(encoded, ("text",)), side_of(encoded, ("xray", "ecg"))
    hits["text-record, fused"], _ = first(cosine(text, record), test.present["text"], image)
    native = native_table(own, encoded, test)
    hits["text-record, own score"], chosen = first(native, test.present["text"], image)
    hits["zero-shot, X-ray"] = zero_shot(towers, encoded, train, test)
    full = test.present["xray"] & test.present["ecg"]
    return hits, float(full[chosen].float().mean())


def native_table(own: Score | None, encoded: Encoded, test: Records) -> Tensor:
    """Score texts with records as the objective does: jointly, or the mean of what is present."""
    own = own if isinstance(own, Score) else Pooled(dim=DIM)
    text = side_of(encoded, ("text",))
    if own.name == "volume":
        return own(text, side_of(encoded, ("xray", "ecg")))
    total, count = torch.zeros(len(test), len(test)), torch.zeros(len(test))
    for name in ("xray", "ecg"):
        has = test.present[name].float()
        total = total + own(text, side_of(encoded, (name,))) * has
        count = count + has
    return total / count.clamp_min(1)


def first(table: Tensor, query: Tensor, gallery: Tensor) -> tuple[np.ndarray, Tensor]:
    """Return whether each record's partner comes first (ties shared), and what came first."""
    table = table.masked_fill(~gallery, -torch.inf)
    own = table.diagonal()[:, None]
    above, tied = (table > own).sum(1), (table == own).sum(1)
    hit = torch.where(above == 0, 1.0 / tied, 0.0)
    hit[~(query & gallery)] = torch.nan
    return hit.numpy(), table.argmax(1)[query & gallery]


def zero_shot(towers: Towers, encoded: Encoded, train: Records, test: Records) -> np.ndarray:
    """Return whether an X-ray lies nearest to its class's mean training text."""
    texts = towers.encode(train.values, train.present)
    unit = pooled(side_of(texts, ("text",)))
    anchors = torch.stack([unit[train.label == c].mean(0) for c in range(CLASSES)])
    scores = pooled(side_of(encoded, ("xray",))) @ nn.functional.normalize(anchors, dim=-1).T
    right = (scores.argmax(1) == test.label).float()
    right[~test.present["xray"]] = torch.nan
    return right.numpy()


def detached(encoded: Encoded) -> Encoded:
    """Return the vectors without their graph."""
    parts = (encoded.emb, encoded.present, encoded.tokens, encoded.token_mask)
    return Encoded(*({k: v.detach() for k, v in part.items()} for part in parts))


def interval(hits: np.ndarray) -> str:
    """Return the mean over seeds with its interval over records, in percent."""
    mean = hits.mean(0)
    known = mean[np.isfinite(mean)]
    groups = [f"{i:05d}" for i in range(len(known))]

    def share(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return weights @ known / weights.sum(1), np.ones(len(weights), dtype=bool)

    found = Resampler(groups, seed=0).estimate(share)
    seeds = np.nanmean(hits, axis=1)
    spread = f" ±{100 * seeds.std(ddof=1):.1f}" if len(seeds) > 1 else ""
    return (f"{100 * (found.value or 0):.1f}{spread} "
            f"({100 * (found.low or 0):.0f}–{100 * (found.high or 0):.0f})")  # fmt: skip


def row(name: str, outcome: Outcome, lacking: float) -> str:
    """Return one line of the table."""
    cells = [interval(hits) for hits in outcome.hits.values()]
    tail = [f"{100 * outcome.complete:.0f}"] if lacking else []
    return f"| {name} | {' | '.join([*cells, *tail])} | {outcome.seconds:.0f} |"


def table(outcomes: Mapping[str, Outcome], lacking: float) -> str:
    """Return the table of one cohort."""
    columns = [*next(iter(outcomes.values())).hits, *(["complete first, %"] if lacking else [])]
    head = f"| objective | {' | '.join(columns)} | s a seed |"
    lines = [row(name, outcome, lacking) for name, outcome in outcomes.items()]
    return "\n".join([head, "|---" * (len(columns) + 2) + "|", *lines])


def page(tables: list[str], chosen: argparse.Namespace) -> str:
    """Return the page."""
    test = cohort(TEST, seed=2, lacking=0.5)
    full = float((test.present["xray"] & test.present["ecg"]).float().mean())
    return "\n".join([
        "# Every objective on one cohort", "",
        (__doc__ or "").split("\n\n", 2)[2].strip(), "",
        f"{TRAIN} training and {TEST} test records, batch {BATCH}, {chosen.epochs} epochs, "
        f"{chosen.seeds} seeds; R@1 in percent ± standard deviation over seeds (95 % interval over "
        "records). Chance is 0.1 for retrieval, 12.5 for zero-shot.", "",
        f"{platform.machine()}, torch {torch.__version__}, {torch.get_num_threads()} thread(s). "
        "`python -m benchmarks.objectives_study --write docs/benchmarks/objectives.md`", "",
        "## Complete records", "", tables[0], "",
        "## Half of the records lack one modality", "",
        f"Of the records with an X-ray or an ECG, {100 * full:.0f} % hold both: a score that finds "
        "complete records first more often than that favours them.", "", tables[1], "",
    ])  # fmt: skip


if __name__ == "__main__":
    main()
