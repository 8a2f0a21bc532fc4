"""Known answers and invariants of the contrastive objective."""

import math

import pytest
import torch
from pydantic import ValidationError
from torch.nn.functional import normalize

from pipelines.objectives.contrastive import ContrastiveOptions
from pipelines.objectives.contrastive_loss import Contrastive
from pipelines.objectives.entry import Edge, Shapes
from pipelines.objectives.objective import Encoded, Items, Step
from pipelines.objectives.targets import rule, soft

EDGE = (Edge("ecg", ("report",)),)
THREE = (Edge("ecg", ("report",)), Edge("xray", ("report",)))


def objective(edges=EDGE, **options):
    return Contrastive(ContrastiveOptions(**options), edges, Shapes(16))


def items(count, group=None, content=None, label=None, ranks=None, names=("ecg", "report", "xray")):
    ids = torch.arange(count)
    unique = {name: torch.arange(count) for name in names}
    return Items(ids, ids if group is None else group, content or unique, label, ranks)


def encoded(present=None, **emb):
    full = {k: torch.ones(len(v), dtype=torch.bool) for k, v in emb.items()}
    return Encoded(emb, {**full, **(present or {})})


def random(count, width=16, seed=0):
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


def test_volumes_alone_are_refused_as_they_see_no_sign():
    with pytest.raises(ValidationError, match="does not tell a vector from its opposite"):
        ContrastiveOptions(score="volume")


def test_identical_vectors_cost_log_b():
    same = torch.ones(64, 8)
    loss = objective()(encoded(ecg=same, report=same), items(64), Step()).total
    assert loss.item() == pytest.approx(math.log(64), abs=1e-5)


def test_matched_orthonormal_rows_have_the_closed_form():
    eye = torch.eye(16)
    loss = objective(temperature=0.5)(encoded(ecg=eye, report=eye), items(16), Step()).total
    assert loss.item() == pytest.approx(math.log(1 + 15 * math.exp(-2.0)), abs=1e-6)


@pytest.mark.parametrize(("width", "temperature"), [(512, 0.07), (64, 1.0)])
def test_random_vectors_cost_log_b_plus_half_of_the_score_variance(width, temperature):
    losses = []
    for seed in range(20):
        a, b = (random(256, width, 2 * seed + n) for n in (0, 1))
        loss = objective(temperature=temperature)(encoded(ecg=a, report=b), items(256), Step())
        losses.append(loss.total.item())
    expected = math.log(256) + 1 / (2 * width * temperature**2)
    assert sum(losses) / 20 == pytest.approx(expected, abs=0.05)


def test_absent_rows_equal_the_smaller_batch_exactly():
    a, b = random(12), random(12, seed=1)
    there = torch.tensor([True] * 9 + [False] * 3)
    present = {"report": there}
    masked = objective()(
        encoded(present, ecg=a, report=b * there[:, None]), items(12), Step()
    ).total
    small = objective()(encoded(ecg=a[:9], report=b[:9]), items(9), Step()).total
    assert masked.item() == pytest.approx(small.item(), abs=1e-6)


def test_identical_vectors_with_absent_columns_cost_log_of_the_present_ones():
    same = torch.ones(20, 8)
    present = {"report": torch.arange(20) < 15}
    loss = objective()(encoded(present, ecg=same, report=same), items(20), Step()).total
    assert loss.item() == pytest.approx(math.log(15), abs=1e-6)


def test_absent_rows_get_exactly_no_gradient_and_are_nobodys_negatives():
    a, b = random(8).requires_grad_(), random(8, seed=1).requires_grad_()
    present = {"ecg": torch.arange(8) != 3, "report": torch.arange(8) != 5}
    out = objective()(encoded(present, ecg=a, report=b), items(8), Step())
    out.total.backward()
    assert torch.equal(a.grad[3], torch.zeros(16))
    assert torch.equal(b.grad[5], torch.zeros(16))
    moved = b.detach().clone()
    moved[5] = 100.0
    again = objective()(encoded(present, ecg=a.detach(), report=moved), items(8), Step()).total
    assert again.item() == out.total.item()


