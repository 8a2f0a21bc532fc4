"""Loads published weights without running anything they bring along: safetensors, pinned, strict.

Nothing here unpickles, executes code from a checkpoint, or fills a gap silently: a key that is
missing, left over or of another shape is named in a `Refusal`.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import Refusal
from workbench.modality import Weights

if TYPE_CHECKING:
    from torch import Tensor, nn

_COMMIT = re.compile(r"^[0-9a-f]{40}$")
_HUB_ID = re.compile(r"^[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*$")
_UNSAFE = (".pt", ".pth", ".bin", ".pkl", ".joblib", ".ckpt", ".msgpack", ".h5")
_CONFIG_LIMIT = 8 << 20
_NAMED = 6
HUB_FILES = ("*.json", "*.txt", "*.model", "*.safetensors")
# heads of published checkpoints that no tower uses
UNUSED = ("pooler.", "cls.", "lm_head.", "classifier.", "qa_outputs.", "mlm.", "predictions.")
# a buffer that older releases of transformers saved beside the weights
_BUFFERS = ("embeddings.position_ids",)


def locate(weights: Weights) -> Path:
    """Return the local file or folder that holds the weights, fetched from a hub where it must be.

    Raises:
        Refusal: no such place, a branch or tag instead of a commit, code in the configuration, or
            no safetensors.
    """
    local = Path(weights.source).expanduser()
    if local.exists():
        place = local
    elif _HUB_ID.match(weights.source) and not weights.source.startswith("."):
        place = _snapshot(weights)
    else:
        raise Refusal(
            "E-CKP-100", file=weights.source, field="weights", found="no such file or folder",
            expected="scratch, a local path, or a hub id org/name with a revision",
        )  # fmt: skip
    _refuse_code(place, weights.source)
    _refuse_unsafe(place, weights.source)
    return place


def read_tensors(place: Path, *, name: str) -> dict[str, Tensor]:
    """Read every tensor of a safetensors file, or of a folder's (sharded) model.safetensors.

    Args:
        place: file or folder, as `locate` returned it.
        name: how messages call it.

    Raises:
        Refusal: a shard is missing, a file is damaged, or a value is not finite.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    tensors: dict[str, Tensor] = {}
    for shard in _shards(place, name):
        try:
            tensors.update(load_file(str(shard)))
        except SafetensorError as cause:
            raise Refusal(
                "E-CKP-003", file=f"{name}/{shard.name}", field="safetensors", found=str(cause),
                expected="a complete safetensors file", fix="Fetch the file again.",
            ) from None  # fmt: skip
    refuse_not_finite(tensors, name=name)
    return tensors


def load_strict(
    module: nn.Module,
    tensors: Mapping[str, Tensor],
    *,
    name: str,
    rename: Callable[[str], str | None] | None = None,
    optional: Iterable[str] = (),
) -> None:
    """Load tensors into a module, every key accounted for.

    Args:
        module: module to fill, in place.
        tensors: published tensors by published key.
        name: how messages call the checkpoint.
        rename: published key -> key of the module; None drops a key on purpose (a decoder, a head).
        optional: prefixes of module keys that may keep their initial values.

    Raises:
        Refusal: missing, unexpected or reshaped keys, listed.
    """
    given: dict[str, Tensor] = {}
    for key, tensor in tensors.items():
        target = rename(key) if rename else key
        if target is not None:
            given[target] = tensor
    wanted = module.state_dict()
    allowed = tuple(optional)
    reshaped = [
        f"{key} {tuple(given[key].shape)} for {tuple(wanted[key].shape)}"
        for key in sorted(given.keys() & wanted.keys())
        if given[key].shape != wanted[key].shape
    ]
    missing = [key for key in sorted(wanted.keys() - given.keys()) if not key.startswith(allowed)]
    refuse_keys(name, missing=missing, unexpected=sorted(given.keys() - wanted.keys()),
                reshaped=reshaped)  # fmt: skip
    module.load_state_dict(given, strict=False)


def load_transformer(weights: Weights, *, unused: Iterable[str] = UNUSED) -> Any:
    """Return the `transformers` encoder of a local folder or hub id, in evaluation mode.

    Args:
        weights: where the folder is; never "scratch".
        unused: prefixes of keys that the tower does not use: they may be missing or left over.

    Raises:
        Refusal: as `locate`; or keys missing, unexpected or reshaped; or values not finite.
    """
    from safetensors import SafetensorError
    from transformers import AutoConfig, AutoModel

    folder = locate(weights)
    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    try:
        model, report = AutoModel.from_pretrained(
            folder, config=config, use_safetensors=True, local_files_only=True,
            trust_remote_code=False, output_loading_info=True, ignore_mismatched_sizes=True,
        )  # fmt: skip
    except (SafetensorError, OSError) as cause:
        raise Refusal(
            "E-CKP-003", file=weights.source, field="safetensors", found=str(cause),
            expected="complete weights in safetensors", fix="Fetch the folder again.",
        ) from None  # fmt: skip
    skipped = (*unused, *_BUFFERS)
    refuse_keys(
        weights.source,
        missing=[key for key in sorted(report["missing_keys"]) if not key.startswith(skipped)],
        unexpected=[k for k in sorted(report["unexpected_keys"]) if not _under(k, skipped)],
        reshaped=sorted(str(item[0]) for item in report["mismatched_keys"]),
    )
    refuse_not_finite(
        {k: v for k, v in model.state_dict().items() if not k.startswith(skipped)},
        name=weights.source,
    )
    return model.eval()


