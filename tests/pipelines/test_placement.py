"""Placement: the device and the precision of a run, and the one function that moves things."""

import math
import re
from pathlib import Path

import pytest
import torch
from torch import nn

from pipelines import placement as placing
from pipelines.align import Alignment
from pipelines.fit import FitFolder, fit
from pipelines.placement import device_of, placement, precision, sent
from workbench.errors import Refusal
from workbench.modality import Batch

META = torch.device("meta")


def test_a_gpu_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(Refusal, match=r"E-CFG-013 pipeline: device has cuda, .*torch sees no GPU"):
        placement("cuda")


def test_the_processor_is_taken_where_it_was_asked_for_or_nothing_else_is_found(monkeypatch):
    assert placement("cpu").device.type == "cpu"
    if not torch.cuda.is_available():
        assert placement("auto") == placing.Placement(torch.device("cpu"), "no GPU found")


@pytest.mark.parametrize("native", [False, True])
def test_bfloat16_is_the_default_only_where_it_is_native(monkeypatch, native):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: native)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: native)
    for device in ("cpu", "cuda:1"):
        assert precision("auto", device).name == ("bf16" if native else "fp32")
        assert precision("bf16", device).name == "bf16"
        assert precision("fp32", device).name == "fp32"


def test_the_log_says_what_was_chosen_and_why(monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    said = placement("cpu").describe({"pretrain ecg": "auto", "align": "bf16"})
    assert said.startswith("on cpu (device: cpu); pretrain ecg in fp32 (this processor only ")
    assert said.endswith("align in bf16 (asked for; this processor only emulates bfloat16)")


def test_everything_inside_is_moved_and_a_module_stays_the_same_object():
    layer = nn.Linear(2, 3)
    weight = layer.weight
    batch = Batch(torch.ones(2, 4), torch.ones(2, 4, dtype=torch.bool))
    facts = sent((torch.ones(2), {"a": batch, "b": None}, [layer]), META)
    assert facts[0].device == facts[1]["a"].values.device == facts[1]["a"].valid.device == META
    assert facts[1]["b"] is None
    assert facts[2][0] is layer
    assert device_of(layer) == META
    assert sent(weight, torch.device("cpu")) is weight
    assert device_of(nn.Identity()).type == "cpu"


def test_nothing_else_in_the_room_knows_how_to_reach_a_device():
    room = Path(placing.__file__).parent
    for path in room.rglob("*.py"):
        found = re.findall(r"\.cuda\(|send_to_device|\.to\(\s*[\"'](?:cuda|cpu)", path.read_text())
        assert path.name == "placement.py" or not found, path


def losses(built, precision, path):
    rows = []
    folder = FitFolder(path, {}, rows.append, lambda step: None)
    crew, objective, config, demand = built(f"align.precision={precision}")
    fit(Alignment(crew, objective, config, demand), config, folder)
    return [row["loss"] for row in rows if "loss" in row]


def test_bfloat16_trains_as_float32_does_to_its_own_rounding(built, tmp_path):
    exact = losses(built, "fp32", tmp_path / "fp32")
    rounded = losses(built, "bf16", tmp_path / "bf16")
    assert len(exact) == len(rounded) > 2
    assert all(math.isfinite(loss) for loss in rounded)
    assert rounded != exact
    assert rounded == pytest.approx(exact, rel=0.03)
