"""Views of a batch: drawn by key, so it does not matter which process draws them."""

import pytest
import torch

from pipelines.objectives.entry import Need
from pipelines.views import CONTRARY, draw_views, plain_views

NEEDS: frozenset[Need] = frozenset({"views", "recon", "contrary"})


@pytest.fixture
def pairing(built):
    return built()[0].pairing


def drawn(pairing, share=None, *, needs=NEEDS, epoch=0):
    rows = pairing.usable("train")[:10]
    return draw_views(
        pairing, rows, share or slice(0, 10), epoch=epoch, needs=needs, mask_ratio=0.5
    )


def data(view):
    return view.batch.values


def test_what_is_not_needed_is_not_drawn(pairing):
    views = drawn(pairing, needs=frozenset())
    assert set(views.first) == {"ecg", "report"}
    assert not views.second
    assert not views.masked
    assert not views.contrary


def test_shares_together_are_the_whole(pairing):
    whole = drawn(pairing)
    shares = [drawn(pairing, share) for share in (slice(0, 3), slice(3, 10))]
    for key in whole.first:
        for part in ("first", "second"):
            pieces = [getattr(s, part)[key] for s in shares if key in getattr(s, part)]
            found = torch.cat([data(p) for p in pieces])
            torch.testing.assert_close(found, data(getattr(whole, part)[key]))
        hidden = torch.cat([s.masked[key].hidden for s in shares])
        torch.testing.assert_close(hidden, whole.masked[key].hidden)


def test_views_change_with_the_epoch_and_between_first_and_second(pairing):
    one, other = (
        drawn(pairing, needs=frozenset({"views"})),
        drawn(pairing, needs=frozenset({"views"}), epoch=1),
    )
    assert not torch.equal(data(one.first["ecg"]), data(other.first["ecg"]))
    assert not torch.equal(data(one.first["ecg"]), data(one.second["ecg"]))


def test_plain_views_are_the_samples_themselves(pairing):
    rows = pairing.usable("train")[:4]
    shelf = pairing.shelves["ecg"]
    torch.testing.assert_close(data(plain_views(pairing, rows)["ecg"]), shelf.batch(rows).values)


def test_only_a_modality_that_contradicts_has_opposites(pairing):
    rows = pairing.usable("train")
    contrary = draw_views(
        pairing, rows, slice(0, len(rows)), epoch=0, needs=NEEDS, mask_ratio=0.5
    ).contrary
    assert set(contrary) == {"report"}
    found = contrary["report"]
    assert found.batch is not None
    assert len(found.at) == len(found.number) == len(found.batch.values)
    assert int(found.number.max()) < CONTRARY
