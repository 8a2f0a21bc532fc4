"""What near-copies are found by: the same for the same sample, one width, sensible likeness."""

import numpy as np

from workbench.fingerprint import NEAR_BITS, Fingerprint


def prints(case):
    return {n: case.modality.fingerprint(s, case.options) for n, s in case.samples.items()}


def test_every_sample_has_as_many_keys(case):
    found = prints(case)
    assert all(isinstance(f, Fingerprint) for f in found.values())
    assert all(f.keys.dtype == np.uint64 and f.keys.ndim == 1 for f in found.values())
    assert len({len(f.keys) for f in found.values()}) == 1
    assert len({f.code is None for f in found.values()}) == 1
    assert all(f.code is None or 0 <= f.code < 2**64 for f in found.values())


def test_reading_again_gives_the_same_fingerprint(case):
    for name, one in prints(case).items():
        sample = case.modality.read(case.source(name), case.options)
        again = case.modality.fingerprint(sample, case.options)
        assert (again.keys == one.keys).all()
        assert (again.code, again.content) == (one.code, one.content)


def test_a_sample_is_near_itself_and_never_beyond_a_copy(case):
    near = case.modality.near
    for sample in case.samples.values():
        assert near(sample, sample, case.options) >= case.modality.near_at - 1e-9
        for other in case.samples.values():
            assert 0 <= near(sample, other, case.options) <= 1 + 1e-9


def test_likeness_does_not_depend_on_the_order(case):
    first, second, *_ = case.samples.values()
    one = case.modality.near(first, second, case.options)
    assert abs(one - case.modality.near(second, first, case.options)) < 1e-6


def test_samples_of_two_findings_are_not_taken_for_copies(case):
    (a, one), (b, other), *_ = prints(case).items()
    agree = bool((one.keys == other.keys).any()) if len(one.keys) else False
    if one.code is not None:
        agree = agree and (one.code ^ other.code).bit_count() <= NEAR_BITS
    alike = case.modality.near(case.samples[a], case.samples[b], case.options)
    assert not (agree and alike >= case.modality.near_at)
