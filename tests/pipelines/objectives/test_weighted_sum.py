"""The weighted sum of objectives: what it accepts, and that its parts stay what they are."""

import pytest
import torch
from pydantic import ValidationError

from pipelines.objectives.entry import Edge, Shapes
from pipelines.objectives.objective import Encoded, Items, LossOut, Objective, Step
from pipelines.objectives.weighted_sum import SUM, SumOptions
from pipelines.objectives.weighted_sum_loss import WeightedSum
from workbench import registry
from workbench.errors import Refusal

EDGES = (Edge("a", ("b",)), Edge("a", ("c",), 0.5))
PARTS = ({"name": "contrastive", "temperature": 0.1}, {"name": "gram", "weight": 3.0})


def build(*parts):
    return SUM.build(SumOptions(parts=parts), EDGES, Shapes(16, rows=8))


def alone(part, edges=EDGES):
    entry = registry.load("objectives", part["name"])
    rest = {k: v for k, v in part.items() if k not in ("name", "weight")}
    return entry.build(entry.options(**rest), edges, Shapes(16, rows=8))


def items(count=8):
    rows = torch.arange(count)
    label = torch.eye(4, dtype=torch.bool).repeat(2, 1)
    return Items(rows, rows, dict.fromkeys("abc", rows), label)


def batch(count=8):
    source = torch.Generator().manual_seed(0)
    emb = {k: torch.randn(count, 16, generator=source) for k in "abc"}
    return Encoded(emb, {k: torch.ones(count, dtype=torch.bool) for k in emb})


class Spy(Objective):
    """Computes the whole loss on every process, and notes what it is told."""

    def __init__(self):
        super().__init__()
        self.register_buffer("seen", torch.zeros(2))

    def forward(self, encoded, items, step):
        return LossOut({"whole": encoded.emb["a"].sum()}, {"whole": 1.0})

    def after_step(self, encoded, items, step):
        self.seen[0] += 1

    def on_epoch(self, epoch, memory):
        self.seen[1] += epoch + len(memory())


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (({"name": "contrastive"},), "at least 2"),
        (({"name": "contrastive"}, {"name": "sum", "parts": []}), "cannot be a sum"),
        (({"name": "contrastive"}, {"name": "hcl", "weight": 0}), "greater than 0"),
        (({"name": "contrastive"}, {"name": "hcl", "beta": -1}), "options of hcl: beta: Input"),
        (({"name": "contrastive"}, {"name": "hcl", "betta": 1}), "options of hcl: betta: Extra"),
    ],
)
def test_wrong_parts_are_refused(parts, message):
    with pytest.raises(ValidationError, match=message):
        SumOptions(parts=parts)


def test_an_unknown_part_is_refused_by_name():
    with pytest.raises(Refusal, match="did you mean 'contrastive'"):
        SumOptions(parts=({"name": "contrastve"}, {"name": "hcl"}))


def test_parts_that_read_different_labels_are_refused():
    with pytest.raises(Refusal, match="label columns"):
        build({"name": "hcl", "targets": "same_label", "label": "x"},
              {"name": "contrastive", "targets": "same_label", "label": "y"})  # fmt: skip


def test_evaluation_uses_the_score_of_the_first_part_or_of_the_one_named():
    volume = {"name": "gram", "anchored": 0}
    assert SumOptions(parts=(PARTS[0], volume)).score == "cosine"
    assert SumOptions(parts=(volume, PARTS[0])).score == "volume"
    assert SumOptions(parts=(PARTS[0], volume), score="volume").score == "volume"
    with pytest.raises(ValidationError, match="no part"):
        SumOptions(parts=PARTS, score="volume")


def test_what_is_stored_is_complete_and_can_be_read_again():
    options = SumOptions(parts=PARTS)
    stored = options.model_dump(mode="json")
    assert stored["parts"][1]["options"]["smoothing"] == 0.1
    assert SumOptions(**stored) == options


def test_needs_are_those_of_all_parts():
    label = {"name": "hcl", "targets": "same_label", "label": "finding"}
    assert SumOptions(parts=PARTS).needs() == frozenset()
    assert SumOptions(parts=(*PARTS, label)).needs() == {"labels"}
    assert build(*PARTS, label).label_columns() == ("finding",)


def test_the_total_is_the_weighted_mean_of_the_parts_totals():
    found = build(*PARTS)(batch(), items(), Step())
    one, two = (alone(part)(batch(), items(), Step()).total.item() for part in PARTS)
    assert found.total.item() == pytest.approx((one + 3 * two) / 4, abs=1e-5)
    assert {name.split("/")[0] for name in found.terms} == {"contrastive", "gram"}
    assert "gram/a-b+c" in found.terms  # a joint part compares with all candidates at once


def test_a_second_part_of_one_objective_keeps_terms_of_its_own():
    found = build(PARTS[0], {"name": "contrastive", "temperature": 1.0})(batch(), items(), Step())
    assert list(found.terms) == [f"contrastive{n}/a-{m}" for n in ("", "_2") for m in "bc"]


def test_a_part_without_valid_rows_leaves_the_mean_to_the_others():
    lonely = batch()
    gone = torch.zeros(8, dtype=torch.bool)
    some = Encoded(lonely.emb, {**lonely.present, "b": gone, "c": gone})
    assert build(*PARTS)(some, items(), Step()).terms == {}


def test_processes_add_up_whether_or_not_a_part_splits_rows():
    whole = with_spy()(batch(), items(), Step()).total
    parts = [with_spy()(batch(), items(), Step(rank=r, world=3)).total for r in range(3)]
    assert sum(parts).item() == pytest.approx(whole.item(), abs=1e-4)


def test_parts_are_told_of_steps_and_epochs_and_rows_are_embedded_once():
    found, calls = with_spy(), []
    found.parts["other"] = Spy()

    def memory():
        calls.append(1)
        return {"a": (torch.arange(2), torch.zeros(2, 16))}

    found.after_step(batch(), items(), Step())
    found.on_epoch(5, memory)
    assert len(calls) == 1
    assert found.state_dict()["parts.spy.seen"].tolist() == [1.0, 6.0]
    assert found.state_dict()["parts.other.seen"].tolist() == [1.0, 6.0]


def with_spy():
    found = build(*PARTS)
    assert isinstance(found, WeightedSum)
    found.parts["spy"] = Spy()
    found.weights["spy"] = 1.0
    return found
