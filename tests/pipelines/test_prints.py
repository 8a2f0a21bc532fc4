"""Fingerprints on disk: what was saved comes back, with codes, without them, and for no sample."""

import numpy as np
import pytest

from pipelines.prints import load, save, saved, stacked
from workbench.fingerprint import Fingerprint, code_keys

TOP = 2**64 - 1
CASES = [
    [],
    [Fingerprint()] * 3,
    [Fingerprint(code_keys(c), c) for c in (0, 7, TOP)],
    [Fingerprint(np.array([1, TOP], np.uint64), None, text) for text in ("", "abc")],
]


@pytest.mark.parametrize("found", CASES, ids=["none", "empty", "codes", "keys"])
def test_what_was_saved_comes_back(found, tmp_path):
    assert not saved(tmp_path)
    save(tmp_path, found)
    assert saved(tmp_path)
    again, given = load(tmp_path), stacked(found)
    assert (again.keys == given.keys).all()
    assert again.keys.shape == given.keys.shape
    assert again.contents == given.contents
    assert (again.codes is None) == (given.codes is None)
    if again.codes is not None:
        assert (again.codes == given.codes).all()


def test_places_pick_keys_codes_and_contents_alike():
    found = stacked([Fingerprint(code_keys(c), c, str(c)) for c in (5, 6, 7)]).rows(
        np.array([2, 0])
    )
    assert found.codes.tolist() == [7, 5]
    assert found.contents == ("7", "5")
    assert (found.keys[0] == code_keys(7)).all()
