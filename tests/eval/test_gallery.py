"""The gallery: which of its entries were trained on, by their rows or by an equal content."""

import numpy as np
import pytest

from eval.gallery import build, training_items
from eval.selection import select
from eval.space import Rows, Space, Vectors

IDS = ("a", "b", "c", "d")


def space(splits, digests):
    values = np.eye(4, dtype=np.float32)
    rows = Rows(IDS, IDS, splits, {})
    return Space("trained", {"ecg": Vectors(IDS, values, None, digests)}, rows)


def trained(splits, digests, split="test"):
    found = space(splits, digests)
    vectors = found.vectors["ecg"]
    gallery = build(vectors, select(found, "ecg", split), found.rows, merge="content")
    return training_items(gallery, vectors)


@pytest.mark.parametrize(
    ("splits", "digests", "count"),
    [
        (("train", "train", "test", "test"), ("x", "y", "z", "w"), 0),
        (("train", "train", "test", "test"), ("x", "y", "x", "w"), 1),
        (("val", "train", "test", "test"), ("x", "y", "x", "w"), 0),
        (("train", "train", "test", "test"), None, 0),
    ],
)
def test_a_content_of_training_is_counted_whatever_its_id(splits, digests, count):
    assert trained(splits, digests) == count


def test_a_gallery_of_training_rows_is_all_trained_on():
    assert trained(("train", "train", "test", "test"), ("x", "y", "z", "w"), "train") == 2
    assert trained(("train", "train", "test", "test"), None, "train") == 2
