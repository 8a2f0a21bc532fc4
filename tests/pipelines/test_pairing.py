"""Which rows alignment can use."""

from dataclasses import replace

import numpy as np
import pytest

from pipelines.objectives.entry import Edge


@pytest.fixture
def pairing(built):
    return built()[0].pairing


def without_ecg(pairing, row):
    shelf = pairing.shelves["ecg"]
    place = shelf.place.copy()
    place[row] = -1
    return replace(pairing, shelves={**pairing.shelves, "ecg": replace(shelf, place=place)})


def test_an_unknown_split_has_no_rows(pairing):
    assert len(pairing.usable("nowhere")) == 0


def test_a_row_that_lacks_a_side_of_every_edge_is_not_used(pairing):
    rows = pairing.usable("train")
    lacking = without_ecg(pairing, rows[2])
    assert list(lacking.usable("train")) == [*rows[:2], *rows[3:]]


def test_a_fused_name_is_there_where_any_of_its_modalities_is(pairing):
    rows = pairing.usable("train")
    fused = replace(
        without_ecg(pairing, rows[0]), fused={"both": ("ecg", "report")},
        edges=(Edge("both", ("report",)),),
    )  # fmt: skip
    assert fused.has("both", rows).all()
    assert list(fused.has("ecg", rows)) == [False, *np.ones(len(rows) - 1, bool)]
    assert set(rows) <= set(fused.usable("train"))
