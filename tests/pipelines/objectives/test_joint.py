"""The joint encoder over the tokens of several modalities."""

import torch

from pipelines.objectives.joint import JointEncoder, slot


def encoder(names=("a", "b.c")):
    torch.manual_seed(0)
    return JointEncoder(names, 6, width=8, depth=2, heads=2)


def given(seed=0):
    source = torch.Generator().manual_seed(seed)
    tokens = {
        "a": torch.randn(3, 4, 6, generator=source),
        "b.c": torch.randn(3, 2, 6, generator=source),
    }
    valid = {"a": torch.ones(3, 4).bool(), "b.c": torch.tensor([[1, 1], [1, 0], [0, 0]]).bool()}
    return tokens, valid


def test_a_dot_in_a_name_never_makes_two_modalities_one():
    assert "." not in slot("b.c")
    assert len({slot(name) for name in ("b.c", "b_c", "bc", "b-c")}) == 4


def test_a_modality_that_an_item_lacks_equals_leaving_it_out():
    tokens, valid = given()
    first, parts = encoder()(tokens, valid)
    alone, own = encoder()({"a": tokens["a"][2:]}, {"a": valid["a"][2:]})
    torch.testing.assert_close(first[2:], alone)
    torch.testing.assert_close(parts["a"][2:], own["a"])


def test_one_modality_sees_the_other():
    tokens, valid = given()
    before = encoder()(tokens, valid)[1]["a"]
    after = encoder()({**tokens, "b.c": tokens["b.c"] + 1}, valid)[1]["a"]
    assert (before[:2] != after[:2]).any(dim=-1).all()
    assert torch.equal(before[2], after[2])


def test_what_stands_where_nothing_is_valid_counts_nowhere_and_gets_no_gradient():
    tokens, valid = given()
    clean = encoder()(tokens, valid)[0]
    stained = torch.where(valid["b.c"][..., None], tokens["b.c"], torch.inf).requires_grad_()
    found = encoder()({**tokens, "b.c": stained}, valid)[0]
    found.square().sum().backward()
    assert torch.equal(found, clean)
    assert stained.grad[~valid["b.c"]].abs().max() == 0
    assert (stained.grad[valid["b.c"]] != 0).any()


def test_equal_tokens_of_two_modalities_are_told_apart():
    same = torch.ones(1, 1, 6)
    here = torch.ones(1, 1).bool()
    parts = encoder()({"a": same, "b.c": same}, {"a": here, "b.c": here})[1]
    assert not torch.allclose(parts["a"], parts["b.c"])
