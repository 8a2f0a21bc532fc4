"""The curve of accuracy over examples per class, draw by draw.

Legend: n queries, C classes, S draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.class_anchors import Bound, class_anchors
from eval.classify import top_k
from eval.few_shot import FewShotOptions
from eval.few_shot_heads import Head, NearestMean, Part, PromptsAndMean, probe, support
from eval.labels import Truth, truth_of
from eval.prompts import PromptSet
from eval.rows import Sheet, config_digest, resampler, sheet
from eval.scores.cosine import unit
from eval.selection import Selection, column, features_of
from eval.space import Space
from eval.supervised import split_parts
from eval.task import Context, Result
from eval.weighted import macro_mean, mean
from workbench.errors import Refusal

Reals = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class _Data:
    """Training, validation and test rows of one kind of vector."""

    train: Part
    val: Part
    test: Part
    groups: Sequence[str]

    def drawn(self, rows: Ints) -> Part:
        """Return some of the training rows."""
        vectors, truth = self.train
        single = None if truth.single is None else truth.single[rows]
        return vectors[rows], Truth(truth.classes, single, truth.table[rows])


@dataclass(frozen=True)
class _Asked:
    """The question: where, how, and under which seed."""

    space: Space
    options: FewShotOptions
    context: Context


def curve(space: Space, options: FewShotOptions, context: Context) -> Result:
    """Return the rows of every head, and of what stands beside the curve."""
    cells = column(space.rows, options.label)
    train, val, test, classes = split_parts(space, options, cells)
    parts = (train, val, test)
    truths = [truth_of([cells[row] for row in part.rows], classes, "single") for part in parts]
    page = sheet(
        resampler(test.groups, context), task="few_shot", query=options.query, label=options.label,
        split=options.split, model=space.model, n_excluded=test.excluded, gallery=options.anchor,
        config_digest=config_digest(options, context), gallery_size=len(classes),
    )  # fmt: skip
    columns: dict[str, Sequence[Any]] = {"label": truths[2].words()}
    asked = _Asked(space, options, context)
    if len(classes) < 2 or len(test) == 0:
        reason = "no row is left" if len(classes) >= 2 else f"{len(classes)} classes to learn"
        page.add_value("accuracy", None, reason=reason, average="macro")
        return Result(page.rows, test.table(columns), {"classes": list(classes)})
    for kind in options.by:
        vectors = [features_of(space, options.query, part, by=kind) for part in parts]
        known = [part for part in vectors if part is not None]
        if len(known) < len(parts):
            reason = "these vectors were not kept"
            page.add_value("accuracy", None, reason=reason, average="macro", pool=kind)
            continue
        first, second, third = zip(known, truths, strict=True)
        data = _Data(first, second, third, train.groups)
        for head in options.heads:
            if head == "zero_shot" and kind != "values":
                continue
            columns |= _head(page, asked, data=data, name=(head, kind))
    columns |= _zero_shot(page, asked, test=test, truth=truths[2])
    return Result(page.rows, test.table(columns), {"classes": list(classes), "curve": _lines(page)})


def _head(
    page: Sheet, asked: _Asked, *, data: _Data, name: tuple[str, str]
) -> dict[str, list[Any]]:
    """Add the rows of one head on one kind of vector; return its prediction columns."""
    columns: dict[str, list[Any]] = {}
    options = asked.options
    labels, classes = data.train[1].single, data.train[1].classes
    pool = f"{name[0]}, {name[1]}"
    if labels is None:
        return columns
    prompts = _prompt_vectors(asked, classes) if name[0] == "zero_shot" else None
    groups = [len({g for g, c in zip(data.groups, labels, strict=True) if c == i})
              for i in range(len(classes))]  # fmt: skip
    for shots in options.shots:
        heads = [_made(name[0], asked, prompts) for _ in range(options.draws)]
        drawn = [
            support(labels, data.groups, classes, shots=shots, key=(asked.context.seed, number))
            for number in range(options.draws)
        ]
        scores = [
            head.scores(data.drawn(rows), data.val, data.test[0])
            for head, rows in zip(heads, drawn, strict=True)
        ]
        few = sum(count < shots for count in groups)
        notes = [note for head in heads for note in head.notes]
        notes += [f"{few} classes have fewer than {shots} groups"] if few else []
        table = _add(page, scores, data.test[1], pool=pool, shots=shots, notes=notes)
        columns |= {f"{key}_{'_'.join(name)}_k{shots}": values for key, values in table.items()}
    whole = _made(name[0], asked, prompts)
    scores = [whole.scores(data.train, data.val, data.test[0])]
    table = _add(page, scores, data.test[1], pool=f"{pool}, all rows", shots=None,
                 notes=whole.notes)  # fmt: skip
    return columns | {f"{key}_{'_'.join(name)}_all": values for key, values in table.items()}


def _made(head: str, asked: _Asked, prompts: Reals | None) -> Head:
    """Return a fresh head."""
    if head == "zero_shot" and prompts is not None:
        return PromptsAndMean(prompts)
    options = asked.options
    if head == "mean":
        return NearestMean()
    return probe(options.c, options.iterations, asked.context.seed)


def _add(
    page: Sheet, scores: Sequence[Reals], truth: Truth, *, pool: str, shots: int | None,
    notes: Sequence[str],
) -> dict[str, list[Any]]:  # fmt: skip
    """Add mean accuracy over draws and its deviation; return what was said of every query.

    A mean over draws of a weighted mean over queries is the weighted mean of the queries' own
    means, so one replicate weights the queries and averages over draws.
    """
    labels = truth.single
    if labels is None:
        return {}
    hits = np.stack([top_k(table, labels, 1) for table in scores])
    index, flags = page.resampler.index, tuple(dict.fromkeys(notes))
    columns: dict[str, Any] = {"k": shots, "pool": pool, "flags": flags}
    for average in ("micro", "macro"):

        def statistic(values: Reals, average: str = average) -> Any:
            return mean(values, index) if average == "micro" else macro_mean(values, labels, index)

        page.add("accuracy", statistic(hits.mean(axis=0)), chance=1 / len(truth.classes),
                 average=average, **columns)  # fmt: skip
        if len(hits) > 1:
            each = [page.resampler.point(statistic(line)) for line in hits]
            spread = float(np.std([value for value in each if value is not None], ddof=1))
            page.add_value("accuracy_sd", spread, reason=f"deviation over {len(hits)} draws",
                           average=average, **columns)  # fmt: skip
    best = np.stack([table.argmax(axis=1) for table in scores])
    return {
        "prediction": [[truth.classes[i] for i in line] for line in best.T],
        "hit": [[float(value) for value in line] for line in hits.T],
    }


def _zero_shot(
    page: Sheet, asked: _Asked, *, test: Selection, truth: Truth
) -> dict[str, list[Any]]:
    """Add the zero-shot row where there are prompts: no example at all."""
    bound = _bound(asked, test)
    if bound is None:
        return {}
    scores = _of_classes(bound, truth.classes)
    table = _add(page, [scores], truth, pool="zero_shot, values", shots=0, notes=bound.flags)
    return {f"{key}_zero_shot_k0": values for key, values in table.items()}


def _bound(asked: _Asked, test: Selection) -> Bound | None:
    """Return the prompts beside the test rows, None where there are no prompts."""
    question = asked.options.asked()
    if question is None:
        return None
    return class_anchors(asked.space, question, asked.context).of(test)


def _of_classes(bound: Bound, classes: Sequence[str]) -> Reals:
    """Return (n, C) scores in the order of some classes."""
    place = _places(bound.anchors.prompts, classes)
    return bound.scores()[:, place]


def _places(prompts: PromptSet | None, classes: Sequence[str]) -> list[int]:
    """Return where each class stands in the prompt set.

    Raises:
        Refusal: a class of the training rows has no prompts.
    """
    known = [] if prompts is None else [entry.id for entry in prompts.classes]
    if bare := [name for name in classes if name not in known]:
        raise Refusal(
            "E-CFG-020", file="pipeline", field="evaluate: few_shot.prompts",
            found=f"no prompts for {len(bare)} classes, such as {bare[0]!r}",
            expected="prompts for every class of the training rows",
        )  # fmt: skip
    return [known.index(name) for name in classes]


def _prompt_vectors(asked: _Asked, classes: Sequence[str]) -> Reals:
    """Return (C, E) mean prompt vectors.

    Raises:
        Refusal: the model's score is no cosine of vectors, or a class has no prompts.
    """
    space, options = asked.space, asked.options
    question = options.asked()
    prompts = None if question is None else class_anchors(space, question, asked.context).prompts
    places = _places(prompts, classes)
    if space.score != "cosine":
        raise Refusal(
            "E-CFG-023", file="pipeline", field="evaluate: few_shot.heads",
            found=f"zero_shot, score {space.score}", expected="heads mean and probe",
        )  # fmt: skip
    texts = space.texts.get(options.anchor or "", {})
    wordings = list((prompts.positive_prompts() if prompts is not None else {}).values())
    chosen = [wordings[place] for place in places]
    return np.stack([unit(np.stack([texts[t] for t in group])).mean(axis=0) for group in chosen])


def _lines(page: Sheet) -> list[dict[str, Any]]:
    """Return the curve for the report: one entry per accuracy."""
    return [
        {"pool": row.pool, "shots": row.k, "average": row.average, "value": row.value,
         "low": row.ci_low, "high": row.ci_high}
        for row in page.rows if row.metric == "accuracy"
    ]  # fmt: skip
