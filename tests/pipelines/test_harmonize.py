"""Known answers of gradient harmonization."""

import pytest
import torch

from pipelines.harmonize import coefficients, conflict_share, harmonized, products


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def flat(gradients):
    return torch.cat([g.flatten() for g in gradients]).double()


def left_over(grads):
    """Return what is left of each term's gradient."""
    return coefficients(products(grads)) @ torch.stack([flat(g) for g in grads])


def test_terms_that_list_different_parameters_are_refused():
    with pytest.raises(ValueError, match="one gradient, or None"):
        harmonized([[random(2)], [random(2), random(3)]])


def test_without_conflict_gradients_stay_as_they_are():
    one = [random(4, 3), random(5, seed=1)]
    two = [0.5 * one[0], 2.0 * one[1]]
    for found, a, b in zip(harmonized([one, two]), one, two, strict=True):
        assert torch.equal(found, a + b)
    assert conflict_share([one, two]) == 0.0


def test_two_terms_in_conflict_end_orthogonal_to_each_other():
    one = [random(40, 3), random(50, seed=1)]
    two = [-0.5 * one[0] + 0.3 * random(40, 3, seed=2), random(50, seed=3)]
    first, second = flat(one), flat(two)
    assert first @ second < 0
    found = left_over([one, two])
    assert abs(float(found[0] @ second)) < 1e-6
    assert abs(float(found[1] @ first)) < 1e-6
    torch.testing.assert_close(found[0], first - first @ second / (second @ second) * second)
    total = flat(harmonized([one, two]))
    torch.testing.assert_close(total, found.sum(0), atol=1e-5, rtol=1e-5)
    assert conflict_share([one, two]) == 1.0


def projected(grads):
    """The authors' loop over whole gradients: each against the originals of all, in their order."""
    whole, found = [flat(g) for g in grads], []
    for gradient in whole:
        for other in whole:
            along = torch.minimum(gradient @ other, torch.zeros(())) / (other @ other)
            gradient = gradient - along * other
        found.append(gradient)
    return torch.stack(found)


@pytest.mark.parametrize("count", [2, 3, 5])
def test_more_terms_are_projected_one_after_the_other(count):
    grads = [[random(6, seed=3 * i), random(2, 2, seed=3 * i + 1)] for i in range(count)]
    expected = projected(grads)
    torch.testing.assert_close(left_over(grads), expected)
    torch.testing.assert_close(flat(harmonized(grads)), expected.sum(0), atol=1e-5, rtol=1e-5)


def test_the_share_counts_each_pair_once():
    x, y = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    assert conflict_share([[x], [y], [-x]]) == pytest.approx(1 / 3)
    assert conflict_share([[x]]) == 0.0


def test_parameters_that_a_term_does_not_reach_keep_the_other_terms_gradients():
    x, only = torch.tensor([1.0, 0.0]), torch.tensor([3.0])
    found = harmonized([[x, only, None], [x, None, None]])
    assert torch.equal(found[0], 2 * x)
    assert torch.equal(found[1], only)
    assert found[2] is None


def test_a_term_without_gradient_changes_nothing_and_stays_finite():
    x = torch.tensor([1.0, -2.0])
    assert torch.equal(harmonized([[x], [torch.zeros(2)], [None]])[0], x)


def test_opposite_terms_cancel():
    x = torch.tensor([1.0, -2.0])
    assert harmonized([[x], [-2 * x]])[0].tolist() == pytest.approx([0.0, 0.0], abs=1e-6)
