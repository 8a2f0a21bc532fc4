"""Known answers of the volume objective, and which scores it lets evaluation use."""

import math

import pytest
import torch
from pydantic import ValidationError
from torch.nn.functional import cross_entropy

from eval.scores import Side, side_score
from pipelines.objectives.contrastive import ContrastiveOptions
from pipelines.objectives.contrastive_loss import Contrastive
from pipelines.objectives.entry import Edge, Shapes
from pipelines.objectives.gram import GRAM, GramOptions
from pipelines.objectives.objective import Encoded, Items, Step

EDGES = (Edge("a", ("b",)), Edge("a", ("c",)))


def objective(edges=EDGES, **options):
    return GRAM.build(GramOptions(**options), edges, Shapes(16))


def items(count):
    rows = torch.arange(count)
    return Items(rows, rows, dict.fromkeys("abc", rows))


def random(count, seed=0):
    return torch.randn(count, 16, generator=torch.Generator().manual_seed(seed))


def batch(count=8, present=None):
    emb = {k: random(count, seed) for seed, k in enumerate("abc")}
    full = {k: torch.ones(count, dtype=torch.bool) for k in emb}
    return Encoded(emb, {**full, **(present or {})})


def test_volumes_alone_refuse_cosine():
    with pytest.raises(ValidationError, match="opposite; set score: volume"):
        GramOptions(anchored=0.0, score="cosine")


def test_score_options_are_refused():
    with pytest.raises(ValidationError, match="must be empty"):
        GramOptions(score_options={"sharp": 2})


@pytest.mark.parametrize(
    ("options", "score"),
    [({}, "cosine"), ({"anchored": 0}, "volume"), ({"anchored": 2.0, "score": "volume"}, "volume")],
)
def test_evaluation_uses_cosine_while_pairs_are_anchored(options, score):
    chosen = GramOptions(**options)
    assert chosen.score == score
    assert GramOptions(**chosen.model_dump(mode="json")) == chosen
    assert objective(**options).score.name == score


def test_volume_terms_are_cross_entropies_of_minus_the_volume():
    encoded = batch()
    out = objective(anchored=0.0, smoothing=0.1, temperature=0.2)(encoded, items(8), Step())
    part = {k: Side({k: encoded.emb[k]}, {k: encoded.present[k]}) for k in "a"}
    record = Side({k: encoded.emb[k] for k in "bc"}, {k: encoded.present[k] for k in "bc"})
    logits = side_score("volume", 16)(part["a"], record) / 0.2
    rows, columns = (
        cross_entropy(t, torch.arange(8), label_smoothing=0.1) for t in (logits, logits.T)
    )
    assert list(out.terms) == ["a-b+c"]
    assert out.total.item() == pytest.approx(0.5 * (rows + columns).item(), abs=1e-5)


def test_the_loss_is_the_weighted_mean_of_volume_and_contrastive_terms():
    encoded = batch()
    alone = objective(anchored=0.0)(encoded, items(8), Step()).total
    pairs = Contrastive(ContrastiveOptions(), EDGES, Shapes(16))(encoded, items(8), Step()).total
    found = objective(anchored=3.0)(encoded, items(8), Step())
    assert list(found.terms) == ["a-b+c", "cosine/a-b", "cosine/a-c"]
    assert found.total.item() == pytest.approx((alone + 3 * pairs).item() / 4, abs=1e-5)


def test_identical_vectors_cost_log_b():
    same = Encoded({k: torch.ones(32, 16) for k in "abc"},
                   {k: torch.ones(32, dtype=torch.bool) for k in "abc"})  # fmt: skip
    assert objective()(same, items(32), Step()).total.item() == pytest.approx(
        math.log(32), abs=1e-5
    )


def test_records_without_any_candidate_are_nobodys_negatives():
    there = torch.arange(8) < 5
    part = objective(smoothing=0.0)(batch(8, {"b": there, "c": there}), items(8), Step())
    whole = batch(8)
    small = Encoded({k: v[:5] for k, v in whole.emb.items()},
                    {k: v[:5] for k, v in whole.present.items()})  # fmt: skip
    assert part.logs["n_valid/a-b+c"] == 5
    alone = objective(smoothing=0.0)(small, items(5), Step()).total
    assert part.total.item() == pytest.approx(alone.item(), abs=1e-6)


def test_volumes_alone_cannot_tell_a_modality_from_its_opposite():
    encoded = batch()
    turned = Encoded({**encoded.emb, "b": -encoded.emb["b"]}, encoded.present)
    alone, anchored = objective(anchored=0.0), objective()
    one, two = (alone(e, items(8), Step()).total.item() for e in (encoded, turned))
    assert one == pytest.approx(two, abs=1e-5)
    one, two = (anchored(e, items(8), Step()).total.item() for e in (encoded, turned))
    assert one != pytest.approx(two, abs=1e-2)


def test_both_temperatures_are_clamped():
    found = objective()
    with torch.no_grad():
        for scale in found.parameters():
            scale.fill_(9.0)
    found.after_step(batch(), items(8), Step())
    assert [round(p.item(), 4) for p in found.parameters()] == [round(math.log(100), 4)] * 2
