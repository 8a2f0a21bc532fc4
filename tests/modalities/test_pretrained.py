"""Published weights are loaded strictly, and nothing they bring along is run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from modalities.pretrained import load_strict, load_transformer, locate, read_tensors
from workbench.errors import Refusal
from workbench.modality import Weights

COMMIT = "0" * 40


def _bert(folder: Path) -> Path:
    from transformers import BertConfig, BertModel

    config = BertConfig(vocab_size=32, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
                        intermediate_size=16)  # fmt: skip
    BertModel(config).save_pretrained(folder)
    return folder


def _refused(weights: Weights) -> Refusal:
    with pytest.raises(Refusal) as caught:
        locate(weights)
    return caught.value


@pytest.mark.parametrize("name", ["w.pt", "w.bin", "w.pkl", "w.pth"])
def test_pickled_weights_are_refused_as_file_and_in_a_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\x80\x04")
    assert _refused(Weights(str(tmp_path / name))).code == "E-CKP-001"
    assert _refused(Weights(str(tmp_path))).code == "E-CKP-001"


@pytest.mark.parametrize("revision", [None, "main", "v1.0", "abc123", "A" * 40])
def test_a_hub_id_needs_a_commit(revision: str | None) -> None:
    assert _refused(Weights("org/name", revision)).code == "E-CKP-101"


def test_a_commit_that_is_not_at_hand_is_refused_offline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert _refused(Weights("no-such-org/no-such-model", COMMIT)).code == "E-CKP-100"


def test_a_place_that_is_neither_path_nor_hub_id_is_refused() -> None:
    assert _refused(Weights("/no/such/folder")).code == "E-CKP-100"


def test_a_configuration_that_asks_for_code_is_refused(tmp_path: Path) -> None:
    _bert(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "auto_map": {"AutoModel": "x.Y"}}))
    assert _refused(Weights(str(tmp_path))).code == "E-CKP-009"


def test_cut_and_not_finite_weights_are_refused(tmp_path: Path) -> None:
    whole = tmp_path / "a.safetensors"
    save_file({"w": torch.ones(4)}, str(whole))
    cut = tmp_path / "b.safetensors"
    cut.write_bytes(whole.read_bytes()[:-3])
    odd = tmp_path / "c.safetensors"
    save_file({"w": torch.tensor([1.0, float("nan")])}, str(odd))
    assert torch.equal(read_tensors(whole, name="a")["w"], torch.ones(4))
    with pytest.raises(Refusal, match="E-CKP-003"):
        read_tensors(cut, name="b")
    with pytest.raises(Refusal, match="E-CKP-014 c: w"):
        read_tensors(odd, name="c")


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    save_file({"a": torch.ones(1)}, str(tmp_path / "1.safetensors"))
    index = {"weight_map": {"a": "1.safetensors", "b": "2.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(Refusal, match=r"E-CKP-012 .*2.safetensors missing"):
        read_tensors(tmp_path, name="m")


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        ({"weight": torch.ones(2, 2)}, "1 missing (bias)"),
        ({"weight": torch.ones(2, 2), "bias": torch.ones(2), "more": torch.ones(1)},
         "1 unexpected (more)"),
        ({"weight": torch.ones(3, 2), "bias": torch.ones(2)}, "1 reshaped (weight (3, 2) for (2, 2))"),
    ],
)  # fmt: skip
def test_every_key_that_does_not_fit_is_listed(
    tensors: dict[str, torch.Tensor], words: str
) -> None:
    module = nn.Linear(2, 2)
    before = module.weight.detach().clone()
    with pytest.raises(Refusal) as caught:
        load_strict(module, tensors, name="w")
    assert caught.value.code == "E-CKP-008"
    assert words in caught.value.found
    assert torch.equal(module.weight, before)


def test_renamed_dropped_and_optional_keys_load() -> None:
    module = nn.Linear(2, 2)
    load_strict(
        module, {"net.weight": torch.full((2, 2), 3.0), "decoder.x": torch.ones(1)}, name="w",
        rename=lambda key: None if key.startswith("decoder") else key.removeprefix("net."),
        optional=("bias",),
    )  # fmt: skip
    assert torch.equal(module.weight, torch.full((2, 2), 3.0))


def test_a_transformer_loads_as_it_was_saved_and_a_foreign_key_is_refused(tmp_path: Path) -> None:
    _bert(tmp_path)
    tensors = read_tensors(tmp_path, name="m")
    model = load_transformer(Weights(str(tmp_path)))
    key = "encoder.layer.0.attention.self.query.weight"
    assert torch.equal(model.state_dict()[key], tensors[key])
    assert not model.training
    kept = {k: v for k, v in tensors.items() if k != key}
    save_file(kept, str(tmp_path / "model.safetensors"), metadata={"format": "pt"})
    with pytest.raises(Refusal, match=r"E-CKP-008 .*1 missing \(encoder.layer.0.attention"):
        load_transformer(Weights(str(tmp_path)))
    wrong = {**tensors, "extra.weight": torch.ones(1), key: torch.ones(4, 4)}
    save_file(wrong, str(tmp_path / "model.safetensors"), metadata={"format": "pt"})
    with pytest.raises(Refusal, match=r"1 unexpected \(extra.weight\); 1 reshaped"):
        load_transformer(Weights(str(tmp_path)))
