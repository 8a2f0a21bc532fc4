"""Kept hidden states: equal to the plain run bit by bit, used only where they may be, never stale."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from pipelines.batch import shelf
from pipelines.decode import decode, load_decoded
from pipelines.frozen_linear import faster
from pipelines.plan import make_plan
from pipelines.prefix import PrefixCache, PrefixPlan, plan_prefix
from pipelines.towers import Tower, build_tower
from workbench.encoder import Encoder, Features
from workbench.manifest import Manifest
from workbench.modality import Batch

PIPELINE = """\
name: prefix
manifest: {synthetic: clinic, subjects: 8}
modalities:
  xray:
    options: {size: 32, channels: 1}
    encoder: {name: vit, options: {width: 16, heads: 2, depth: 4, patch: 8}}
    adapt: {lora: {rank: 2, alpha: 4, last: 1, targets: [q_proj, v_proj]}}
    augment: false
  report:
    options: {max_tokens: 48, vocabulary: 512}
    encoder: {name: text_tiny, options: {width: 16, heads: 2, blocks: 3}}
    adapt: {lora: {rank: 2, alpha: 4, last: 1, targets: [Wqkv]}}
    augment: false
align: {edges: all, dim: 4, batch_size: 4}
"""
ROWS = np.arange(6)


@pytest.fixture(scope="module")
def stock(tmp_path_factory):
    """Parts and shelves of the two modalities, six samples each."""
    folder = tmp_path_factory.mktemp("prefix")
    (folder / "prefix.yaml").write_text(PIPELINE)
    parts = make_plan(folder / "prefix.yaml").parts
    names = tuple(f"r{n}" for n in range(len(ROWS)))
    manifest = Manifest("m", names, names, ("train",) * len(ROWS), {}, root=folder)
    found = {}
    for key, part in parts.items():
        findings = [part.modality.findings[i % len(part.modality.findings)].name for i in ROWS]
        rngs = [np.random.default_rng(i) for i in ROWS]
        cells = [
            part.modality.synthesize(f, r, folder) for f, r in zip(findings, rngs, strict=True)
        ]
        if key == "report":  # of very different length
            cells = [" ".join([cell] * (1 + 2 * (i % 2))) for i, cell in enumerate(cells)]
        decode(part, cells, manifest, folder / key)
        found[key] = SimpleNamespace(part=part, shelf=shelf(part, load_decoded(folder / key), 6))
    return found


def adapted(part, **changes):
    return replace(part, config=part.config.model_copy(update=changes))


def epochs(tower, shelf, features, count=3):
    """Train for some epochs and return every loss; the last batch of an epoch is smaller."""
    optimizer = torch.optim.AdamW([p for p in tower.parameters() if p.requires_grad], lr=1e-2)
    losses = []
    tower.train()
    for epoch in range(count):
        order = np.random.default_rng(epoch).permutation(ROWS)
        for rows in (order[:4], order[4:]):
            optimizer.zero_grad()
            torch.manual_seed(epoch)
            loss = tower.head(features(shelf.batch(rows), rows).pooled).square().mean()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses


def both(stock, key, folder, dtype="fp32"):
    """Return the losses of the plain and of the cached run, and the cache."""
    part, shelf = stock[key].part, stock[key].shelf
    plain, tower = build_tower(part, 4, seed=1), build_tower(part, 4, seed=1)
    cache = PrefixCache(plan_prefix(part, tower, shelf), folder, dtype)
    return (
        epochs(plain, shelf, lambda batch, rows: plain.features(batch)),
        epochs(tower, shelf, cache.features),
        cache,
    )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"augment": True}, "training views"),
        ({"adapt": "frozen"}, "frozen"),
        ({"adapt": "full"}, "outside of the blocks"),
    ],
)
def test_the_reason_why_not_is_given_in_words(stock, changes, reason):
    part = adapted(stock["xray"].part, **changes)
    answer = plan_prefix(part, build_tower(part, 4, seed=1), stock["xray"].shelf)
    assert isinstance(answer, str)
    assert reason in answer


def test_adapters_in_the_first_block_leave_nothing_to_keep(stock):
    part = stock["xray"].part
    lora = part.config.adapt.model_copy(
        update={"lora": part.config.adapt.lora.model_copy(update={"last": 4})}
    )
    changed = adapted(part, adapt=lora)
    tower = build_tower(changed, 4, seed=1)
    assert plan_prefix(changed, tower, stock["xray"].shelf) == "the first block trains"


class Line(Encoder):
    """A stack of linear blocks with whatever a test puts before the last."""

    lora_targets = ("line",)

    def __init__(self, *before, beside=False):
        super().__init__()
        self.width, self.beside = 4, beside
        self.layers = nn.ModuleList([*before, nn.Linear(4, 4)])
        self.requires_grad_(False)
        self.layers[-1].requires_grad_(True)

    def forward(self, batch):
        x = batch.values.flatten(1)[:, :4]
        for layer in self.layers[:-1]:
            x = layer(x)
        out = self.layers[-1](x)
        return Features(out + x if self.beside else out)

    def blocks(self):
        return list(self.layers)


class Noisy(nn.Linear):
    """Adds chance that no module of dropout gives away."""

    def forward(self, x):
        return super().forward(x) + (torch.rand_like(x) if self.training else 0.0)


@pytest.mark.parametrize(
    ("before", "reason"),
    [
        (nn.Dropout(0.1), "drops out at random"),
        (nn.BatchNorm1d(4), "normalises over the batch"),
        (Noisy(4, 4), "different every time"),
    ],
)
def test_chance_and_company_before_the_cut_are_refused(stock, before, reason):
    tower = Tower(Line(nn.Linear(4, 4), before), 4, 4)
    answer = plan_prefix(stock["xray"].part, tower, stock["xray"].shelf)
    assert isinstance(answer, str)
    assert reason in answer


def test_a_dropout_that_never_drops_is_no_chance(stock):
    tower = Tower(Line(nn.Linear(4, 4), nn.Dropout(0.0)), 4, 4)
    assert isinstance(plan_prefix(stock["xray"].part, tower, stock["xray"].shelf), PrefixPlan)


class Forked(Line):
    """Uses what the first block returned a second time, changed."""

    def forward(self, batch):
        x = self.layers[0](batch.values.flatten(1)[:, :4])
        return Features(self.layers[2](self.layers[1](x)) + 2 * x)


def test_an_encoder_that_uses_a_first_block_elsewhere_fails_the_trial(stock):
    tower = Tower(Forked(nn.Linear(4, 4), nn.Linear(4, 4)), 4, 4)
    answer = plan_prefix(stock["xray"].part, tower, stock["xray"].shelf)
    assert "not equal bit by bit" in answer


def test_planning_leaves_modes_buffers_and_chance_as_they_were(stock):
    tower = build_tower(stock["xray"].part, 4, seed=1).eval()
    before = {k: v.clone() for k, v in tower.state_dict().items()}
    torch.manual_seed(5)
    state = torch.get_rng_state()
    plan_prefix(stock["xray"].part, tower, stock["xray"].shelf)
    assert torch.equal(torch.get_rng_state(), state)
    assert not any(m.training for m in tower.modules())
    assert all(torch.equal(before[k], v) for k, v in tower.state_dict().items())


def test_the_embedding_is_skipped_with_the_blocks(stock):
    tower = build_tower(stock["xray"].part, 4, seed=1)
    plan = plan_prefix(stock["xray"].part, tower, stock["xray"].shelf)
    assert (plan.frozen, plan.blocks, len(plan.cut.skipped)) == (3, 4, 4)
    assert not plan.ragged
    assert "blocks 1 to 3 of 4" in plan.describe()


def test_losses_of_every_epoch_equal_the_plain_run_bit_by_bit(stock, tmp_path):
    plain, cached, cache = both(stock, "xray", tmp_path)
    assert cached == plain
    assert (cache.computed, cache.read) == (6, 12)


def test_tokens_of_other_padding_agree_to_rounding(stock, tmp_path):
    plain, cached, cache = both(stock, "report", tmp_path)
    assert cache.plan.ragged
    assert (cache.computed, cache.read) == (6, 12)
    np.testing.assert_allclose(cached, plain, rtol=1e-5)


@pytest.mark.parametrize(("dtype", "tolerance"), [("fp16", 2e-3), ("bf16", 2e-2)])
def test_rounded_storage_stays_within_its_tolerance(stock, tmp_path, dtype, tolerance):
    part, shelf = stock["xray"].part, stock["xray"].shelf
    tower = build_tower(part, 4, seed=1)
    cache = PrefixCache(plan_prefix(part, tower, shelf), tmp_path, dtype)
    batch = shelf.batch(ROWS)
    with torch.no_grad():
        plain = tower.features(batch).pooled
        first, again = (cache.features(batch, ROWS).pooled for _ in range(2))
    assert torch.equal(first, again)
    error = (first - plain).norm() / plain.norm()
    assert 0 < error < tolerance


def test_gradients_reach_what_trains_and_nothing_else(stock, tmp_path):
    part, shelf = stock["xray"].part, stock["xray"].shelf
    tower = build_tower(part, 4, seed=1)
    cache = PrefixCache(plan_prefix(part, tower, shelf), tmp_path)
    batch = shelf.batch(ROWS)
    found = []
    for run in (lambda: tower.features(batch), lambda: cache.features(batch, ROWS)) * 2:
        tower.zero_grad()
        run().pooled.sum().backward()
        found.append({n: p.grad.clone() for n, p in tower.named_parameters() if p.grad is not None})
    assert all(torch.equal(found[0][n], g) for one in found[1:] for n, g in one.items())
    assert all("layers.3." in name for name in found[3])
    assert cache.read == 6


def test_other_values_at_a_known_place_are_computed_anew(stock, tmp_path):
    part, shelf = stock["xray"].part, stock["xray"].shelf
    tower = build_tower(part, 4, seed=1).eval()
    cache = PrefixCache(plan_prefix(part, tower, shelf), tmp_path)
    batch = shelf.batch(ROWS)
    hidden = Batch(batch.values * 0.5, batch.valid)
    with torch.no_grad():
        kept = cache.features(batch, ROWS).pooled
        assert torch.equal(cache.features(hidden, ROWS).pooled, tower.features(hidden).pooled)
        assert torch.equal(cache.features(batch, ROWS).pooled, kept)
    assert (cache.computed, cache.read) == (12, 6)


def test_other_base_weights_find_nothing_of_the_old(stock, tmp_path):
    part, shelf = stock["xray"].part, stock["xray"].shelf
    batch = shelf.batch(ROWS)
    for seed, computed in ((1, 6), (1, 0), (2, 6)):
        tower = build_tower(part, 4, seed=seed).eval()
        cache = PrefixCache(plan_prefix(part, tower, shelf), tmp_path)
        with torch.no_grad():
            assert torch.equal(cache.features(batch, ROWS).pooled, tower.features(batch).pooled)
        assert cache.computed == computed


def test_autocast_keeps_rows_of_its_own(stock, tmp_path):
    part, shelf = stock["xray"].part, stock["xray"].shelf
    tower = build_tower(part, 4, seed=1).eval()
    cache = PrefixCache(plan_prefix(part, tower, shelf), tmp_path)
    batch = shelf.batch(ROWS)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        plain = tower.features(batch).pooled
        assert all(torch.equal(cache.features(batch, ROWS).pooled, plain) for _ in range(2))
    with torch.no_grad():
        assert torch.equal(cache.features(batch, ROWS).pooled, tower.features(batch).pooled)
    assert (cache.computed, cache.read) == (12, 6)


def test_kept_blocks_and_faster_layers_work_together(stock, tmp_path):
    part, shelf = stock["xray"].part, stock["xray"].shelf
    tower = build_tower(part, 4, seed=1)
    cache = PrefixCache(plan_prefix(part, tower, shelf), tmp_path)
    batch = shelf.batch(ROWS)
    with faster(tower.encoder, precision="fp32", engine="onednn"), torch.no_grad():
        found = [cache.features(batch, ROWS).pooled for _ in range(2)]
        plain = tower.features(batch).pooled
    assert cache.read == 6
    assert torch.equal(found[0], found[1])
    torch.testing.assert_close(found[1], plain, atol=1e-5, rtol=1e-5)
