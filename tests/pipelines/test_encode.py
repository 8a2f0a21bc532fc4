"""Encoding a batch: places of rows, parts and wholes."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from pipelines.encode import encode, joined
from pipelines.objectives.objective import Encoded
from pipelines.views import plain_views


@pytest.fixture
def crew(built):
    found = built("align.objective.name=late")[0]
    for tower in found.towers.values():
        tower.eval()
    return found


def test_a_row_without_a_modality_is_zero_and_said_absent(crew):
    pairing = crew.pairing
    rows = pairing.usable("train")[:6]
    place = pairing.shelves["ecg"].place.copy()
    place[rows[1]] = -1
    lacking = {**pairing.shelves, "ecg": replace(pairing.shelves["ecg"], place=place)}
    crew = replace(crew, pairing=replace(pairing, shelves=lacking))
    found = encode(crew, plain_views(crew.pairing, rows), rows, step=0).encoded
    assert found.present["ecg"].tolist() == [True, False, True, True, True, True]
    assert found.present["report"].all()
    assert not found.emb["ecg"][1].any()
    assert not found.token_mask["ecg"][1].any()
    assert found.emb["ecg"][0].any()


@pytest.mark.parametrize("size", [1, 4])
def test_parts_give_the_vectors_of_the_whole(crew, size):
    rows = crew.pairing.usable("train")[:10]
    views = plain_views(crew.pairing, rows)
    whole = encode(crew, views, rows, step=0).encoded
    parts = encode(replace(crew, micro_batch=size), views, rows, step=0)
    assert len(parts.parts) == 2 * int(np.ceil(10 / size))
    for key in whole.emb:
        torch.testing.assert_close(parts.encoded.emb[key], whole.emb[key], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(
            parts.encoded.tokens[key], whole.tokens[key], atol=1e-5, rtol=1e-5
        )


def test_batches_with_fewer_tokens_are_padded_when_joined():
    short = Encoded({"a": torch.ones(1, 2)}, {"a": torch.ones(1, dtype=torch.bool)},
                    {"a": torch.ones(1, 3, 2)}, {"a": torch.ones(1, 3, dtype=torch.bool)})  # fmt: skip
    long = Encoded({"a": torch.ones(2, 2)}, {"a": torch.ones(2, dtype=torch.bool)},
                   {"a": torch.ones(2, 5, 2)}, {"a": torch.ones(2, 5, dtype=torch.bool)})  # fmt: skip
    found = joined([short, long])
    assert found.tokens["a"].shape == (3, 5, 2)
    assert found.token_mask["a"].sum(dim=1).tolist() == [3, 5, 5]