def test_a_modality_absent_everywhere_equals_leaving_it_out():
    a, b = random(8), random(8, seed=1)
    gone = {"xray": torch.zeros(8, dtype=torch.bool)}
    with_it = objective(THREE)(
        encoded(gone, ecg=a, report=b, xray=torch.zeros(8, 16)), items(8), Step()
    )
    without = objective()(encoded(ecg=a, report=b), items(8), Step())
    assert list(with_it.terms) == ["ecg-report"]
    assert with_it.total.item() == without.total.item()


def test_rows_of_one_group_are_never_negatives():
    a, b = random(6), random(6, seed=1)
    group = torch.tensor([0, 0, 1, 2, 3, 4])
    out = objective()(encoded(ecg=a, report=b), items(6, group=group), Step()).total
    worse = b.clone()
    worse[1] = a[0]
    same = objective()(encoded(ecg=a, report=worse), items(6, group=group), Step())
    alone = objective(exclude_same_group=False)(
        encoded(ecg=a, report=worse), items(6, group=group), Step()
    )
    assert same.total.item() < alone.total.item()
    assert math.isfinite(out.item())


def test_identical_vectors_cost_log_b_whatever_the_number_of_right_answers():
    same = torch.ones(64, 8)
    content = {"ecg": torch.arange(64), "report": torch.arange(64) // 4}
    known = items(64, content=content)
    loss = objective(targets="same_text")(encoded(ecg=same, report=same), known, Step()).total
    assert loss.item() == pytest.approx(math.log(64), abs=1e-5)


def test_perfect_clusters_tend_to_log_of_their_size():
    centres = torch.eye(16).repeat_interleave(4, 0)
    label = torch.eye(16, dtype=torch.bool).repeat_interleave(4, 0)
    loss = objective(targets="same_label", label="x", temperature=0.02, exclude_same_group=False)(
        encoded(ecg=centres, report=centres), items(64, label=label), Step()
    ).total
    assert loss.item() == pytest.approx(math.log(4), abs=1e-3)


def test_equal_reports_are_right_answers_on_both_sides():
    content = {"ecg": torch.arange(3), "report": torch.tensor([7, 7, 8])}
    emb = {
        "ecg": torch.eye(3, 4),
        "report": torch.tensor([[0.0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0]]),
    }
    swapped = objective(targets="same_text")(
        encoded(**emb), items(3, content=content), Step()
    ).total
    strict = objective(targets="identity")(encoded(**emb), items(3), Step()).total
    assert swapped.item() < strict.item()


def test_graded_targets_share_each_rank_evenly():
    # rows: one species twice, another species of the genus, another genus of the order, one unnamed
    ranks = torch.tensor([[0, 0, 0], [0, 0, 0], [0, 0, 1], [0, 1, -1], [-1, -1, -1]])
    options = ContrastiveOptions(
        targets="graded", ranks=("order", "genus", "species"), rank_weights=(1.0, 3.0, 6.0)
    )
    every = slice(0, 5)
    found = rule(options, encoded(), items(5, ranks=ranks), EDGE[0])(every, every)
    order, genus, species = 0.1 / 4, 0.3 / 3, 0.6 / 2
    near, far = order + genus, order
    expected = torch.tensor([
        [near + species, near + species, near, far, 0],
        [near + species, near + species, near, far, 0],
        [near, near, near + 0.6, far, 0],
        [far, far, far, far + 0.3 + 0.6, 0],
        [0, 0, 0, 0, 1],
    ])  # fmt: skip
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(found.sum(dim=1), torch.ones(5))


def test_without_rank_weights_the_finest_rank_has_most():
    four = ContrastiveOptions(targets="graded", ranks=("order", "family", "genus", "species"))
    assert four.shares() == pytest.approx((0.1, 0.1, 0.2, 0.6))
    two = ContrastiveOptions(targets="graded", ranks=("genus", "species"))
    assert two.shares() == pytest.approx((0.4, 0.6))


@pytest.mark.parametrize(
    ("weights", "message"), [((0.5, 0.5), "2 numbers for 3"), ((0.5, 0.0, 0.5), "greater than 0")]
)
def test_rank_weights_that_do_not_fit_are_refused(weights, message):
    with pytest.raises(ValidationError, match=message):
        ContrastiveOptions(targets="graded", ranks=("a", "b", "c"), rank_weights=weights)


def test_graded_targets_need_two_ranks():
    with pytest.raises(ValidationError, match="two or more"):
        ContrastiveOptions(targets="graded", ranks=("species",))


def test_the_graded_loss_of_identical_vectors_is_log_b():
    ranks = torch.arange(32)[:, None] // torch.tensor([16, 4, 1])
    same = torch.ones(32, 8)
    loss = objective(targets="graded", ranks=("a", "b", "c"))(
        encoded(ecg=same, report=same), items(32, ranks=ranks), Step()
    )
    assert loss.total.item() == pytest.approx(math.log(32), abs=1e-5)


@pytest.mark.parametrize("targets", ["identity", "same_text"])
def test_permuting_the_batch_changes_nothing(targets):
    a, b, order = random(10), random(10, seed=1), torch.randperm(10)
    content = {"ecg": torch.arange(10), "report": torch.arange(10) // 2}
    group = torch.arange(10) // 3
    one = objective(targets=targets)(
        encoded(ecg=a, report=b), items(10, group, content), Step()
    ).total
    moved = items(10, group[order], {k: v[order] for k, v in content.items()})
    two = objective(targets=targets)(encoded(ecg=a[order], report=b[order]), moved, Step()).total
    assert one.item() == pytest.approx(two.item(), abs=1e-6)


@pytest.mark.parametrize("case", ["duplicates", "zeros", "one row", "one valid row", "bf16"])
def test_loss_and_gradient_stay_finite(case):
    count = 1 if case == "one row" else 6
    a, b = random(count), random(count, seed=1)
    if case == "duplicates":
        a[1] = b[0] = a[0]
    if case == "zeros":
        a[:], b[:] = 0, 0
    present = {"report": torch.arange(count) < 1} if case == "one valid row" else {}
    a.requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=case == "bf16"):
        out = objective()(encoded(present, ecg=a, report=b), items(count), Step())
    out.total.backward()
    assert math.isfinite(out.total.item())
    assert bool(torch.isfinite(a.grad).all())


def test_a_batch_with_no_pair_has_no_term():
    present = {"ecg": torch.tensor([True, False]), "report": torch.tensor([False, True])}
    assert (
        objective()(encoded(present, ecg=random(2), report=random(2)), items(2), Step()).terms == {}
    )


def test_the_temperature_is_a_parameter_moves_and_is_clamped():
    loss = objective()
    assert [n for n, _ in loss.named_parameters()] == ["log_scale"]
    optimizer = torch.optim.SGD(loss.parameters(), lr=1e4)
    before = loss.log_scale.item()
    loss(encoded(ecg=random(8), report=random(8)), items(8), Step()).total.backward()
    optimizer.step()
    loss.after_step(encoded(), items(8), Step())
    assert loss.log_scale.item() != before
    assert 0.0 <= loss.log_scale.item() <= math.log(100.0) + 1e-6


def test_the_loss_equals_torchs_cross_entropy():
    a, b = random(32), random(32, seed=1)
    logits = normalize(a, dim=1) @ normalize(b, dim=1).T / 0.07
    target = torch.arange(32)
    cross_entropy = torch.nn.functional.cross_entropy
    expected = 0.5 * (cross_entropy(logits, target) + cross_entropy(logits.T, target))
    found = objective()(encoded(ecg=a, report=b), items(32), Step()).total
    assert found.item() == pytest.approx(expected.item(), abs=1e-6)


def test_likes_of_a_row_never_hold_more_than_their_share():
    """Where everything is alike, targets spread over everything would keep it so."""
    items = Items(torch.arange(6), torch.arange(6), {})
    alike, present = torch.ones(6, 3), torch.ones(6, dtype=torch.bool)
    block = soft(items, alike, present, temperature=0.1, share=0.3)(slice(0, 6), slice(0, 6))
    target = block / block.sum(dim=1, keepdim=True)
    torch.testing.assert_close(target.diagonal(), torch.full((6,), 0.7))
    torch.testing.assert_close(target, target.T)


def test_unlike_rows_leave_the_target_to_the_partner():
    items = Items(torch.arange(3), torch.arange(3), {})
    present = torch.ones(3, dtype=torch.bool)
    block = soft(items, torch.eye(3), present, temperature=0.1, share=0.3)
    expected = torch.eye(3) + torch.e**-10.0 * (1 - torch.eye(3))
    torch.testing.assert_close(block(slice(0, 3), slice(0, 3)), expected)
