"""The training loop: resumes bit for bit, stops on what is not finite, keeps the best."""

import os
import signal

import pytest
import torch
from torch import nn

from pipelines.fit import FitFolder, fit
from workbench.config import FitConfig
from workbench.errors import Failure, Refusal, Stopped


class Line:
    """Fits y = 2x; `at` lets a test do something at a step."""

    def __init__(self, at=None, values=None):
        self.weight = nn.Parameter(torch.zeros(3, 3))
        self.at, self.values, self.steps = at or {}, values, []

    def parameters(self):
        return {"w": self.weight}

    def buffers(self):
        return {}

    def batches(self, epoch):
        return list(range(5))

    def prepare(self, batch, epoch):
        return (batch, epoch)

    def learn(self, batch, views, step):
        assert views == (batch, step // 5)
        self.steps.append(step)
        x = torch.randn(8, 3, generator=torch.Generator().manual_seed(step))
        loss = (x @ self.weight - 2 * x).square().mean()
        if step in self.at:
            found = self.at[step]()
            if found is not None:
                loss = loss * found
        loss.backward()
        return {"loss": float(loss.detach())}

    def after_step(self):
        return None

    def validate(self):
        return None if self.values is None else self.values.pop(0)

    def describe(self, batch):
        return f"row-{batch}"


CONFIG = FitConfig(epochs=4, learning_rate=0.1, precision="fp32")


def folder(path, rows=None, key="a"):
    rows = [] if rows is None else rows
    return FitFolder(path, {"configuration": key}, rows.append, lambda step: None)


def die():
    raise KeyboardInterrupt


@pytest.mark.parametrize("step", [1, 5, 7, 13, 19])
def test_a_killed_fit_resumes_to_the_same_bits(tmp_path, step):
    whole, killed = Line(), Line(at={step: die})
    fit(whole, CONFIG, folder(tmp_path / "a"))
    with pytest.raises(KeyboardInterrupt):
        fit(killed, CONFIG, folder(tmp_path / "b"))
    resumed = Line()
    fit(resumed, CONFIG, folder(tmp_path / "b"))
    assert torch.equal(resumed.weight, whole.weight)
    assert resumed.steps[0] == step // 5 * 5


def test_a_signal_saves_a_checkpoint_and_stops(tmp_path):
    stopped = Line(at={7: lambda: os.kill(os.getpid(), signal.SIGTERM)})
    with pytest.raises(Stopped) as caught:
        fit(stopped, CONFIG, folder(tmp_path))
    assert caught.value.exit_code == 143
    resumed, whole = Line(), Line()
    fit(resumed, CONFIG, folder(tmp_path))
    fit(whole, CONFIG, folder(tmp_path / "whole"))
    assert resumed.steps[0] == 8
    assert torch.equal(resumed.weight, whole.weight)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_stops_with_the_rows_and_saves_nothing(tmp_path, bad):
    with pytest.raises(Failure, match="row-3"):
        fit(Line(at={3: lambda: bad}), CONFIG, folder(tmp_path))
    assert not (tmp_path / "LATEST").exists()


def test_a_checkpoint_of_another_configuration_is_refused(tmp_path):
    fit(Line(), CONFIG, folder(tmp_path))
    with pytest.raises(Refusal, match="configuration"):
        fit(Line(), CONFIG, folder(tmp_path, key="b"))


def test_a_flipped_bit_in_a_checkpoint_is_refused(tmp_path):
    fit(Line(), CONFIG, folder(tmp_path))
    path = tmp_path / (tmp_path / "LATEST").read_text() / "state.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(Refusal, match="E-CKP-005"):
        fit(Line(), CONFIG, folder(tmp_path))


def test_the_best_validation_wins_and_patience_stops(tmp_path):
    rows, seen = [], []
    lesson = Line(values=[0.1, 0.9, 0.2, 0.3, 0.4])
    validate = lesson.validate

    def remember():
        seen.append(lesson.weight.detach().clone())
        return validate()

    lesson.validate = remember
    long = CONFIG.model_copy(update={"epochs": 9})
    fit(lesson, long, folder(tmp_path, rows), patience=2)
    assert [r["validation"] for r in rows if "validation" in r] == [0.1, 0.9, 0.2, 0.3]
    assert torch.equal(lesson.weight, seen[1])
    assert not torch.equal(lesson.weight, seen[3])


def test_only_two_checkpoints_are_kept_and_no_temporary_one(tmp_path):
    fit(Line(), CONFIG, folder(tmp_path))
    names = sorted(p.name for p in tmp_path.iterdir())
    assert names == ["LATEST", "step-00000015", "step-00000020"]


def test_the_rate_warms_up_and_falls(tmp_path):
    rows = []
    fit(Line(), CONFIG.model_copy(update={"warmup": 0.25}), folder(tmp_path, rows))
    rates = [r["learning_rate"] for r in rows]
    assert rates[:5] == sorted(rates[:5])
    assert rates[4] == pytest.approx(0.1)
    assert rates[5:] == sorted(rates[5:], reverse=True)


def test_a_validation_that_is_not_finite_is_never_kept_as_best(tmp_path):
    with pytest.raises(Failure, match="validation after epoch 0 is nan"):
        fit(Line(values=[float("nan")] * 4), CONFIG, folder(tmp_path))
    assert not (tmp_path / "LATEST").exists()
