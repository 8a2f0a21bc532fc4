"""Writes synthetic WFDB records that show a named finding, for the quickstart and the tests.

What is planted, in every beat unless said otherwise (vectors in `heart.py`):
- sinus rhythm: P wave, narrow QRS, upright T, regular cycle.
- atrial fibrillation: no P wave, cycles that vary by 24 to 40 %, f waves of 4.5 to 8 Hz largest in V1.
- ST elevation myocardial infarction: ST and T lifted towards one territory (anterior V1-V4, inferior II III
  aVF, or lateral I aVL V5 V6, drawn per record), depressed opposite to it.
- left bundle branch block: QRS of about 150 ms, notched, negative in V1 and upright in V6, ST-T opposite.
- premature ventricular complexes: every fourth to sixth beat early, wide, without P, with a pause after it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from modalities.ecg.heart import RATE_HZ, simulate
from modalities.ecg.leads import LEADS
from workbench.modality import Finding

_GAIN = 1000

FINDINGS = (
    Finding(
        "sinus rhythm",
        (
            "Normal sinus rhythm.",
            "Sinus rhythm, normal ECG.",
            "Regular sinus rhythm without ST-T abnormality.",
            "Sinus rhythm with normal axis and normal conduction intervals.",
            "Normal resting electrocardiogram in sinus rhythm.",
            "Within normal limits; regular P waves before every narrow QRS complex.",
        ),
        (
            "Sinus rhythm is not present.",
            "No organised sinus activity is seen.",
            "The rhythm is not sinus.",
        ),
    ),
    Finding(
        "atrial fibrillation",
        (
            "Atrial fibrillation.",
            "Atrial fibrillation with irregular ventricular response.",
            "Irregularly irregular rhythm without P waves, consistent with atrial fibrillation.",
            "The rhythm is atrial fibrillation with fibrillatory waves best seen in V1.",
            "Absent P waves and variable RR intervals indicate atrial fibrillation.",
            "AF with controlled ventricular rate.",
        ),
        (
            "No atrial fibrillation.",
            "No evidence of atrial fibrillation or flutter.",
            "Atrial fibrillation is not seen.",
        ),
    ),
    Finding(
        "ST elevation myocardial infarction",
        (
            "Acute ST elevation myocardial infarction.",
            "ST segment elevation with reciprocal depression, consistent with acute infarction.",
            "STEMI: emergent reperfusion should be considered.",
            "Marked ST elevation in contiguous leads suggesting acute transmural injury.",
            "Acute myocardial infarction with ST elevation and hyperacute T waves.",
            "Convex ST elevation, acute injury pattern.",
        ),
        (
            "No ST elevation.",
            "No acute ST segment elevation or injury pattern.",
            "No evidence of acute myocardial infarction.",
        ),
    ),
    Finding(
        "left bundle branch block",
        (
            "Left bundle branch block.",
            "Complete left bundle branch block with secondary ST-T changes.",
            "Wide notched QRS with absent septal q waves, left bundle branch block pattern.",
            "Sinus rhythm with LBBB.",
            "QRS duration prolonged; typical left bundle branch block morphology.",
            "Intraventricular conduction delay of left bundle branch block type.",
        ),
        (
            "No bundle branch block.",
            "No left bundle branch block; QRS duration is normal.",
            "Intraventricular conduction is normal.",
        ),
    ),
    Finding(
        "premature ventricular complexes",
        (
            "Frequent premature ventricular complexes.",
            "Sinus rhythm with premature ventricular contractions.",
            "Ventricular extrasystoles with compensatory pauses.",
            "Multiple PVCs are present.",
            "Occasional wide premature beats of ventricular origin.",
            "Ventricular ectopic beats on a background of sinus rhythm.",
        ),
        (
            "No premature ventricular complexes.",
            "No ventricular ectopy.",
            "Ventricular extrasystoles are not seen.",
        ),
    ),
)


def write_finding(finding: str, rng: np.random.Generator, folder: Path) -> str:
    """Write a 12-lead record of 10 s at 500 Hz (.hea and .dat) and return the header's file name.

    Raises:
        KeyError: `finding` is none of `FINDINGS`.
    """
    leads_mv = simulate(finding, rng)
    name = f"ecg{int(rng.integers(2**48)):012x}"
    write_record(folder, name, _digital(leads_mv))
    return f"{name}.hea"


def write_record(
    folder: Path, name: str, stored: NDArray[np.int16], *, leads: tuple[str, ...] = LEADS
) -> None:
    """Write stored values (leads, T) at 1000 per mV and 500 Hz as WFDB format 16, with true checksums."""
    lines = [f"{name} {len(stored)} {RATE_HZ} {stored.shape[1]}"]
    for lead, values in zip(leads, stored, strict=True):
        checksum = int(np.array(int(values.sum(dtype=np.int64))).astype(np.int16))
        lines.append(f"{name}.dat 16 {_GAIN}.0(0)/mV 16 0 {int(values[0])} {checksum} 0 {lead}")
    (folder / f"{name}.dat").write_bytes(np.ascontiguousarray(stored.T).astype("<i2").tobytes())
    (folder / f"{name}.hea").write_text("\n".join(lines) + "\n", encoding="ascii")


def _digital(leads_mv: NDArray[np.float64]) -> NDArray[np.int16]:
    """Round to the converter's steps, limb leads from the rounded I and II so that they still add up."""
    stored = np.round(leads_mv * _GAIN)
    one, two = stored[0], stored[1]
    stored[2] = two - one
    stored[3:6] = np.round([-(one + two) / 2, one - two / 2, two - one / 2])
    return np.clip(stored, -32767, 32767).astype(np.int16)
