"""Lead names, and limb leads that follow from two others."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from modalities.ecg.leads import LEADS, derive_limb_leads, lead_named


@pytest.mark.parametrize("name", ["vx", "PLETH", "RESP", "V7", "V3R", "", "MDC_ECG_LEAD_VX", "aV"])
def test_other_channels_are_no_lead(name):
    assert lead_named(name) is None


@pytest.mark.parametrize(
    ("name", "lead"),
    [
        ("i", "I"), ("AVR", "aVR"), ("avl", "aVL"), ("aVF", "aVF"), ("MDC_ECG_LEAD_I", "I"),
        ("MDC_ECG_LEAD_AVF", "aVF"), ("MDC_ECG_LEAD_V6", "V6"), ("Lead I (Einthoven)", "I"),
        ("Lead aVR", "aVR"), ("5.6.3-9-1", "I"), ("5.6.3-9-61", "III"), ("5.6.3-9-64", "aVF"),
        ("ECG V1", "V1"), ("EKG V1-REF", "V1"), (" II ", "II"), ("MLII", "II"), ("C3", "V3"),
        ("DIII", "III"), ("aV R", "aVR"),
    ],
)  # fmt: skip
def test_spellings_of_a_lead(name, lead):
    assert lead_named(name) == lead


def test_any_two_limb_leads_give_the_other_four():
    rng = np.random.default_rng(1)
    one, two = rng.normal(size=(2, 50)).astype(np.float32)
    limb = [one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2]
    for pair in itertools.combinations(range(6), 2):
        values = np.full((12, 50), np.nan, np.float32)
        present = np.zeros(12, bool)
        for row in pair:
            values[row], present[row] = limb[row], True
        out, now, derived = derive_limb_leads(values, present)
        np.testing.assert_allclose(out[:6], limb, atol=1e-5)
        assert now[:6].all()
        assert not now[6:].any()
        assert set(derived) == {LEADS[row] for row in range(6) if row not in pair}


def test_one_limb_lead_gives_no_other():
    values = np.full((12, 5), np.nan, np.float32)
    values[0] = 1
    _, present, derived = derive_limb_leads(values, np.arange(12) == 0)
    assert derived == ()
    assert present.sum() == 1
