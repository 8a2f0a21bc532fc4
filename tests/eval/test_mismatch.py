"""The mismatch task: planted swaps are found, real ones surface, chance is chance."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from example_space import collapse, make_space, shuffle
from sklearn.metrics import average_precision_score, roc_auc_score

from eval.mismatch import Mismatch
from eval.scores.scorer import Scorer
from eval.task import Context
from workbench.errors import Refusal

CONTEXT = Context(seed=1, base=Path(), replicates=100)
OPTIONS = Mismatch.options(query="ecg", gallery="report", share=0.1)


def run(space, options=OPTIONS):
    return Mismatch().run(space, options, CONTEXT)


def one(result, metric):
    (row,) = [row for row in result.rows if row.metric == metric]
    return row


def paired(n=400):
    """Pairs that belong together as pairs, not only by class."""
    space = make_space(n=n, noise=0.3)
    return replace(space, vectors={
        name: replace(v, values=space.vectors["ecg"].values) for name, v in space.vectors.items()
    })  # fmt: skip


def test_an_unknown_modality_or_label_is_refused():
    with pytest.raises(Refusal, match="modality 'oct'"):
        run(make_space(), OPTIONS.model_copy(update={"query": "oct"}))
    with pytest.raises(Refusal, match="column 'findng'"):
        run(make_space(), OPTIONS.model_copy(update={"label": "findng"}))


def test_where_nothing_can_be_swapped_nothing_is_measured():
    space = make_space()
    column = dict.fromkeys(["finding"], ["c0"] * 240)
    rows = replace(space.rows, columns=column)
    result = run(replace(space, rows=rows), OPTIONS.model_copy(update={"label": "finding"}))
    assert [row.value for row in result.rows] == [None] * 3
    assert "no pair could be swapped" in result.rows[0].reason
    empty = run(space, OPTIONS.model_copy(update={"split": "nowhere"}))
    assert [row.value for row in empty.rows] == [None] * 3


def test_rows_without_a_partner_are_counted():
    space = make_space()
    report = space.vectors["report"]
    part = replace(report, ids=report.ids[:-4], values=report.values[:-4],
                   digests=report.digests[:-4])  # fmt: skip
    row = one(run(replace(space, vectors={**space.vectors, "report": part})), "auroc")
    assert row.n_excluded == {"no partner": 2}
    assert row.n == 46


def test_planted_swaps_are_found_and_the_numbers_follow_from_predictions():
    result = run(paired())
    assert one(result, "auroc").value >= 0.99
    assert one(result, "precision").value >= 0.9
    table = result.predictions
    truth, suspicion = np.array(table["planted"]), np.array(table["suspicion_planted"])
    assert truth.sum() == 8
    expected = average_precision_score(truth, suspicion)
    assert one(result, "auprc").value == pytest.approx(expected, abs=1e-12)
    expected = roc_auc_score(truth, suspicion)
    assert one(result, "auroc").value == pytest.approx(expected, abs=1e-12)
    assert one(result, "auprc").chance == 0.1


def test_what_falls_short_of_the_target_is_flagged():
    space = make_space(n=400)
    ecg = space.vectors["ecg"]
    turned = replace(ecg, values=ecg.values[::-1].copy())
    row = one(run(replace(space, vectors={**space.vectors, "ecg": turned})), "auroc")
    assert row.value < 0.9
    assert "below 0.9" in row.flags


def test_a_real_mix_up_is_among_the_most_suspicious():
    space = paired()
    report = space.vectors["report"]
    test = [i for i, split in enumerate(space.rows.splits) if split == "test"]
    label = space.rows.columns["finding"]
    one_row = test[0]
    other = next(i for i in test if label[i] != label[one_row])
    values = report.values.copy()
    values[[one_row, other]] = values[[other, one_row]]
    mixed = replace(space, vectors={**space.vectors, "report": replace(report, values=values)})
    shown = run(mixed).extras["suspicious"]
    assert {entry["id"] for entry in shown[:2]} == {report.ids[one_row], report.ids[other]}
    assert len(shown) == 50


def test_a_collapsed_space_is_at_chance():
    for row in run(collapse(make_space(n=400))).rows:
        assert row.value == pytest.approx(row.chance, abs=1e-12), row.metric


def test_another_score_agrees_where_it_is_a_cosine():
    from eval.scores import side_score

    space = paired(200)
    scored = replace(space, score="volume", scorer=Scorer(side_score("volume", 12)))
    result = run(scored)
    assert one(result, "auroc").value >= 0.9
    assert one(result, "auroc").score == "volume"


def test_the_order_of_manifest_rows_changes_nothing():
    assert run(make_space()) == run(shuffle(make_space()))
