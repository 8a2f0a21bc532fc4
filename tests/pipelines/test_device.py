"""Training on another device: a pretended one, which refuses tensors that were left on the CPU.

Its tensors say that they are on `meta`, yet hold their values; an operation that is given some of
theirs and some of the CPU's fails, as on a GPU.
"""

import contextlib

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from pipelines.align import Alignment
from pipelines.embed import embed_shelf
from pipelines.fit import FitFolder, fit
from pipelines.frozen import fit_heads
from pipelines.placement import Placement, device_of, sent
from pipelines.pretrain import MaskedModelling
from pipelines.towers import build_encoder
from workbench import registry
from workbench.config import PretrainConfig

THERE = torch.device("meta")


class Far(Tensor):
    """A tensor of the pretended device."""

    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, held):
        return Tensor._make_wrapper_subclass(
            cls, held.shape, strides=held.stride(), storage_offset=held.storage_offset(),
            dtype=held.dtype, device=THERE,
        )  # fmt: skip

    def __init__(self, held):
        self.held = held

    def tolist(self):
        return self.held.tolist()

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return computed(func, args, dict(kwargs or {}))


def computed(func, args, kwargs):
    """Compute with the values, and put the result where the operation or its inputs are."""
    given = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
    far = [x for x in given if isinstance(x, Far)]
    asked, name = kwargs.get("device"), func._schema.name
    if far and name not in ("aten::_to_copy", "aten::copy_") and not name.startswith("aten::index"):
        left = [tuple(x.shape) for x in given if x.ndim and not isinstance(x, Far)]
        if left:
            raise RuntimeError(f"{name}: tensors {left} are on the CPU, others are not")
    there = bool(far) if asked is None else torch.device(asked) == THERE
    if name == "aten::copy_":
        there = isinstance(args[0], Far)
    if asked is not None:
        kwargs["device"] = torch.device("cpu")
    found = func(*_held(args), **_held(kwargs))
    if name.endswith("_"):
        return args[0]
    return tree_map_only(Tensor, Far, found) if there else found


def _held(values):
    return tree_map_only(Far, lambda x: x.held, values)


class Pretence(TorchDispatchMode):
    """Lets tensors be made on the pretended device and moved to it."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return computed(func, args, dict(kwargs or {}))


@pytest.fixture
def there(monkeypatch):
    """Place what is built on the pretended device."""
    make = torch.tensor

    def tensor(data, *, device=None, **options):
        found = make(data, **options)
        return found if device is None else found.to(device)

    monkeypatch.setattr(torch, "tensor", tensor)  # its own way to another device makes no values
    monkeypatch.setattr(torch, "autocast", lambda *a, **k: contextlib.nullcontext())
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda *a: False)
    monkeypatch.setattr(torch, "inference_mode", torch.no_grad)  # it skips what takes `to` apart
    monkeypatch.setattr("pipelines.training.placement", lambda asked: Placement(THERE, "pretended"))
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    with Pretence():
        yield THERE
    torch.__future__.set_overwrite_module_params_on_conversion(False)


def test_a_tensor_left_on_the_cpu_is_refused(there):
    far = sent(torch.ones(2), there)
    assert float((far + far).sum()) == 4.0
    with pytest.raises(RuntimeError, match=r"aten::add: tensors \[\(2,\)\] are on the CPU"):
        _ = far + torch.ones(2)


@pytest.mark.parametrize("name", sorted(registry.installed("objectives")))
def test_every_objective_learns_where_its_towers_are(there, built, name):
    own = ["align.objective.parts=[{name: contrastive}, {name: hcl}]"] if name == "sum" else []
    crew, objective, config, demand = built(f"align.objective.name={name}", *own)
    assert crew.device == there
    lesson = Alignment(crew, objective, config, demand)
    for step in range(2):
        batch = lesson.batches(0)[step]
        logs = lesson.learn(batch, lesson.prepare(batch, 0), step)
        lesson.after_step()
    assert 0 < abs(logs["loss"]) < 100
    grads = [p.grad for p in lesson.parameters().values() if p.grad is not None]
    assert grads
    assert all(grad.device == there for grad in grads)
    lesson.validate()


@pytest.mark.parametrize("changes", [
    [],
    ["align.micro_batch=3"],
    ["align.fuse={both: {of: [ecg, report], how: gated, drop: 0.5}}", "align.edges=[[ecg, report]]"],
    ["align.objective.score=late"],
])  # fmt: skip
def test_a_fit_resumes_there_with_its_moments(there, built, tmp_path, changes):
    ends = []
    for stop in (2, None):
        crew, objective, config, demand = built(*changes)
        config = config.model_copy(update={"checkpoint_every": 2})
        rows = []

        def log(row, stop=stop, rows=rows):
            rows.append(row)
            if row["step"] == stop:
                raise InterruptedError

        with contextlib.suppress(InterruptedError):
            lesson = Alignment(crew, objective, config, demand)
            fit(lesson, config, FitFolder(tmp_path, {}, log, lambda step: None))
        ends.append([row["step"] for row in rows if "loss" in row])
    assert ends[0] == [0, 1, 2]
    assert ends[1][0] == 2
    vectors = embed_shelf(crew.towers["ecg"], crew.pairing.shelves["ecg"], crew.pairing.manifest)
    assert abs((vectors.values**2).sum(axis=1) - 1).max() < 1e-5


def test_projections_train_there_on_features_computed_once(there, built, tmp_path):
    crew, objective, config, demand = built()
    rows = []
    folder = FitFolder(tmp_path, {}, rows.append, lambda step: None)
    fit_heads(crew, objective, config, demand, folder)
    assert rows[-1]["step"] > 0


@pytest.mark.parametrize("key", ["ecg", "report"])
def test_masked_pretraining_learns_there(there, built, key):
    crew, *_ = built()
    shelf = crew.pairing.shelves[key]
    encoder = sent(build_encoder(shelf.part, seed=1), there)
    config = PretrainConfig(batch_size=8, precision="fp32")
    lesson = MaskedModelling(encoder, shelf, crew.pairing.manifest, config, 1)
    batch = lesson.batches(0)[0]
    assert lesson.learn(batch, lesson.prepare(batch, 0), 0)["loss"] > 0
    assert device_of(lesson.head) == there
    assert all(p.grad.device == there for p in lesson.parameters().values() if p.grad is not None)
