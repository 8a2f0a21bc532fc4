"""`workbench doctor`: what is installed, what can be decoded, and what is known to break."""

from __future__ import annotations

import os
import platform
from importlib import metadata, util

PACKAGES = (
    "torch", "monai", "transformers", "peft", "accelerate", "safetensors", "pydicom", "python-gdcm",
    "pylibjpeg", "pylibjpeg-openjpeg", "pyjpegls", "wfdb", "pyedflib", "nibabel", "tifffile",
    "biopython", "scikit-learn", "scipy", "numpy", "pandas", "pyarrow", "pydantic",
)  # fmt: skip
EXTRAS = {"eyepy": "oct", "faiss-cpu": "index", "ray": "ray", "tensorboard": "track"}
KNOWN_BAD = {
    "torchvision": "breaks transformers, peft and torchmetrics beside a CPU build of torch "
    "(operator torchvision::nms does not exist); pip uninstall torchvision",
    "eyepie": "the old name of eyepy, holds numpy back at 1.26; pip uninstall eyepie",
}


def diagnosis() -> tuple[str, bool]:
    """Return the findings as text, and whether nothing known to be bad was found."""
    lines = [f"python {platform.python_version()} on {platform.system()} {platform.machine()}"]
    lines.append(f"processors {os.cpu_count()}, OMP_NUM_THREADS "
                 f"{os.environ.get('OMP_NUM_THREADS', 'not set')}, OMP_WAIT_POLICY "
                 f"{os.environ.get('OMP_WAIT_POLICY', 'not set')}")  # fmt: skip
    missing = [name for name in PACKAGES if _version(name) is None]
    lines += [f"{name} {_version(name)}" for name in PACKAGES if name not in missing]
    lines += [f"{name} {_version(name) or f'not installed (extra [{extra}])'}"
              for name, extra in EXTRAS.items()]  # fmt: skip
    lines.append(_accelerator())
    bad = [f"known bad: {name}: {why}" for name, why in KNOWN_BAD.items() if _version(name)]
    bad += [f"missing: {name}; reinstall medbio-workbench" for name in missing]
    lines += bad or ["nothing known to be bad"]
    return "\n".join(lines), not bad


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _accelerator() -> str:
    if util.find_spec("torch") is None:
        return "torch is not installed"
    import torch

    if torch.cuda.is_available():
        return f"GPU {torch.cuda.get_device_name(0)}"
    native = torch.cpu._is_avx512_bf16_supported()
    return f"no GPU; bfloat16 {'native' if native else 'emulated'} on this processor"