def refuse_keys(
    name: str, *, missing: list[str], unexpected: list[str], reshaped: list[str]
) -> None:
    """Raise a Refusal that names every kind of key that does not fit."""
    wrong = {"missing": missing, "unexpected": unexpected, "reshaped": reshaped}
    if not any(wrong.values()):
        return
    found = "; ".join(
        f"{len(keys)} {kind} ({', '.join(keys[:_NAMED])}{', ...' if len(keys) > _NAMED else ''})"
        for kind, keys in wrong.items()
        if keys
    )
    raise Refusal(
        "E-CKP-008", file=name, field="tensor names", found=found,
        expected="exactly the encoder's own keys and shapes",
        fix="Choose the encoder these weights were made for.",
    )  # fmt: skip


def refuse_not_finite(tensors: Mapping[str, Tensor], *, name: str) -> None:
    """Raise a Refusal when a floating-point tensor holds NaN or infinity."""
    for key, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise Refusal(
                "E-CKP-014", file=name, field=key, found="NaN or infinity",
                expected="finite weights",
            )  # fmt: skip


def _snapshot(weights: Weights) -> Path:
    """Fetch the pinned commit of a hub repository (from the cache alone when offline)."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    commit = weights.revision or ""
    if not _COMMIT.match(commit):
        now = _commit_now(weights)
        raise Refusal(
            "E-CKP-101", file=weights.source, field="revision", found=repr(weights.revision),
            expected="a commit of 40 hex digits",
            fix=f"Today it is {now}." if now else "Copy the commit from the repository's history.",
        )  # fmt: skip
    try:
        return Path(snapshot_download(
            weights.source, revision=commit, allow_patterns=list(HUB_FILES),
            local_files_only=_offline(),
        ))  # fmt: skip
    except (LocalEntryNotFoundError, HfHubHTTPError) as cause:
        raise Refusal(
            "E-CKP-100", file=weights.source, field="hub snapshot", found=type(cause).__name__,
            expected=f"commit {commit} in the local cache or on the hub",
            fix="Fetch it once while online, or name a local folder.",
        ) from None  # fmt: skip


def _commit_now(weights: Weights) -> str | None:
    """Return the commit that a branch or tag points to, when a hub can be asked."""
    if _offline():
        return None
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    try:
        found = HfApi().model_info(weights.source, revision=weights.revision).sha
    except (HfHubHTTPError, OSError):
        return None
    return str(found) if found else None


def _offline() -> bool:
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}


def _refuse_code(place: Path, name: str) -> None:
    """Refuse a configuration that asks for code of its own."""
    for path in sorted(place.glob("*config*.json")) if place.is_dir() else []:
        if path.stat().st_size > _CONFIG_LIMIT:
            raise Refusal(
                "E-CKP-009", file=f"{name}/{path.name}", field="size",
                found=f"{path.stat().st_size} bytes", expected=f"at most {_CONFIG_LIMIT} bytes",
            )  # fmt: skip
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, RecursionError):
            raise Refusal(
                "E-CKP-009", file=f"{name}/{path.name}", field="content", found="no JSON",
                expected="a JSON configuration",
            ) from None  # fmt: skip
        keys = set(content) if isinstance(content, dict) else set()
        asked = keys & {"auto_map", "trust_remote_code", "custom_pipelines"}
        if asked:
            raise Refusal(
                "E-CKP-009", file=f"{name}/{path.name}", field=sorted(asked)[0],
                found="a request to run code from the checkpoint", expected="no such key",
                fix="Use an architecture that transformers itself provides.",
            )  # fmt: skip


def _refuse_unsafe(place: Path, name: str) -> None:
    """Refuse whatever is not safetensors."""
    files = [place] if place.is_file() else sorted(place.iterdir())
    if any(path.suffix == ".safetensors" for path in files):
        return
    unsafe = [path.name for path in files if path.suffix in _UNSAFE]
    raise Refusal(
        "E-CKP-001", file=name, field="weights",
        found=unsafe[0] if unsafe else "no weights", expected="safetensors",
        fix="Convert it with the converter of huggingface/safetensors.",
    )  # fmt: skip


def _shards(place: Path, name: str) -> list[Path]:
    """Return the files that make up a checkpoint; a folder's index decides where there is one."""
    if place.is_file():
        return [place]
    index = place / "model.safetensors.index.json"
    if not index.exists():
        whole = place / "model.safetensors"
        return [whole] if whole.exists() else sorted(place.glob("*.safetensors"))[:1]
    names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    inside = [place / Path(shard).name for shard in names]
    gone = [path.name for path in inside if not path.exists()]
    if gone:
        raise Refusal(
            "E-CKP-012", file=name, field="shards", found=f"{gone[0]} missing",
            expected=f"{len(names)} files", fix="Fetch the missing file.",
        )  # fmt: skip
    return inside


def _under(key: str, prefixes: tuple[str, ...]) -> bool:
    """Whether a published key lies under one of the prefixes, behind at most one model prefix."""
    return key.startswith(prefixes) or key.partition(".")[2].startswith(prefixes)
