"""Encoders in parts: refused where an objective needs them whole, left alone by a process alone.

What several processes learn with them stands in `test_processes.py`.
"""

from dataclasses import replace

import pytest

from pipelines.sharding import sharded
from workbench.errors import Refusal


@pytest.mark.parametrize(("name", "needed"), [("byol", "ema"), ("contrary", "contrary")])
def test_an_objective_that_needs_whole_encoders_is_refused(built, name, needed):
    crew, _, _, demand = built(f"align.objective.name={name}", "align.shard=true")
    wanted = rf"align.shard has true, .*needs.* {needed}"
    with pytest.raises(Refusal, match=wanted), sharded(crew, demand):
        pass


def test_gradients_of_single_terms_are_refused_by_the_file(built):
    with pytest.raises(Refusal, match="shard: harmonize needs the gradient of every term"):
        built("align.shard=true", "align.gradients=harmonize")


def test_a_process_alone_keeps_its_encoders_whole(built):
    crew, _, _, demand = built("modalities.ecg.adapt=full", "align.shard=true")
    with sharded(crew, demand) as parts:
        assert parts is crew


def test_encoders_of_which_something_stands_still_are_left_whole(built):
    crew, _, _, demand = built("align.shard=true")
    several = replace(crew, processes=replace(crew.processes, world=2))
    with sharded(several, demand) as parts:
        assert parts is several
