"""Late interaction as an objective: one token is InfoNCE, and blocks change nothing."""

import math
from dataclasses import replace

import pytest
import torch
from example_world import EDGES, SHAPES, Case, ask, changed

from pipelines.objectives.contrastive import CONTRASTIVE
from pipelines.objectives.late import LATE, LateOptions
from pipelines.objectives.objective import Encoded
from pipelines.objectives.pairs import side_of


def bare(world):
    return replace(world, encoded=Encoded(world.encoded.emb, world.encoded.present))


def test_an_option_in_two_places_is_refused():
    with pytest.raises(ValueError, match="score_options"):
        LateOptions(score_options={"normalise": "sum"})


def test_another_score_is_refused():
    with pytest.raises(ValueError, match="late"):
        LateOptions(score="cosine")


def test_its_options_reach_its_score():
    objective = LATE.build(LateOptions(normalise="sum"), EDGES, SHAPES)
    assert objective.score.normalise == "sum"
    assert dict(objective.score.given) == {"dim": 16, "normalise": "sum"}


def test_without_tokens_it_is_infonce_of_pooled_vectors(worlds):
    _, now = worlds
    found = ask(Case(LATE, {}).build(), bare(now))
    expected = ask(Case(CONTRASTIVE, {}).build(), now)
    assert found.loss == pytest.approx(expected.loss, abs=1e-6)


def test_equal_tokens_everywhere_give_the_chance_value(worlds):
    _, now = worlds
    same = changed(now, lambda key, name, v: torch.ones_like(v) if key.endswith("tokens") else v)
    same = replace(same, items=replace(same.items, group=torch.arange(10)))
    found = LATE.build(LateOptions(), EDGES[:1], SHAPES)(same.encoded, same.items, same.step)
    both = now.encoded.present["a"] & now.encoded.present["b"]
    assert float(found.total.detach()) == pytest.approx(math.log(int(both.sum())), abs=1e-5)


def test_one_token_that_carries_the_pair_is_found_among_many():
    source = torch.Generator().manual_seed(0)
    word = torch.randn(16, 1, 16, generator=source)
    slices = torch.randn(16, 6, 16, generator=source)
    slices[torch.arange(16), torch.randint(6, (16,), generator=source)] = word[:, 0]
    tokens = {"a": word, "b": slices}
    encoded = Encoded(
        {k: v.mean(1) for k, v in tokens.items()},
        {k: torch.ones(16, dtype=torch.bool) for k in tokens}, tokens,
        {k: torch.ones(v.shape[:2], dtype=torch.bool) for k, v in tokens.items()},
    )  # fmt: skip
    sides = [side_of(encoded, (k,)) for k in ("a", "b")]
    right = {
        entry.name: float((entry.build(entry.options(), EDGES[:1], SHAPES).score(*sides).argmax(1)
                           == torch.arange(16)).float().mean())
        for entry in (LATE, CONTRASTIVE)
    }  # fmt: skip
    assert right["late"] == 1.0
    assert right["contrastive"] < 0.9
