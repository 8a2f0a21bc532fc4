"""What every fusion must hold, whatever its kind: any subset in, one unit vector out."""

from itertools import chain, combinations

import pytest
import torch
from torch.nn.functional import normalize

from pipelines.fusion import FUSIONS, build_fusions
from pipelines.fusion.fusion import thinned
from workbench.fuse_config import FuseConfig

OF = ("a", "b", "c")
DIM, ROWS = 16, 12
SUBSETS = list(chain.from_iterable(combinations(OF, k) for k in (1, 2, 3)))
KINDS = [
    ("mean", {}), ("gated", {}), ("gated", {"gate": "sigmoid"}), ("agreement", {}),
    ("stochastic", {}), ("stochastic", {"depth": 2, "heads": 2, "drop": 0.3}),
]  # fmt: skip


@pytest.fixture(params=KINDS, ids=[f"{n}{''.join(map(str, o.values()))}" for n, o in KINDS])
def fusion(request):
    """A fusion away from its start, where all kinds equal the mean."""
    how, options = request.param
    made = build_fusions({"p": FuseConfig(of=OF, how=how, **options)}, DIM, seed=3)["p"].eval()
    source = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for value in made.parameters():
            value.add_(0.3 * torch.randn(value.shape, generator=source))
        for name, value in made.named_buffers():
            value.fill_({"mean": 0.2, "variance": 0.3}.get(name, 4))
    return made


def batch(rows=ROWS, seed=1):
    """Vectors of any length; the fifth row holds nothing, others miss something."""
    source = torch.Generator().manual_seed(seed)
    there = torch.rand(rows, 3, generator=source) < 0.7
    there[0], there[4] = True, False
    present = {n: there[:, i] for i, n in enumerate(OF)}
    emb = {n: 3 * torch.randn(rows, DIM, generator=source) * p[:, None] for n, p in present.items()}
    return emb, present


def test_a_fusion_that_is_given_none_of_its_modalities_refuses(fusion):
    with pytest.raises(ValueError, match=r"\['a', 'b', 'c'\] was given \['x'\]"):
        fusion({"x": torch.ones(2, DIM)}, {"x": torch.ones(2, dtype=torch.bool)})


def test_every_kind_that_the_pipeline_file_names_is_tested():
    assert {how for how, _ in KINDS} == set(FUSIONS)
    assert set(FUSIONS) == set(FuseConfig.model_fields["how"].annotation.__args__)


@pytest.mark.parametrize("part", SUBSETS, ids="+".join)
def test_leaving_keys_out_equals_marking_them_absent(fusion, part):
    emb, present = batch()
    given, some = fusion({n: emb[n] for n in part}, {n: present[n] for n in part})
    masked, also = fusion(emb, {n: p & (n in part) for n, p in present.items()})
    assert torch.equal(some, also)
    assert torch.equal(some, torch.stack([present[n] for n in part]).any(0))
    torch.testing.assert_close(given, masked, rtol=0, atol=1e-6)
    torch.testing.assert_close(given.norm(dim=1), some.float())


def test_one_modality_alone_is_handed_on_by_mean_and_gates(fusion):
    if type(fusion).__name__ not in ("Mean", "Gated", "Agreement"):
        pytest.skip("a transformer may turn a single vector")
    emb, present = batch()
    found, _ = fusion({"b": emb["b"]}, {"b": present["b"]})
    torch.testing.assert_close(found, normalize(emb["b"], dim=1))


def test_every_kind_starts_as_the_mean():
    emb, present = batch()
    whole = normalize(sum(normalize(emb[n], dim=1) for n in OF), dim=1)
    for how, options in KINDS:
        made = build_fusions({"p": FuseConfig(of=OF, how=how, **options)}, DIM, seed=3)["p"].eval()
        found, _ = made(emb, present)
        torch.testing.assert_close(found, whole, rtol=0, atol=1e-6, msg=how)


def test_what_stands_in_absent_rows_changes_nothing_and_gets_no_gradient(fusion):
    emb, present = batch()
    clean, _ = fusion(emb, present)
    dirty = {n: torch.where(present[n][:, None], v, torch.inf).requires_grad_()
             for n, v in emb.items()}  # fmt: skip
    found, _ = fusion(dirty, present)
    assert torch.equal(found, clean)
    (found * torch.randn(found.shape, generator=torch.Generator().manual_seed(2))).sum().backward()
    for name, leaf in dirty.items():
        gone = ~present[name]
        assert torch.equal(leaf.grad[gone], torch.zeros_like(leaf.grad[gone])), name
        assert leaf.grad.isfinite().all()
        assert (leaf.grad[present[name]] != 0).any()


def test_permuting_rows_permutes_the_result_in_training_too(fusion):
    emb, present = batch()
    draws = torch.rand(ROWS, 3, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    order = torch.randperm(ROWS, generator=torch.Generator().manual_seed(4))
    state = {k: v.clone() for k, v in fusion.state_dict().items()}
    found, _ = fusion.train()(emb, present, draws)
    fusion.load_state_dict(state)
    moved, _ = fusion({n: v[order] for n, v in emb.items()},
                      {n: v[order] for n, v in present.items()}, draws[order])  # fmt: skip
    torch.testing.assert_close(moved, found[order], rtol=0, atol=1e-6)


def test_a_row_never_depends_on_its_neighbours(fusion):
    emb, present = batch()
    whole, _ = fusion(emb, present)
    alone, _ = fusion({n: v[:1] for n, v in emb.items()}, {n: v[:1] for n, v in present.items()})
    torch.testing.assert_close(alone, whole[:1], rtol=0, atol=1e-6)


@pytest.mark.parametrize("make", [torch.zeros_like, torch.ones_like], ids=["zeros", "equal"])
def test_zero_and_equal_vectors_stay_finite(fusion, make):
    emb, present = batch()
    leaves = {n: make(v).requires_grad_() for n, v in emb.items()}
    found, _ = fusion.train()(leaves, present)
    found.sum().backward()
    assert found.isfinite().all()
    assert all(leaf.grad.isfinite().all() for leaf in leaves.values())


def test_bf16_autocast_changes_nothing(fusion):
    emb, present = batch()
    exact, _ = fusion(emb, present)
    with torch.autocast("cpu", torch.bfloat16):
        found, _ = fusion(emb, present)
    assert torch.equal(found, exact)


def test_draws_keep_the_highest_and_all_above_the_share():
    draws = torch.tensor([[0.9, 0.1, 0.6], [0.2, 0.1, 0.3], [0.9, 0.4, 0.8], [0.9, 0.9, 0.9]])
    there = torch.tensor([[1, 1, 1], [1, 1, 1], [0, 1, 0], [0, 0, 0]]).bool()
    kept = thinned(there, draws, 0.5)
    assert kept.int().tolist() == [[1, 0, 1], [0, 0, 1], [0, 1, 0], [0, 0, 0]]


def test_what_draws_leave_out_counts_as_absent():
    made = build_fusions({"p": FuseConfig(of=OF, drop=0.5)}, DIM, seed=0)["p"].train()
    emb, present = batch()
    draws = torch.tensor([[0.1, 0.9, 0.2]]).expand(ROWS, 3)
    found, some = made(emb, present, draws)
    kept = present["b"]
    assert torch.equal(some, present["a"] | present["b"] | present["c"])
    torch.testing.assert_close(found[kept], normalize(emb["b"], dim=1)[kept])
    whole, _ = made(emb, present)
    assert not torch.allclose(whole[kept], found[kept])
