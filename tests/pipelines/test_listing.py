"""What `workbench list` prints."""

import pytest

from pipelines.listing import listing
from workbench import registry
from workbench.errors import Refusal


def test_an_unknown_table_is_refused_with_the_nearest_name():
    with pytest.raises(Refusal, match="did you mean 'objectives'"):
        listing("objective")


def test_without_a_name_all_tables_are_printed():
    text = listing(None)
    for title in ("modalities", "encoders", "objectives", "tasks", "datasets", "recipes"):
        assert f"{title}\nname" in text or f"{title}\nmodality" in text


def test_objectives_are_readable_at_a_hundred_columns():
    lines = listing("objectives").splitlines()
    assert max(map(len, lines)) <= 100
    assert lines[0].split() == ["name", "papers", "needs", "separable", "cost"]
    for name in registry.installed("objectives"):
        assert sum(line.startswith(f"{name} ") for line in lines) == 1, name


def test_needs_of_objectives_say_which_depend_on_options():
    rows = {line.split()[0]: line for line in listing("objectives").splitlines() if line.strip()}
    assert "(labels) (tokens)" in rows["contrastive"]
    assert "tokens (labels)" in rows["late"]
    assert "ema (views)" in rows["byol"]
    assert "(ema)" in rows["queue"]
    assert " memory " in rows["mined"]
    assert "(" not in rows["simdino"]


def test_no_word_is_lost_where_a_cell_goes_on_below():
    text = " ".join(listing("objectives").split())
    for name in registry.installed("objectives"):
        for paper in registry.load("objectives", name).papers:
            for word in paper.split():
                assert word in text
