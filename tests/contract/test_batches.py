"""What a modality batches, varies, hides and draws."""

import numpy as np
import pytest

from workbench.seeding import keyed_rng

RATIO = 0.5


@pytest.fixture
def samples(case):
    return list(case.samples.values())


@pytest.fixture
def batch(case, samples):
    return case.modality.collate(samples, case.options)


def real(batch):
    """Return where a batch holds measured values, in the shape of its values."""
    import torch

    if batch.valid is None:
        return torch.ones(batch.values.shape, dtype=torch.bool)
    return batch.valid.expand(batch.values.shape)


def test_collate_stacks_every_sample_with_its_values(case, samples, batch):
    import torch

    axes = case.modality.spec.axes.split()
    assert len(batch) == len(samples)
    assert batch.values.ndim == 1 + len(axes)
    assert batch.valid is None or batch.valid.dtype == torch.bool
    assert torch.isfinite(batch.values[real(batch)].double()).all()
    for sample, row in zip(samples, batch.values, strict=True):
        shared = tuple(slice(min(a, b)) for a, b in zip(sample.data.shape, row.shape, strict=True))
        given, kept = sample.data[shared], row[shared].numpy()
        known = np.isfinite(given.astype(float))
        np.testing.assert_allclose(kept[known], given[known], rtol=1e-6)


def test_padding_is_not_valid(case, samples, batch):
    measured = real(batch).numpy()
    for n, sample in enumerate(samples):
        inside = np.zeros(measured.shape[1:], bool)
        inside[tuple(slice(s) for s in sample.data.shape)] = True
        assert not measured[n][~inside].any()
        assert measured[n].any()


def test_a_single_sample_makes_a_batch(case, samples):
    one = case.modality.collate(samples[:1], case.options)
    assert len(one) == 1
    assert one.values.ndim == 1 + len(case.modality.spec.axes.split())


def test_rows_of_a_batch_can_be_selected(batch):
    part = batch.select(slice(1, 2))
    assert len(part) == 1
    assert (part.values[0] == batch.values[1]).all()


def test_augment_follows_its_rng_and_the_spec_and_changes_no_input(case, samples, obey):
    for n, sample in enumerate(samples):
        before = sample.data.tobytes()
        view = case.modality.augment(sample, keyed_rng("view", n), case.options)
        again = case.modality.augment(sample, keyed_rng("view", n), case.options)
        obey(case.modality, view)
        np.testing.assert_array_equal(view.data, again.data)
        assert sample.data.tobytes() == before
    case.modality.collate([view, samples[0]], case.options)


def test_mask_hides_about_the_share_asked_for_and_only_real_values(case, batch):
    masked = case.modality.mask(batch, keyed_rng("mask"), case.options, ratio=RATIO)
    hidden, valid = masked.hidden.expand(batch.values.shape), real(batch)
    assert not (hidden & ~valid).any()
    share = float(hidden.sum() / valid.sum())
    assert 0.6 * RATIO <= share <= 1.4 * RATIO
    assert hidden.flatten(1).any(dim=1).all(), "a sample of which nothing is hidden"


def test_mask_keeps_the_target_and_what_it_does_not_hide(case, batch):
    masked = case.modality.mask(batch, keyed_rng("mask"), case.options, ratio=RATIO)
    hidden = masked.hidden.expand(batch.values.shape)
    assert (masked.target == batch.values).all()
    assert (masked.batch.values[~hidden] == batch.values[~hidden]).all()
    assert (masked.batch.values[hidden] != batch.values[hidden]).any()
    if masked.classes is not None:
        inside = masked.target[hidden]
        assert 0 <= int(inside.min()) <= int(inside.max()) < masked.classes


def test_mask_follows_its_rng(case, batch):
    first = case.modality.mask(batch, keyed_rng("mask"), case.options, ratio=RATIO)
    again = case.modality.mask(batch, keyed_rng("mask"), case.options, ratio=RATIO)
    other = case.modality.mask(batch, keyed_rng("another mask"), case.options, ratio=RATIO)
    assert (first.hidden == again.hidden).all()
    assert (first.batch.values == again.batch.values).all()
    assert (first.hidden != other.hidden).any()


def test_what_is_hidden_cannot_be_read_off_what_is_shown(case, batch):
    from workbench.modality import Batch

    first = case.modality.mask(batch, keyed_rng("mask"), case.options, ratio=RATIO)
    if first.classes is not None:
        shown = first.batch.values[first.hidden]
        assert len(shown.unique()) == 1, "hidden symbols must all look alike"
        return
    hidden = first.hidden.expand(batch.values.shape)
    moved = Batch(batch.values + 0.125 * hidden, batch.valid)
    second = case.modality.mask(moved, keyed_rng("mask"), case.options, ratio=RATIO)
    assert (second.hidden == first.hidden).all()
    assert (second.batch.values == first.batch.values).all()


def test_preview_is_a_small_figure(case, samples):
    from matplotlib.figure import Figure

    figure = case.modality.preview(samples[0])
    assert isinstance(figure, Figure)
    width, height = figure.get_size_inches()
    assert width <= 8
    assert height <= 8
    assert figure.axes or figure.texts
