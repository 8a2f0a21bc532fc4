"""The transformer over modalities: what only it does."""

import torch

from pipelines.fusion import build_fusions
from workbench.fuse_config import FuseConfig

OF = ("a", "b")


def made(seed=0):
    return build_fusions({"p": FuseConfig(of=OF, how="stochastic", heads=2)}, 8, seed=seed)["p"]


def test_first_weights_come_from_the_seed_and_not_from_what_was_drawn_before():
    torch.manual_seed(1)
    one = made().state_dict()
    torch.rand(7)
    two, other = made().state_dict(), made(seed=1).state_dict()
    assert all(torch.equal(one[k], two[k]) for k in one)
    assert not torch.equal(one["kinds"], other["kinds"])


def test_training_leaves_half_the_modalities_out_and_learns_every_parameter():
    fusion = made().train()
    assert fusion.drop == 0.5
    source = torch.Generator().manual_seed(0)
    present = {n: torch.ones(32, dtype=torch.bool) for n in OF}
    emb = {n: torch.randn(32, 8, generator=source) for n in OF}
    wanted = torch.nn.functional.normalize(emb["a"] - emb["b"], dim=1)
    optimizer = torch.optim.Adam(fusion.parameters(), lr=0.01)
    before = {k: v.detach().clone() for k, v in fusion.named_parameters()}
    losses = []
    for _ in range(60):
        draws = torch.rand(32, 2, generator=source)
        loss = 1 - (fusion(emb, present, draws)[0] * wanted).sum(1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] - 0.2
    assert all(not torch.equal(v, before[k]) for k, v in fusion.named_parameters())


def test_it_tells_modalities_apart():
    fusion = made().eval()
    with torch.no_grad():
        fusion.out.weight.add_(torch.randn(8, 8, generator=torch.Generator().manual_seed(0)))
    source = torch.Generator().manual_seed(0)
    one, two = torch.randn(2, 4, 8, generator=source)
    present = {n: torch.ones(4, dtype=torch.bool) for n in OF}
    straight, _ = fusion({"a": one, "b": two}, present)
    swapped, _ = fusion({"a": two, "b": one}, present)
    assert float((straight - swapped).detach().abs().max()) > 1e-3
