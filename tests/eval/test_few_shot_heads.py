"""Heads and draws of few examples: whole groups, nested draws, known class means."""

import numpy as np
import pytest

from eval.few_shot_heads import NearestMean, PromptsAndMean, class_means, support
from eval.labels import truth_of

CLASSES = ("a", "b")
LABELS = np.array([0, 0, 0, 0, 1, 1, 1, 1])
GROUPS = ["p0", "p0", "p1", "p2", "p2", "p3", "p4", "p5"]


def part(points, names):
    return np.array(points, dtype=np.float32), truth_of(list(names), CLASSES, "single")


def test_a_class_with_fewer_groups_gives_a_row_of_each():
    rows = support(LABELS, GROUPS, CLASSES, shots=16, key=(0, 0))
    assert sorted(GROUPS[i] for i in rows if LABELS[i] == 0) == ["p0", "p1", "p2"]
    assert sorted(GROUPS[i] for i in rows if LABELS[i] == 1) == ["p2", "p3", "p4", "p5"]


def test_draws_are_nested_and_each_row_is_of_another_group():
    for number in range(10):
        few, more = (
            support(LABELS, GROUPS, CLASSES, shots=s, key=(3, number)).tolist() for s in (1, 3)
        )
        assert set(few) < set(more)
        for label in (0, 1):
            mine = [GROUPS[i] for i in more if LABELS[i] == label]
            assert len(mine) == len(set(mine)) == 3


def test_another_class_changes_no_draw():
    one = support(LABELS, GROUPS, CLASSES, shots=2, key=(1, 2))
    other = support(np.where(LABELS == 1, 2, 0), GROUPS, ("a", "c", "b"), shots=2, key=(1, 2))
    assert one.tolist() == other.tolist()


def test_class_means_are_those_of_each_class():
    _, truth = part(np.zeros((3, 2)), "aab")
    assert class_means(np.array([[1.0, 0], [3, 0], [0, 5]]), truth).tolist() == [[2, 0], [0, 5]]


def test_the_nearest_mean_is_measured_after_centring():
    # seen from their own mean (10, 0), the examples lie up and down; the query lies up
    train = part([[10, 1], [10, -1]], "ab")
    scores = NearestMean().scores(
        train, part(np.zeros((0, 2)), ""), np.array([[30, 15]], np.float32)
    )
    moved = np.array([20, 15]) / 25
    expected = [-np.sum((moved - [0, 1]) ** 2), -np.sum((moved - [0, -1]) ** 2)]
    assert scores[0] == pytest.approx(expected, abs=1e-12)


def test_equal_vectors_cannot_be_told_apart():
    vectors = np.full((7, 5), 1 / np.sqrt(5), dtype=np.float32)
    scores = NearestMean().scores(part(vectors[:4], "aabb"), part(vectors[:0], ""), vectors)
    assert (scores == scores[0, 0]).all()


def test_prompts_outweigh_examples_where_validation_cannot_tell():
    prompts = np.eye(2)
    head = PromptsAndMean(prompts)
    train, val = part([[1, 0.1], [0.1, 1]], "ab"), part([[1, 0], [0, 1]], "ab")
    scores = head.scores(train, val, np.array([[3.0, 4.0]], np.float32))
    assert head.chosen == 1
    assert scores[0] == pytest.approx([0.6, 0.8], abs=1e-12)


def test_bad_prompts_are_given_up_and_no_validation_is_said():
    swapped = np.eye(2)[::-1]
    head = PromptsAndMean(swapped)
    train, val = part([[1, 0.1], [0.1, 1]], "ab"), part([[1, 0], [0, 1]], "ab")
    head.scores(train, val, np.eye(2, dtype=np.float32))
    assert head.chosen < 0.5
    head = PromptsAndMean(swapped)
    head.scores(train, part(np.zeros((0, 2)), ""), np.eye(2, dtype=np.float32))
    assert head.notes == ["weight-not-selected"]
