"""A task inside a task: what may be asked, on which split, and what it needs."""

from pathlib import Path

import pytest
from example_space import make_space
from pydantic import ValidationError

from eval.asked import AskingOptions, answers, asked, nothing, refuse_fitting_on
from eval.subgroups import SubgroupOptions
from eval.task import Context
from workbench.errors import Refusal

CONTEXT = Context(seed=1, base=Path(), replicates=50)
PROBE = {"task": "probe", "query": "ecg", "label": "finding", "c": [1.0]}


def options(**of):
    return SubgroupOptions(of={**PROBE, **of}, columns=("site",))


def test_what_may_not_be_asked_is_refused():
    with pytest.raises(ValidationError, match="expected one of"):
        options(task="mismatch")
    with pytest.raises(ValidationError, match="expected one of"):
        AskingOptions(of=PROBE)


def test_a_wrong_option_names_its_place():
    with pytest.raises(ValidationError, match=r"of\.k\.0"):
        options(task="knn", c=None, k=["many"])


def test_fitting_on_the_measured_split_is_refused():
    with pytest.raises(Refusal, match="E-CFG-024"):
        refuse_fitting_on("test", "test", "threshold.val_split")
    refuse_fitting_on("test", "val", "threshold.val_split")


def test_the_asked_task_lends_its_names():
    found = options(split="val")
    assert (found.query, found.label, found.split) == ("ecg", "finding", "val")
    assert (found.gallery, found.anchor) == (None, None)


def test_another_split_is_asked_without_intervals():
    space, inner = make_space(), asked(PROBE)
    found = answers(space, inner, CONTEXT, "val")
    assert set(found) == {"features", "values"}
    splits = {space.rows.splits[space.rows.position[i]] for i in found["values"].ids}
    assert splits == {"val"}
    assert all(row.ci_low is None for row in inner.answer(space, CONTEXT).rows)


def test_a_split_without_rows_gives_no_answer():
    assert answers(make_space(), asked(PROBE), CONTEXT, "nowhere") == {}
    row = nothing(make_space(), options(), task="subgroups", metric="auroc")
    assert (row.value, row.query, row.label) == (None, "ecg", "finding")
