"""The subgroups task: refusals, suppression, gaps with intervals and p, leave-one-site-out."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from example_space import CLASSES, collapse, make_space, shuffle
from pydantic import ValidationError

from eval.subgroups import Subgroups
from eval.task import Context
from workbench.errors import Refusal

CONTEXT = Context(seed=1, base=Path(), replicates=100)
PROMPTS = {"classes": {c: f"class {c}" for c in CLASSES}, "templates": ["{}"]}
ZERO_SHOT = {"task": "zero_shot", "query": "ecg", "label": "finding", "prompts": PROMPTS}
SEARCH = {"task": "retrieval", "query": "ecg", "gallery": "report", "relation": "same_label",
          "label": "finding"}  # fmt: skip


def people(n=600, bad_site=True):
    """Two sites by patient, the ECGs of one of them noise; an age; a sex, often missing."""
    space = make_space(n=n, noise=1.0)
    rng = np.random.default_rng(5)
    site = ["north" if (i // 2) % 3 else "south" for i in range(n)]
    sex = [("F", "M", None)[(i // 2) // 10 % 3] for i in range(n)]
    age = [str(20 + (i // 2) % 60) for i in range(n)]
    values = space.vectors["ecg"].values.copy()
    if bad_site:
        south = [i for i in range(n) if site[i] == "south"]
        values[south] = values[rng.permutation(south)]
    vectors = {**space.vectors, "ecg": replace(space.vectors["ecg"], values=values)}
    columns = {**space.rows.columns, "site": site, "sex": sex, "age": age}
    return replace(space, vectors=vectors, rows=replace(space.rows, columns=columns))


def run(space, of=ZERO_SHOT, **options):
    given = {"columns": ["site"], "permutations": 400, "least_groups": 10, **options}
    return Subgroups().run(space, Subgroups.options(of=of, **given), CONTEXT)


def one(result, metric, **columns):
    wanted = {"metric": metric, **columns}
    (row,) = [r for r in result.rows if all(getattr(r, k) == v for k, v in wanted.items())]
    return row


def test_bands_of_a_column_that_is_not_asked_for_are_refused():
    with pytest.raises(ValidationError, match="not among columns"):
        Subgroups.options(of=ZERO_SHOT, columns=["site"], bands={"age": [40]})
    with pytest.raises(ValidationError, match="rising"):
        Subgroups.options(of=ZERO_SHOT, columns=["age"], bands={"age": [60, 40]})


def test_an_unknown_column_is_refused():
    with pytest.raises(Refusal, match="did you mean 'site'"):
        run(people(), columns=["sites"])


def test_bands_of_words_are_refused():
    with pytest.raises(Refusal, match="no number"):
        run(people(), columns=["site"], bands={"site": [40]})


def test_small_groups_are_listed_and_not_shown():
    result = run(people(), columns=["age"], least_groups=20)
    assert not any(row.value is not None for row in result.rows)
    listed = result.extras["suppressed"]
    assert len(listed) > 10
    assert all(entry["n_groups"] < 20 for entry in listed)


def test_an_empty_split_is_not_defined():
    (row,) = run(people(), {**ZERO_SHOT, "split": "nowhere"}).rows
    assert (row.value, row.reason) == (None, "no row was scored")


def test_a_bad_site_shows_its_gap():
    result = run(people())
    inside = one(result, "accuracy", average="micro", subgroup="site=south")
    rest = one(result, "accuracy", average="micro", subgroup="site=north")
    gap = one(result, "accuracy_gap", average="micro", subgroup="site=south")
    assert gap.value == pytest.approx(inside.value - rest.value, abs=1e-12)
    assert gap.ci_high < 0
    assert gap.compared_to == "the rest"
    assert gap.p <= gap.p_adjusted
    assert gap.p < 0.01
    assert inside.n_groups + rest.n_groups == 60
    assert inside.ci_low <= inside.value <= inside.ci_high


def test_an_even_split_shows_none():
    result = run(people(bad_site=False), columns=["sex"])
    adjusted = [row.p_adjusted for row in result.rows if row.p is not None]
    assert len(adjusted) == 9
    assert min(adjusted) > 0.05


def test_missing_values_are_a_part_of_their_own():
    shown = {row.subgroup for row in run(people(), columns=["sex"]).rows}
    assert shown == {"sex=F", "sex=M", "sex=unknown"}


def test_numbers_fall_into_bands():
    result = run(people(), columns=["age"], bands={"age": [40, 60]})
    assert {row.subgroup for row in result.rows} == {"age=<40", "age=40-60", "age=>=60"}


def test_leaving_a_site_out_leaves_the_others():
    result = run(people(), leave_out="site")
    without = one(result, "accuracy", average="micro", subgroup="site!=south")
    north = one(result, "accuracy", average="micro", subgroup="site=north")
    assert without.value == north.value


def test_which_modalities_a_row_holds_is_a_column():
    space = people()
    report = space.vectors["report"]
    half = [i for i in range(600) if (i // 2) % 4]
    part = replace(report, ids=tuple(report.ids[i] for i in half), values=report.values[half])
    result = run(replace(space, vectors={**space.vectors, "report": part}), columns=["presence"])
    assert {row.subgroup for row in result.rows} == {"presence=ecg+report", "presence=ecg"}


def test_both_directions_of_a_search_are_split_up():
    result = run(people(), SEARCH)
    row = one(result, "hit", k=1, query="report", gallery="ecg", subgroup="site=north")
    assert (row.task, row.relation) == ("subgroups", "same_label")
    keys = [(r.metric, r.query, r.k, r.average, r.subgroup) for r in result.rows]
    assert len(set(keys)) == len(keys)


def test_equal_vectors_have_no_gap():
    result = run(collapse(people()))
    gap = one(result, "auroc_gap", subgroup="site=south")
    assert gap.value == pytest.approx(0, abs=1e-12)
    assert gap.p == 1


def test_patients_on_both_sides_get_no_p():
    space = people()
    column = ["odd" if i % 2 else "even" for i in range(600)]
    columns = {**space.rows.columns, "site": column}
    space = replace(space, rows=replace(space.rows, columns=columns))
    gap = one(run(space), "accuracy_gap", average="micro", subgroup="site=odd")
    assert gap.p is None
    assert "groups on both sides: no p" in gap.flags
    assert gap.ci_low <= gap.value <= gap.ci_high


def test_the_order_of_manifest_rows_changes_nothing():
    assert run(people()) == run(shuffle(people()))
