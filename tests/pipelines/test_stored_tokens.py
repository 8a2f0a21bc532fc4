"""Tokens on disk: float16, padded to one length, mapped instead of read, with their score."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from eval.scores import side_score
from eval.scores.scorer import Scorer
from eval.space import Space, Vectors
from pipelines.embed import Model, _embedded, load_space, save_space
from pipelines.stored_tokens import joined, load_tokens, save_tokens, unit_tokens
from workbench.encoder import Features
from workbench.errors import Failure


def make_vectors(count=5, tokens=3, width=4):
    rng = np.random.default_rng(0)
    drawn = torch.from_numpy(rng.standard_normal((count, tokens, width)))
    valid = torch.arange(tokens) < torch.tensor([3, 1, 2, 3, 1])[:count, None]
    found = unit_tokens(drawn, valid)
    values = rng.standard_normal((count, width)).astype(np.float32)
    ids = tuple(f"r{i}" for i in range(count))
    return Vectors(ids, values, None, ids, found.tokens, found.valid)


class OneLayer(nn.Module):
    """A tower whose batches are (B, T, 4) tokens, NaN where padded."""

    has_tokens = True

    def __init__(self):
        super().__init__()
        self.head = nn.Identity()

    def features(self, batch):
        valid = ~batch.isnan().any(-1)
        return Features(batch.nan_to_num().sum(1), batch.nan_to_num(), valid)

    def tokens(self, features):
        return features.tokens, features.token_valid


def test_tokens_of_another_number_of_items_are_refused(tmp_path):
    vectors = make_vectors()
    save_tokens(vectors, tmp_path / "a.tokens.safetensors")
    with pytest.raises(Failure, match="5 items, expected 4"):
        load_tokens(replace(vectors, ids=vectors.ids[:4]), tmp_path / "a.tokens.safetensors")


def test_rounding_moves_a_cosine_of_tokens_by_less_than_a_thousandth():
    source = torch.Generator().manual_seed(0)
    drawn = torch.randn(40, 6, 64, generator=source)
    found = unit_tokens(drawn, torch.ones(40, 6, dtype=torch.bool))
    assert found.tokens.dtype == np.float16
    exact = nn.functional.normalize(drawn, dim=-1).reshape(-1, 64)
    kept = torch.from_numpy(found.tokens).float().reshape(-1, 64)
    assert float((exact @ exact.T - kept @ kept.T).abs().max()) < 1e-3


def test_batches_are_padded_to_the_longest():
    one, two = (
        unit_tokens(torch.ones(2, t, 4), torch.ones(2, t, dtype=torch.bool)) for t in (2, 3)
    )
    found = joined([one, two])
    assert found.tokens.shape == (4, 3, 4)
    assert found.valid.sum(1).tolist() == [2, 2, 3, 3]
    assert (found.tokens[:2, 2] == 0).all()


def test_tokens_come_back_mapped_and_bit_for_bit(tmp_path):
    vectors = make_vectors()
    save_tokens(vectors, tmp_path / "a.tokens.safetensors")
    bare = replace(vectors, tokens=None, token_valid=None)
    found = load_tokens(bare, tmp_path / "a.tokens.safetensors")
    assert isinstance(found.tokens, np.memmap)
    np.testing.assert_array_equal(found.tokens, vectors.tokens)
    np.testing.assert_array_equal(found.token_valid, vectors.token_valid)
    assert load_tokens(bare, tmp_path / "none.safetensors").tokens is None


def test_a_tower_embeds_tokens_only_where_the_score_reads_them():
    batch = torch.tensor([[[1.0, 0, 0, 0], [float("nan")] * 4], [[0, 3.0, 4.0, 0], [0, 0, 0, 2.0]]])
    tower = OneLayer().train()
    found = _embedded(tower, [batch, batch[:1, :1]], ("a", "b", "c"), tokens=True)
    assert not tower.training
    assert found.tokens.shape == (3, 2, 4)
    assert found.token_valid.tolist() == [[True, False], [True, True], [True, False]]
    np.testing.assert_allclose(found.tokens[1, 0], [0, 0.6, 0.8, 0], atol=1e-3)
    assert _embedded(tower, [batch], ("a", "b"), tokens=False).tokens is None
    late = Model("trained", {}, "late", {}, Scorer(side_score("late", 4)))
    assert late.reads_tokens
    assert not Model("trained", {}, "cosine").reads_tokens


def test_a_space_comes_back_with_its_tokens_and_its_score(tmp_path):
    vectors = make_vectors()
    texts = replace(vectors, digests=None)
    scorer = Scorer(side_score("late", 4, normalise="sum"), (("a", ("b",)),))
    plain = {"b": dict(zip(texts.ids, texts.values, strict=True))}
    manifest = SimpleNamespace(
        ids=vectors.ids, groups=vectors.ids, splits=("test",) * 5, columns={}
    )
    space = Space(
        "trained", {"a": vectors, "b": vectors}, None, plain, "late", scorer, {"b": texts}
    )
    save_space(space, tmp_path / "kept", {"dim": 4})
    found = load_space(tmp_path / "kept", manifest)
    assert found.scorer.edges == scorer.edges
    assert found.scorer.score.normalise == "sum"
    np.testing.assert_array_equal(found.vectors["a"].tokens, vectors.tokens)
    np.testing.assert_array_equal(found.text_tokens["b"].tokens, texts.tokens)
    assert found.text_tokens["b"].ids == texts.ids
