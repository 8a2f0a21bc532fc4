"""The statistical self-test in small: what must hold holds, and what must fail is seen to."""

import importlib.util
import sys
from pathlib import Path

import pytest

FILE = Path(__file__).resolve().parents[2] / "scripts" / "selftest_statistics.py"
SIMULATIONS, REPLICATES = 60, 500


@pytest.fixture(scope="module")
def selftest():
    spec = importlib.util.spec_from_file_location("selftest_statistics", FILE)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def test_a_rate_out_of_bounds_is_named_and_ends_in_an_error(
    selftest, monkeypatch, tmp_path, capsys
):
    bad = selftest.Finding("some rate", 0.8, 0.93, 0.97, 1000)
    monkeypatch.setattr(selftest, "everything", lambda *given, **named: [bad])
    page = tmp_path / "page.md"
    monkeypatch.setattr(sys, "argv", ["selftest", "--write", str(page)])
    with pytest.raises(SystemExit) as stopped:
        selftest.main()
    assert stopped.value.code == 1
    assert "Out of bounds:\n- some rate: 0.8" in page.read_text()
    assert "some rate" in capsys.readouterr().out


def test_bounds_are_those_promised_and_widen_only_for_few_simulations(selftest):
    assert selftest.bounds("AUROC", "patient", 1000) == (0.93, 0.97)
    assert selftest.bounds("permuted labels", "patient", 1000) == (0.93, 1.0)
    low, high = selftest.bounds("hit@1", "patient", 100)
    assert 0.88 < low < 0.89
    assert high == 1
    assert selftest.bounds("AUROC", "image", 1000)[1] == 0.9


@pytest.mark.parametrize("kind", ["AUROC", "hit@1", "macro accuracy", "permuted labels"])
def test_intervals_by_patient_cover(selftest, kind):
    found = selftest.covered(kind, "patient", SIMULATIONS, REPLICATES)
    assert found.kept, found


def test_intervals_by_image_visibly_do_not(selftest):
    found = selftest.covered("AUROC", "image", SIMULATIONS, REPLICATES)
    assert found.kept, found
    assert found.value < selftest.bounds("AUROC", "patient", SIMULATIONS)[0]


def test_the_same_simulations_give_the_same_rate(selftest):
    one, again = (selftest.covered("hit@1", "patient", 20, 200) for _ in range(2))
    assert one == again


def test_twenty_null_comparisons_seldom_find_a_difference(selftest):
    found = selftest.family_error(SIMULATIONS, permutations=800)
    assert found.kept, found


def test_images_of_a_patient_correlate_as_told(selftest):
    rng = selftest.keyed_rng(0)
    cohort = selftest.Cohort(selftest.np.full(20_000, 2), rng)
    pairs = cohort.noise().reshape(-1, 2)
    assert selftest.np.corrcoef(pairs.T)[0, 1] == pytest.approx(0.6, abs=0.02)


def test_a_constant_encoder_is_at_chance_everywhere(selftest):
    found = selftest.off_chance()
    assert found.count > 50
    assert found.kept, found


def test_every_planted_leak_is_an_error_and_a_clean_manifest_is_none(selftest):
    assert selftest.leaks_missed().value == 0
