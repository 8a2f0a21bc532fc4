"""Batch plans: every row once, and who meets whom."""

from collections import Counter

import pytest
from pydantic import ValidationError

from pipelines.batch_plans import planned_batches
from workbench.config import AlignConfig, BatchPlan

IDS = [f"row{i:03d}" for i in range(60)]
GROUPS = [f"g{i % 20}" for i in range(60)]
PLANS = [
    BatchPlan(plan="shuffled"),
    BatchPlan(plan="apart"),
    BatchPlan(plan="together", per=3),
    BatchPlan(plan="per_class", label="finding", per=2),
    BatchPlan(plan="clusters"),
]


def drawn(plan, kinds=GROUPS, *, epoch=0, size=8, seed=1):
    found = planned_batches(plan, IDS[: len(kinds)], kinds, seed=seed, epoch=epoch, size=size)
    return [[int(i) for i in batch] for batch in found]


def test_per_class_without_a_column_is_refused():
    with pytest.raises(ValidationError, match="per_class needs label"):
        BatchPlan(plan="per_class")


def test_stages_of_another_plan_are_refused():
    with pytest.raises(ValidationError, match="stages is an option of plan: clusters"):
        BatchPlan(plan="apart", stages=2)


def test_stages_do_not_go_with_fused_vectors():
    with pytest.raises(ValidationError, match="it has no fuse"):
        AlignConfig(epochs=1, batches={"plan": "clusters"}, fuse={"both": {"of": ["a", "b"]}})


@pytest.mark.parametrize("plan", PLANS, ids=lambda p: p.plan)
def test_every_row_comes_once_an_epoch(plan):
    for epoch in range(3):
        batches = drawn(plan, epoch=epoch)
        assert sorted(i for batch in batches for i in batch) == list(range(60))
        assert max(map(len, batches)) <= 8


@pytest.mark.parametrize("plan", PLANS, ids=lambda p: p.plan)
def test_batches_depend_on_seed_and_epoch_alone(plan):
    assert drawn(plan, epoch=2) == drawn(plan, epoch=2)
    assert drawn(plan, epoch=2) != drawn(plan, epoch=3)
    assert drawn(plan, seed=1) != drawn(plan, seed=2)


@pytest.mark.parametrize("plan", PLANS, ids=lambda p: p.plan)
def test_every_epoch_has_as_many_batches(plan):
    kinds = [f"g{i * i % 17}" for i in range(59)]
    assert len({len(drawn(plan, kinds, epoch=epoch)) for epoch in range(6)}) == 1


def test_apart_never_shows_a_group_twice():
    for batch in drawn(BatchPlan(plan="apart")):
        assert len({GROUPS[i] for i in batch}) == len(batch)


def test_together_brings_whole_groups():
    whole = 0
    for batch in drawn(BatchPlan(plan="together", per=3), size=9):
        whole += sum(count == 3 for count in Counter(GROUPS[i] for i in batch).values())
    assert whole == 20


def test_per_class_brings_two_of_each_class():
    for batch in drawn(BatchPlan(plan="per_class", label="finding", per=2), ["a", "b"] * 30):
        assert all(count % 2 == 0 for count in Counter(i % 2 for i in batch).values())


def test_rows_without_a_kind_stand_alone():
    kinds = [None] * 60
    for batch in drawn(BatchPlan(plan="apart"), kinds)[:-1]:
        assert len(batch) == 8


def test_a_full_batch_comes_from_one_cluster():
    kinds = ["0"] * 40 + ["1"] * 17 + ["2"] * 3
    batches = drawn(BatchPlan(plan="clusters"), kinds)
    mixed = [batch for batch in batches if len({kinds[i] for i in batch}) > 1]
    assert len(batches) == 8
    assert len(mixed) == 1, "only the rests of clusters share a batch"
    assert {kinds[i] for i in mixed[0]} == {"1", "2"}
