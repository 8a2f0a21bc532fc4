"""Measures from predictions alone: equal to the rows the task itself wrote."""

from pathlib import Path

import numpy as np
import pytest
from example_space import CLASSES, make_space

from eval.intervals import Resampler
from eval.knn import Knn
from eval.measures import measures_of, row_of
from eval.probe import Probe
from eval.retrieval import Retrieval
from eval.task import Context
from eval.zero_shot import ZeroShot

CONTEXT = Context(seed=1, base=Path(), replicates=0)
PROMPTS = {"classes": {c: f"class {c}" for c in CLASSES}, "templates": ["{}", "a {}"]}
MULTI = {"label": "findings", "labels": "multi", "min_positives": 3}
TASKS = {
    "zero_shot": (ZeroShot, {"label": "finding", "prompts": PROMPTS}),
    "zero_shot sets": (ZeroShot, {**MULTI, "prompts": PROMPTS}),
    "probe": (Probe, {"label": "finding", "c": (1.0,)}),
    "knn": (Knn, MULTI),
    "retrieval": (Retrieval, {"gallery": "report", "relation": "same_label", "label": "finding"}),
}


def measured(name, space=None):
    task, given = TASKS[name]
    options = task.options(query="ecg", **given)
    result = task().run(space or make_space(noise=1.5), options, CONTEXT)
    found = measures_of(
        name.split()[0], result.predictions, options.model_dump(),
        classes=result.extras.get("classes"),
    )  # fmt: skip
    return result, found


def test_predictions_without_rows_give_no_measure():
    task, given = TASKS["zero_shot"]
    options = task.options(query="ecg", split="nowhere", **given)
    result = task().run(make_space(), options, CONTEXT)
    table, given = result.predictions, options.model_dump()
    assert measures_of("zero_shot", table, given, classes=CLASSES) == []
    assert measures_of("diagnostics", table, given, classes=CLASSES) == []


@pytest.mark.parametrize("name", TASKS)
def test_every_measure_equals_the_row_of_its_task(name):
    result, found = measured(name)
    assert len(found) >= 4
    for measure in found:
        row = row_of(measure, result.rows)
        replicates = Resampler(measure.groups, 1, 0)
        statistic = measure.statistic(np.arange(len(measure.ids)), replicates.index)
        assert replicates.point(statistic) == pytest.approx(row.value, abs=1e-12), measure.name


def test_masked_labels_stay_masked():
    from dataclasses import replace

    space = make_space(noise=1.5)
    cells = [c.replace("c0", "c0?") if i % 3 == 0 else c
             for i, c in enumerate(space.rows.columns["findings"])]  # fmt: skip
    space = replace(space, rows=replace(space.rows, columns={"findings": cells}))
    result, found = measured("zero_shot sets", space)
    (row,) = [r for r in result.rows if (r.metric, r.label) == ("auroc", "findings=c0")]
    (measure,) = [
        m for m in found if (m.place["metric"], m.place["label"]) == ("auroc", "findings=c0")
    ]
    assert row.n < 48
    assert np.isnan(measure.truth).sum() == 48 - row.n
    replicates = Resampler(measure.groups, 1, 0)
    statistic = measure.statistic(np.arange(48), replicates.index)
    assert replicates.point(statistic) == pytest.approx(row.value, abs=1e-12)


def test_joined_rows_hold_both_models_and_keep_their_numbers():
    _, found = measured("zero_shot")
    _, other = measured("zero_shot", make_space(noise=2.5))
    for one, two in zip(found, other, strict=True):
        both = one.joined(two)
        index = Resampler(one.groups, 1, 0).index
        groups = index.max() + 1
        whole = both.statistic(np.arange(96), np.concatenate([index, index + groups]))
        for number, part in enumerate((one, two)):
            weights = np.zeros((1, 2 * groups))
            weights[0, number * groups : (number + 1) * groups] = 1
            own = part.statistic(np.arange(48), index)(np.ones((1, groups)))[0][0]
            assert whole(weights)[0][0] == pytest.approx(own, abs=1e-12)


def test_a_measure_says_its_name():
    assert measured("knn")[1][0].name == "auroc@1 (macro) ecg findings features"
