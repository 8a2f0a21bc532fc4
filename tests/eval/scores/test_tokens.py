"""Tokens of a side, and what every score that compares them must hold."""

from dataclasses import replace

import pytest
import torch
from example_sides import NAMES, bare, make_side, one_token, padded

from eval.scores import side_score, tokens
from eval.scores.pooled import pooled
from eval.scores.side import Side
from eval.scores.tokens import tokens_of


@pytest.mark.parametrize("name", NAMES)
def test_more_padding_changes_nothing(name):
    score, query, candidate = side_score(name, 8), make_side(6), make_side(7, seed=1)
    torch.testing.assert_close(
        score(padded(query), padded(candidate)), score(query, candidate), atol=1e-6, rtol=0
    )


@pytest.mark.parametrize("name", NAMES)
def test_an_item_without_tokens_has_its_pooled_vector_as_one(name):
    score, query, candidate = side_score(name, 8), make_side(6), make_side(7, seed=1)
    expected = score(one_token(query), one_token(candidate))
    assert torch.equal(score(bare(query), bare(candidate)), expected)
    emptied = replace(candidate, token_valid={"a": torch.zeros(7, 5, dtype=torch.bool)})
    torch.testing.assert_close(score(bare(query), emptied), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", NAMES)
def test_blocks_change_no_score_and_no_gradient(name, monkeypatch):
    score, query, candidate = side_score(name, 8), make_side(6), make_side(7, seed=1)
    found = []
    for cells in (1 << 23, 60):
        monkeypatch.setattr(tokens, "CELLS", cells)
        monkeypatch.setattr("eval.scores.codebook.CELLS", cells)
        values = query.tokens["a"].clone().requires_grad_()
        vectors = query.vectors["a"].clone().requires_grad_()
        score.zero_grad()
        table = score(replace(query, vectors={"a": vectors}, tokens={"a": values}), candidate)
        table.square().sum().backward()
        own = [p.grad.clone() for p in score.parameters()]
        found.append([table, *(v.grad for v in (values, vectors) if v.grad is not None), *own])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_scores_are_float32_and_finite_under_autocast_and_for_absent_items(name):
    score, query, candidate = side_score(name, 8), make_side(6), make_side(7, seed=1)
    candidate = replace(candidate, present={"a": torch.arange(7) > 2})
    with torch.autocast("cpu", torch.bfloat16):
        found = score(query, candidate)
    assert found.dtype == torch.float32
    assert bool(found.isfinite().all())
    torch.testing.assert_close(found, score(query, candidate), atol=0, rtol=0)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_stay_finite_for_zeros_and_duplicates(name):
    for value in (0.0, 1.0):
        score, side = side_score(name, 8), make_side(4)
        values = torch.full_like(side.tokens["a"], value).requires_grad_()
        vectors = torch.full_like(side.vectors["a"], value).requires_grad_()
        both = replace(side, vectors={"a": vectors}, tokens={"a": values})
        score(both, both).sum().backward()
        grown = [v.grad for v in (values, vectors, *score.parameters()) if v.grad is not None]
        assert grown
        assert all(bool(g.isfinite().all()) for g in grown)


def test_modalities_stand_one_after_another_and_absent_ones_count_for_nothing():
    one, two = make_side(4), make_side(4, seed=1, tokens=3, name="b")
    there = torch.tensor([True, False, True, True])
    both = Side(
        {**one.vectors, **two.vectors}, {"a": torch.ones(4, dtype=torch.bool), "b": there},
        {**one.tokens, **two.tokens}, {**one.token_valid, **two.token_valid},
    )  # fmt: skip
    found = tokens_of(both)
    assert found.values.shape == (4, 8, 8)
    assert torch.equal(found.valid[:, :5], one.token_valid["a"])
    assert torch.equal(found.valid[:, 5:], two.token_valid["b"] & there[:, None])


def test_only_items_that_lack_tokens_fall_back_on_their_vector():
    side = make_side(4)
    valid = side.token_valid["a"].clone()
    valid[2] = False
    found = tokens_of(replace(side, token_valid={"a": valid}))
    assert found.valid[2].tolist() == [True, False, False, False, False]
    torch.testing.assert_close(found.values[2, 0], pooled(side)[2])
    torch.testing.assert_close(found.values[1], tokens_of(side).values[1])
