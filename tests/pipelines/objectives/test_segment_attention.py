"""Segment attention as an objective."""

from dataclasses import replace

import pytest
import torch
from example_world import EDGES, SHAPES, Case, ask

from pipelines.objectives.contrastive import CONTRASTIVE
from pipelines.objectives.objective import Encoded
from pipelines.objectives.pairs import side_of
from pipelines.objectives.segment_attention import SEGMENT_ATTENTION, SegmentAttentionOptions


@pytest.mark.parametrize("temperature", [0.0, 0.001, float("nan"), 1e7])
def test_a_temperature_outside_its_range_is_refused(temperature):
    with pytest.raises(ValueError, match="attention_temperature"):
        SegmentAttentionOptions(attention_temperature=temperature)


def test_without_tokens_it_is_infonce_of_pooled_vectors(worlds):
    _, now = worlds
    bare = replace(now, encoded=Encoded(now.encoded.emb, now.encoded.present))
    found = ask(Case(SEGMENT_ATTENTION, {}).build(), bare)
    assert found.loss == pytest.approx(ask(Case(CONTRASTIVE, {}).build(), now).loss, abs=1e-6)


def test_its_options_reach_its_score():
    options = SegmentAttentionOptions(attention_temperature=0.5, learn_attention=False)
    score = SEGMENT_ATTENTION.build(options, EDGES, SHAPES).score
    assert float(score.log_temperature.exp()) == pytest.approx(0.5)
    assert not score.log_temperature.requires_grad


def test_both_temperatures_are_learned_by_default():
    objective = SEGMENT_ATTENTION.build(SegmentAttentionOptions(), EDGES, SHAPES)
    learned = {name for name, p in objective.named_parameters() if p.requires_grad}
    assert learned == {"log_scale", "score.log_temperature"}


def test_attention_learns_to_look_where_the_pair_is():
    """Of eight segments one shows the query; without training the mean drowns it."""
    source = torch.Generator().manual_seed(1)
    query = torch.randn(24, 16, generator=source)
    segments = torch.randn(24, 8, 16, generator=source)
    segments[:, 3] = query + 0.5 * torch.randn(24, 16, generator=source)
    there = {k: torch.ones(24, dtype=torch.bool) for k in ("a", "b")}
    encoded = Encoded(
        {"a": query, "b": segments.mean(1)}, there, {"b": segments},
        {"b": torch.ones(24, 8, dtype=torch.bool)},
    )  # fmt: skip
    options = SegmentAttentionOptions(attention_temperature=1.0)
    objective = SEGMENT_ATTENTION.build(options, EDGES[:1], SHAPES)
    sides = [side_of(encoded, (k,)) for k in ("a", "b")]
    optimiser = torch.optim.Adam(objective.score.parameters(), lr=0.2)
    answer = torch.arange(24)
    before = float(torch.nn.functional.cross_entropy(10 * objective.score(*sides).detach(), answer))
    for _ in range(30):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(10 * objective.score(*sides), answer).backward()
        optimiser.step()
    after = float(torch.nn.functional.cross_entropy(10 * objective.score(*sides).detach(), answer))
    assert after < before - 0.2
    assert float(objective.score.log_temperature.detach().exp()) < 0.5
