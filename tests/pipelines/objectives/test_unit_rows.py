"""Unit vectors made a tile at a time, and gradients turned back to the vectors as they came."""

import pytest
import torch
from torch.nn.functional import normalize

from eval.scores.side import Side
from pipelines.objectives import unit_rows
from pipelines.objectives.unit_rows import UnitRows, laid_out, raw_vectors, tiles

COUNT, WIDTH = 23, 7
SOURCE = torch.Generator().manual_seed(0)
RAW = 3 * torch.randn(COUNT, WIDTH, generator=SOURCE)
SLOPE = torch.randn(COUNT, WIDTH, generator=SOURCE)
USED = torch.arange(COUNT) % 4 != 1
EVERY = torch.ones(COUNT, dtype=torch.bool)


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch):
    monkeypatch.setattr(unit_rows, "CHUNK", 5)


def test_finishing_what_was_never_begun_is_refused():
    with pytest.raises(ValueError, match="no gradients were collected"):
        UnitRows(RAW, EVERY).finish(torch.tensor(1.0))


@pytest.mark.parametrize("used", [EVERY, USED])
def test_rows_have_length_one_and_are_numbered_among_the_used(used):
    rows = UnitRows(RAW, used)
    expected = normalize(RAW[used], dim=1)
    assert len(rows) == len(expected)
    torch.testing.assert_close(rows.at(slice(2, 9)), expected[2:9])
    torch.testing.assert_close(rows.at(torch.tensor([3, 0, 3])), expected[[3, 0, 3]])
    weights = torch.arange(len(expected)).float()
    torch.testing.assert_close(rows.weighted(weights), weights @ expected)


def test_whole_sides_keep_every_number_and_hold_unused_rows_at_zero():
    rows = UnitRows(RAW, USED, whole=True)
    expected = normalize(RAW, dim=1) * USED[:, None]
    torch.testing.assert_close(rows.at(slice(0, COUNT)), expected)


@pytest.mark.parametrize("used", [EVERY, USED])
@pytest.mark.parametrize("kind", [torch.float32, torch.float64, torch.bfloat16])
def test_gradients_are_those_of_autograd(used, kind):
    raw = RAW.to(kind)
    rows = UnitRows(raw, used)
    rows.collect()
    for part in tiles(slice(0, len(rows)), 4):
        rows.add(part, SLOPE.to(rows.inverse.dtype)[part])
    rows.add(torch.tensor([1, 1]), torch.ones(2, WIDTH, dtype=rows.inverse.dtype))
    found, along = rows.finish(torch.tensor(2.5, dtype=rows.inverse.dtype))
    leaf = raw.to(rows.inverse.dtype).requires_grad_()
    unit = normalize(leaf, dim=1)[used]
    slope = SLOPE.to(unit.dtype)[: len(unit)].clone()
    slope[1] += 2
    total = (unit * slope).sum()
    (expected,) = torch.autograd.grad(2.5 * total, leaf)
    assert found.dtype == kind
    torch.testing.assert_close(
        found, expected.to(kind), atol=1e-5, rtol=1e-2 if kind == torch.bfloat16 else 1e-5
    )
    assert along.item() == pytest.approx(total.item(), rel=1e-5)
    assert torch.equal(found[~used], torch.zeros_like(found[~used]))


@pytest.mark.parametrize("used", [EVERY, USED])
@pytest.mark.parametrize("level", ["AVX2", "AVX512"])
def test_products_are_added_whatever_the_processor(monkeypatch, used, level):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: level)
    rows = UnitRows(RAW, used)
    rows.collect()
    left, right = SLOPE[:6, :4], SLOPE[:4].contiguous()
    for _ in range(2):
        rows.add_product(slice(3, 9), left, laid_out(right.T.contiguous()))
    places = used.nonzero()[3:9, 0]
    expected = torch.zeros(COUNT, WIDTH)
    expected[places] = 2 * left @ right
    torch.testing.assert_close(rows.slope, expected)


def test_where_avx2_is_the_widest_nothing_is_laid_out(monkeypatch):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    assert laid_out(RAW).engine == "torch"
    assert laid_out(RAW).rows.data_ptr() == RAW.data_ptr()


def test_nothing_is_added_unless_gradients_are_collected():
    rows = UnitRows(RAW, EVERY)
    rows.add(slice(0, 2), SLOPE[:2])
    assert rows.slope is None


def test_one_modality_is_taken_as_it_is_and_several_as_their_mean():
    one = Side({"a": RAW}, {"a": EVERY})
    assert raw_vectors(one) is RAW
    two = Side({"a": RAW, "b": SLOPE}, {"a": EVERY, "b": USED})
    units = normalize(RAW, dim=1), normalize(SLOPE, dim=1) * USED[:, None]
    torch.testing.assert_close(raw_vectors(two), normalize(units[0] + units[1], dim=1))


def test_tiles_cover_a_range_once():
    assert [(t.start, t.stop) for t in tiles(slice(3, 10), 4)] == [(3, 7), (7, 10)]
    assert list(tiles(slice(5, 5), 4)) == []
