"""Writes workbench/pipeline.schema.json, which editors use to complete pipeline files.

Run: python scripts/write_schema.py
"""

from __future__ import annotations

import json
from pathlib import Path

from workbench.config import Pipeline


def main() -> None:
    """Write the schema beside the models."""
    path = Path(__file__).resolve().parent.parent / "workbench" / "pipeline.schema.json"
    path.write_text(json.dumps(Pipeline.model_json_schema(), indent=1) + "\n")


if __name__ == "__main__":
    main()
