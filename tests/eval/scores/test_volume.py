"""Known answers of the volume score."""

import pytest
import torch
from torch.nn.functional import normalize

from eval.scores import SCORES, Side, side_score
from eval.scores.volume import FLOOR, volume


def unit(count, width=32, seed=0):
    source = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(count, width, generator=source), dim=-1)


def side(present=None, **vectors):
    full = {k: torch.ones(len(v), dtype=torch.bool) for k, v in vectors.items()}
    return Side(vectors, {**full, **(present or {})})


def score(query, candidate):
    return side_score("volume", 32)(query, candidate)


def determinant(anchor, others):
    """Return (Q, C) float64 roots of the Gram determinants, one matrix at a time."""
    found = torch.zeros(len(anchor), len(others[0]), dtype=torch.float64)
    for i, a in enumerate(anchor.double()):
        for j in range(len(others[0])):
            rows = torch.stack([a, *(o[j].double() for o in others)])
            found[i, j] = torch.linalg.det(rows @ rows.T)
    return (found.clamp_min(0) + FLOOR).sqrt()


def test_two_sides_of_several_modalities_are_refused():
    both = side(a=unit(2), b=unit(2, seed=1))
    with pytest.raises(ValueError, match="unpack"):
        score(both, both)


def test_it_is_registered_under_its_name():
    assert SCORES["volume"].startswith("eval.scores.volume:")
    assert side_score("volume", 8).name == "volume"


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_it_equals_the_root_of_the_gram_determinant(count):
    anchor, others = unit(12), [unit(10, seed=s) for s in range(1, count + 1)]
    held = [torch.ones(10, dtype=torch.bool)] * count
    found = volume(anchor, others, held).double()
    assert (found - determinant(anchor, others)).abs().max() <= 4e-7


def test_orthogonal_vectors_span_one():
    eye = torch.eye(4)
    parts = {k: eye[i : i + 1] for i, k in enumerate("abc", start=1)}
    assert score(side(q=eye[:1]), side(**parts)).item() == pytest.approx(-1.0, abs=1e-6)


def test_one_modality_gives_the_sine():
    query, item = unit(5), unit(6, seed=1)
    sine = (1 - (query @ item.T) ** 2).sqrt()
    torch.testing.assert_close(score(side(q=query), side(a=item)), -sine, atol=1e-6, rtol=0)


def test_an_absent_modality_leaves_the_volume_of_the_rest():
    query, one, two = unit(5), unit(6, seed=1), unit(6, seed=2)
    there = torch.tensor([True, False] * 3)
    found = score(side(q=query), side({"b": there}, a=one, b=two))
    both, alone = score(side(q=query), side(a=one, b=two)), score(side(q=query), side(a=one))
    torch.testing.assert_close(found, torch.where(there, both, alone), atol=1e-6, rtol=0)


def test_nothing_present_scores_the_farthest_and_is_finite():
    gone = torch.zeros(3, dtype=torch.bool)
    found = score(side(q=unit(2)), side({"a": gone}, a=torch.zeros(3, 32)))
    torch.testing.assert_close(found, -torch.ones(2, 3), atol=1e-6, rtol=0)


def test_a_vector_of_zeros_is_not_the_nearest_neighbour():
    found = score(side(q=unit(1)), side(a=torch.stack([torch.zeros(32), unit(1)[0]])))
    assert found[0, 1] > found[0, 0]


def test_it_sees_no_sign_and_no_order_of_modalities():
    query, one, two = unit(5), unit(6, seed=1), unit(6, seed=2)
    plain = score(side(q=query), side(a=one, b=two))
    for other in (side(a=-one, b=two), side(b=two, a=one)):
        torch.testing.assert_close(score(side(q=query), other), plain, atol=1e-6, rtol=0)


def test_a_record_as_the_query_scores_as_a_record_as_the_candidate():
    query, record = side(q=unit(5)), side(a=unit(6, seed=1), b=unit(6, seed=2))
    assert torch.equal(score(record, query), score(query, record).T)


def test_no_score_exceeds_the_bound():
    eye = torch.eye(32)
    found = score(side(q=eye), side(a=eye.roll(1, 0), b=eye.roll(2, 0), c=unit(32)))
    assert found.abs().max() <= side_score("volume", 32).bound


@pytest.mark.parametrize("apart", [0.0, 3e-5, 1e-4, 3e-4])
def test_gradients_are_finite_for_vectors_that_nearly_coincide(apart):
    one = unit(40)
    two = (one + apart * unit(40, seed=1)).requires_grad_()
    query = (one + apart * unit(40, seed=2)).requires_grad_()
    score(side(q=query), side(a=two, b=one, c=one)).sum().backward()
    assert bool(query.grad.isfinite().all())
    assert bool(two.grad.isfinite().all())


def test_autocast_changes_nothing():
    query, record = side(q=unit(5)), side(a=unit(6, seed=1), b=unit(6, seed=2))
    with torch.autocast("cpu", torch.bfloat16):
        found = score(query, record)
    assert found.dtype == torch.float32
    assert torch.equal(found, score(query, record))


def test_what_stands_in_an_absent_row_gets_no_gradient():
    item = unit(6, seed=1).requires_grad_()
    there = torch.arange(6) != 2
    score(side(q=unit(5)), side({"b": there}, a=unit(6, seed=2), b=item)).sum().backward()
    assert torch.equal(item.grad[2], torch.zeros(32))
    assert bool((item.grad[there] != 0).any())
