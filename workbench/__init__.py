"""The workbench: `wb.run`, `wb.open` and the plugin contract, each loaded when first used."""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_API = {
    "compare": "pipelines.compare",
    "run": "pipelines.api",
    "open": "pipelines.api",
    "Run": "pipelines.api",
    "Modality": "workbench.modality",
    "Sample": "workbench.modality",
    "BadInput": "workbench.errors",
    "Refusal": "workbench.errors",
}

__all__ = [
    "BadInput",
    "Modality",
    "Refusal",
    "Run",
    "Sample",
    "__version__",
    "compare",
    "open",
    "run",
]


def __getattr__(name: str) -> Any:
    """Import the notebook API on first use, so that `import workbench` stays light."""
    if name not in _API:
        raise AttributeError(f"module 'workbench' has no attribute {name!r}")
    return getattr(importlib.import_module(_API[name]), name)
