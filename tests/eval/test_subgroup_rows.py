"""Parts of the people: bands, unknown values, and p adjusted as one family."""

import pytest
from example_space import make_space

from eval.subgroup_rows import parts_of, with_holm
from eval.task import Metric
from workbench.errors import Refusal


def space(cells):
    from dataclasses import replace

    given = make_space(n=len(cells))
    return replace(given, rows=replace(given.rows, columns={"age": cells}))


IDS = ("r0000", "r0001", "r0002", "r0003")


def test_an_unknown_column_or_a_band_of_words_is_refused():
    given = space(["1", "2", "3", "old"])
    with pytest.raises(Refusal, match="column 'agee'"):
        parts_of(given, "agee", IDS)
    with pytest.raises(Refusal, match="E-CFG-029"):
        parts_of(given, "age", IDS, edges=(2,))


def test_bands_are_closed_on_the_left():
    given = space(["1", "2", "2.5", None])
    assert parts_of(given, "age", IDS, edges=(2,)) == ["<2", ">=2", ">=2", "unknown"]
    assert parts_of(given, "age", IDS, edges=(1, 2.5)) == ["1-2.5", "1-2.5", ">=2.5", "unknown"]


def test_a_column_called_presence_wins_over_the_pattern():
    given = make_space(n=4)
    assert parts_of(given, "presence", IDS) == ["ecg+report"] * 4
    given.rows.columns["presence"] = ["own"] * 4
    assert parts_of(given, "presence", IDS) == ["own"] * 4


def test_p_is_adjusted_over_all_rows_that_have_one():
    def row(p):
        return Metric(task="t", query="q", metric="m", split="s", model="x", value=1.0, p=p)

    found = [made.p_adjusted for made in with_holm([row(0.01), row(None), row(0.04)])]
    assert found == [0.02, None, 0.04]
