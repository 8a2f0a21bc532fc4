"""The options of the ECG modality: what a pipeline file may say under `options:`."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Literal

from pydantic import Field, model_validator

from workbench.modality import Options

PRESETS: MappingProxyType[str, dict[str, Any]] = MappingProxyType(
    {
        "mv": {},
        "more": {"baseline": "median", "normalise": "lead_minmax"},
        "merl": {
            "rate_hz": 500, "normalise": "record_minmax", "lead_order": "avf_before_avl",
        },
        "ecgfm": {"rate_hz": 500, "seconds": 5.0, "normalise": "record_zscore"},
        "ptbxl-bench": {"normalise": "global_zscore"},
    }
)  # fmt: skip

_TABLE_LEADS = "names of the columns (CSV) or rows (.npy) of a file that names none"


class ECGOptions(Options):
    """How a recording becomes a (12, rate_hz x seconds) array.

    A preset fills in the fields of a published input contract; a field written out beside it wins.
    """

    preset: Literal["mv", "more", "merl", "ecgfm", "ptbxl-bench"] = "mv"
    rate_hz: int = Field(100, ge=20, le=2000, description="output rate in Hz")
    seconds: float = Field(10.0, gt=0, le=600, description="output length; cropped or padded")
    start_s: float = Field(0.0, ge=0, description="where the window begins in the recording")
    baseline: Literal["none", "median"] = "none"
    normalise: Literal[
        "none", "lead_minmax", "record_minmax", "record_zscore", "lead_zscore", "global_zscore"
    ] = "none"
    mean_mv: float = Field(0.0, description="global_zscore: mean fitted on the training split")
    std_mv: float = Field(1.0, gt=0, description="global_zscore: deviation fitted likewise")
    lead_order: Literal["standard", "avf_before_avl"] = "standard"
    strict: bool = Field(False, description="quarantine what is otherwise flagged: E08, E09, E10")
    max_samples: int = Field(20_000_000, gt=0, description="limit on samples x leads per record")
    table_rate_hz: float | None = Field(None, gt=0, description="rate of a CSV or .npy file")
    table_leads: tuple[str, ...] = Field((), description=_TABLE_LEADS)
    table_unit: Literal["mV", "uV"] | None = Field(None, description="unit of a CSV or .npy file")

    @model_validator(mode="before")
    @classmethod
    def _fill_preset(cls, given: Any) -> Any:
        """Put a preset's fields under the fields that were written out."""
        if not isinstance(given, dict):
            return given
        return {**PRESETS.get(str(given.get("preset", "mv")), {}), **given}

    @property
    def length(self) -> int:
        """Samples per lead of the output."""
        return max(1, round(self.rate_hz * self.seconds))
