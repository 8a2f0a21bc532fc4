"""The shared matrix product: both engines, their choice, and what they promise."""

import numpy as np
import pytest
import torch

from eval.scores import engine
from eval.scores.cosine import Cosine


@pytest.fixture(params=["onednn", "torch"])
def chosen(request, monkeypatch):
    """Each engine in turn, as if the self-check had chosen it."""
    if request.param == "onednn" and not engine._available():
        pytest.skip("this build of torch has no oneDNN operators")
    monkeypatch.setattr(engine, "engine_name", lambda: request.param)
    return request.param


@pytest.fixture
def anew():
    """The choice forgotten before and after a test."""
    engine.engine_name.cache_clear()
    yield
    engine.engine_name.cache_clear()


def test_widths_that_differ_are_refused(chosen):
    with pytest.raises(ValueError, match=r"expected \(Q, 3\)"):
        engine.product(torch.ones(2, 4), engine.pack(torch.ones(5, 3)))


@pytest.mark.parametrize("shape", [(1, 1, 1), (7, 13, 3), (256, 300, 512), (5, 1, 33)])
def test_products_lie_within_the_slack_that_the_score_promises(chosen, shape):
    queries, candidates, width = shape
    rng = np.random.default_rng(1)
    left, right = (Cosine().prepare(rng.standard_normal((n, width))) for n in (queries, candidates))
    packed = engine.pack(torch.from_numpy(right))
    assert packed.engine == chosen
    found = engine.product(torch.from_numpy(left), packed).numpy()
    assert found.dtype == np.float32
    assert np.abs(found - left.astype(float) @ right.T.astype(float)).max() <= Cosine().slack(width)


def test_slices_and_transposes_are_multiplied_as_they_read(chosen):
    left, right = torch.arange(24.0).reshape(4, 6)[::2, ::2], torch.arange(12.0).reshape(3, 4).T
    found = engine.product(left, engine.pack(right))
    assert found.tolist() == (left.double() @ right.double().T).tolist()


def test_empty_sides_give_empty_products(chosen):
    assert engine.product(torch.ones(0, 3), engine.pack(torch.ones(5, 3))).shape == (0, 5)
    assert engine.product(torch.ones(2, 3), engine.pack(torch.ones(0, 3))).shape == (2, 0)


def test_packing_twice_or_multiplying_twice_changes_no_bit(chosen):
    rng = torch.Generator().manual_seed(0)
    left, right = torch.randn(50, 64, generator=rng), torch.randn(70, 64, generator=rng)
    once = engine.product(left, engine.pack(right))
    assert torch.equal(once, engine.product(left, engine.pack(right)))


def test_no_gradient_flows_and_autocast_is_ignored(chosen):
    left, right = torch.randn(4, 8, requires_grad=True), torch.randn(5, 8, requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = engine.product(left, engine.pack(right))
    assert found.dtype == torch.float32
    assert not found.requires_grad
    assert torch.equal(found, engine.product(left, engine.pack(right)))


def test_other_precisions_are_left_to_torch(chosen):
    wide = torch.randn(3, 4, dtype=torch.float64)
    packed = engine.pack(wide)
    assert packed.engine == "torch"
    assert torch.equal(engine.product(wide, packed), wide @ wide.T)


def test_a_build_without_the_operators_takes_torch(anew, monkeypatch):
    monkeypatch.setattr(engine, "OPERATORS", ("_no_such_operator",))
    assert engine.engine_name() == "torch"


def test_an_engine_that_rounds_to_bfloat16_fails_the_self_check(anew, monkeypatch):
    def rounded(left, right):
        return (left.bfloat16() @ right.rows.to_dense().bfloat16().T).float()

    assert engine.keeps_precision("torch")
    monkeypatch.setattr(engine, "_product", rounded)
    assert not engine.keeps_precision("torch")
    assert engine.engine_name() == "torch"


def test_an_engine_that_returns_nan_fails_the_self_check(monkeypatch):
    nothing = lambda left, right: torch.full((len(left), right.shape[0]), torch.nan)  # noqa: E731
    monkeypatch.setattr(engine, "_product", nothing)
    assert not engine.keeps_precision("torch")


def test_the_choice_is_made_once_and_passes_its_own_check(anew):
    first = engine.engine_name()
    assert engine.engine_name() is first
    assert engine.keeps_precision(first)
    assert engine.engine_name.cache_info().misses == 1
