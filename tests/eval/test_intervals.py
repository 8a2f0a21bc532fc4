"""Group bootstrap: what is refused, what is invariant, and whether intervals cover."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest

from eval.areas import area
from eval.intervals import Resampler, bca
from eval.weighted import macro_mean, mean


def draws_of(values):
    replicates = Resampler([f"g{i % 13}" for i in range(len(values))], 8, 50)
    truth = (values > 0.4).astype(float)
    return replicates.draw(area("auroc", values.round(1), truth, index=replicates.index))[0]


def test_no_row_gives_no_value():
    found = Resampler((), 0).estimate(mean(np.zeros(0), np.zeros(0, dtype=np.int64)))
    assert found.value is None
    assert found.reason


def test_fewer_than_ten_groups_get_no_interval():
    replicates = Resampler(tuple("abcdefghi") * 3, 0)
    found = replicates.estimate(mean(np.arange(27.0), replicates.index))
    assert found.value == 13
    assert found.low is None
    assert "9 groups" in found.reason


def test_fewer_than_thirty_groups_are_flagged():
    replicates = Resampler(tuple(f"g{i}" for i in range(29)), 0, 100)
    assert "few-groups" in replicates.estimate(mean(np.arange(29.0), replicates.index)).flags
    replicates = Resampler(tuple(f"g{i}" for i in range(30)), 0, 100)
    assert replicates.estimate(mean(np.arange(30.0), replicates.index)).flags == ()


def test_degenerate_replicates_are_counted_and_too_many_refuse_the_interval():
    replicates = Resampler(tuple(f"g{i}" for i in range(40)), 0, 500)
    truth = np.zeros(40)
    truth[0] = 1
    found = replicates.estimate(area("auroc", np.arange(40.0), truth, index=replicates.index))
    assert found.value == 0
    assert 100 < found.degenerate < 300
    assert found.low is None
    assert "replicates" in found.reason


def test_a_class_that_is_often_missing_is_flagged_unstable():
    replicates = Resampler(tuple(f"g{i}" for i in range(60)), 0, 400)
    classes = np.zeros(60, dtype=np.int64)
    classes[0] = 1
    found = replicates.estimate(macro_mean(np.ones(60), classes, replicates.index))
    assert "unstable" in found.flags


def test_the_order_of_rows_changes_nothing():
    rng = np.random.default_rng(0)
    groups, values = [f"g{i % 37}" for i in range(200)], rng.integers(0, 2, 200).astype(float)
    order = rng.permutation(200)
    one, two = Resampler(groups, 5, 300), Resampler([groups[i] for i in order], 5, 300)
    found = one.estimate(mean(values, one.index))
    assert found == two.estimate(mean(values[order], two.index))
    assert found != Resampler(groups, 6, 300).estimate(mean(values, one.index))


def test_replicates_drawn_again_later_or_fewer_are_the_same_bits():
    groups = [f"g{i % 23}" for i in range(70)]
    long, short = Resampler(groups, 4, 90), Resampler(sorted(groups), 4, 40)
    assert np.array_equal(long._drawn[:40], short._drawn)
    assert not np.array_equal(long._drawn, Resampler(groups, 5, 90)._drawn)
    assert not np.array_equal(long._drawn, Resampler([f"h{g}" for g in groups], 4, 90)._drawn)


def test_replicates_drawn_side_by_side_are_the_same_bits():
    values = np.random.default_rng(2).random(60)
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        apart = list(pool.map(draws_of, [values, values]))
    assert np.array_equal(apart[0], apart[1])
    assert np.array_equal(apart[0], draws_of(values))


def test_a_constant_outcome_falls_back_to_percentiles():
    assert bca(1.0, np.ones(50), np.ones(20)) == (1.0, 1.0, "percentile")


def test_bca_equals_scipy_on_one_row_per_group():
    from scipy.stats import bootstrap

    values = np.random.default_rng(1).exponential(size=60)
    theirs = bootstrap((values,), np.mean, n_resamples=20_000, rng=0, method="BCa")
    left_out = (values.sum() - values) / 59
    low, high, method = bca(values.mean(), theirs.bootstrap_distribution, left_out)
    assert method == "bca"
    assert low == pytest.approx(theirs.confidence_interval.low, abs=1e-9)
    assert high == pytest.approx(theirs.confidence_interval.high, abs=1e-9)
    replicates = Resampler(tuple(f"g{i:02d}" for i in range(60)), 3, 20_000)
    ours, error = replicates.estimate(mean(values, replicates.index)), theirs.standard_error
    # two sets of 20,000 replicates differ by up to 0.15 standard errors in the far tail
    assert ours.low == pytest.approx(low, abs=0.1 * error)
    assert ours.high == pytest.approx(high, abs=0.2 * error)


def coverage(trials, clustered):
    """How often intervals hold the truth: 40 patients of 5 images that resemble each other."""
    rng, inside = np.random.default_rng(7), 0
    for trial in range(trials):
        rate = rng.beta(0.5, 0.5, 40)
        values = (rng.random((40, 5)) < rate[:, None]).astype(float).ravel()
        groups = np.repeat(np.arange(40), 5) if clustered else np.arange(200)
        replicates = Resampler([f"g{g:03d}" for g in groups], trial, 300)
        found = replicates.estimate(mean(values, replicates.index))
        inside += found.low <= 0.5 <= found.high
    return inside / trials


def test_intervals_over_patients_cover_and_intervals_over_images_do_not():
    assert coverage(60, clustered=True) >= 0.88
    assert coverage(60, clustered=False) <= 0.85


@pytest.mark.slow
def test_coverage_of_many_simulations():
    assert 0.92 <= coverage(1000, clustered=True) <= 0.975
