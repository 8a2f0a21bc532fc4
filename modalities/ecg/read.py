"""Reads one ECG in any supported format, found by its content, into twelve leads in one order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from modalities.ecg.checks import lead_flags, rate_flags
from modalities.ecg.formats.detect import peek_recording, read_recording, resolve
from modalities.ecg.leads import LEADS, ORDERS, derive_limb_leads, is_modified, lead_named
from modalities.ecg.options import ECGOptions
from modalities.ecg.recording import Channel, Recording
from modalities.ecg.signal import normalise, remove_baseline, resample_window
from workbench.errors import BadInput
from workbench.modality import Sample, Source

LIMIT_MV = 100.0
SHORTEST_S = 1.0


def read_ecg(source: Source, options: ECGOptions) -> Sample:
    """Read a cell into a (12, rate x seconds) sample.

    Raises:
        BadInput: the file cannot be trusted (rows E01 to E26 of the error catalogue).
    """
    path, name = resolve(source)
    recording = read_recording(path, name, options)
    named, flags = _by_name(recording, name)
    seconds = _duration(named, name, options)
    values, valid = _matrix(named, options)
    sample, more = _clean(values, valid, named, options=options)
    flags += more
    if seconds - options.start_s < options.seconds - 1e-6:
        flags.append("F-ECG-101 padded")
    rates = sorted({channel.rate_hz for channel in named.values()})
    meta = {
        "kind": recording.kind, "rate_hz": options.rate_hz, "source_rate_hz": rates[-1],
        "source_seconds": round(seconds, 3), **sample.meta,
    }  # fmt: skip
    return replace(sample, meta=meta, flags=tuple(dict.fromkeys([*recording.flags, *flags])))


def _by_name(recording: Recording, name: str) -> tuple[dict[str, Channel], list[str]]:
    """Find the twelve leads among the channels.

    Raises:
        BadInput: a lead is there twice (E-ECG-014), or none is there (E-ECG-013).
    """
    flags: list[str] = []
    named: dict[str, Channel] = {}
    for channel in recording.channels:
        lead = lead_named(channel.name)
        if lead is None:
            flags.append("F-ECG-014 extra-leads")
        elif lead in named:
            raise BadInput(
                "E-ECG-014", file=name, field=f"lead {lead}", found="two signals", expected="one"
            )
        else:
            named[lead] = channel
            if is_modified(channel.name):
                flags.append("F-ECG-014 modified-lead")
    if not named:
        raise BadInput(
            "E-ECG-013", file=name, field="leads", found=f"none of {len(recording.channels)} channels",
            expected=f"names among {', '.join(LEADS)}", fix="Name the leads in the file.",
        )  # fmt: skip
    if [lead for lead in LEADS if lead in named] != list(named):
        flags.append("F-ECG-014 lead-order")
    return named, flags


def _duration(named: dict[str, Channel], name: str, options: ECGOptions) -> float:
    """Return the recording's length in seconds.

    Raises:
        BadInput: it is shorter than a heartbeat, or ends before the window begins (E-ECG-012).
    """
    seconds = max(len(channel.values_mv) / channel.rate_hz for channel in named.values())
    least = options.start_s + SHORTEST_S
    if seconds < least:
        raise BadInput(
            "E-ECG-012", file=name, field="duration", found=f"{seconds:.3f} s",
            expected=f"at least {least:g} s",
        )  # fmt: skip
    return seconds


def _matrix(
    named: dict[str, Channel], options: ECGOptions
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Resample the leads found into (12, L), leads of one rate and length together."""
    values = np.zeros((len(LEADS), options.length), np.float32)
    valid = np.zeros(values.shape, np.bool_)
    groups: dict[tuple[float, int], list[str]] = {}
    for lead, channel in named.items():
        groups.setdefault((channel.rate_hz, len(channel.values_mv)), []).append(lead)
    for (rate_hz, _), leads in groups.items():
        rows = [LEADS.index(lead) for lead in leads]
        stacked = np.stack([named[lead].values_mv for lead in leads])
        values[rows], valid[rows] = resample_window(stacked, rate_hz, options)
    return values, valid


def _clean(
    values: NDArray[np.float32],
    valid: NDArray[np.bool_],
    named: dict[str, Channel],
    *,
    options: ECGOptions,
) -> tuple[Sample, list[str]]:
    """Flag, derive, remove the baseline, scale and order."""
    flags: list[str] = []
    stored = np.array([lead in named for lead in LEADS])
    flat = stored & ((values.max(axis=1) == values.min(axis=1)) | ~valid.any(axis=1))
    if flat.any():  # a lead that never moves was not connected
        flags.append("F-ECG-018 flat")
        valid[flat] = False
    live = stored & ~flat
    gaps = [_share(np.isnan(channel.values_mv)) for channel in named.values()]
    if any(gaps):
        flags.append("F-ECG-017 gaps")
    if any(_saturated(channel) for channel in named.values()):
        flags.append("F-ECG-018 saturated")
    flags += lead_flags(values, live)
    if valid[live].all() and live.any():
        flags += rate_flags(values, options.rate_hz)
    values, valid, derived = _derive(values, valid, live)
    flags += ["F-ECG-013 derived-leads"] if derived else []
    missing = [lead for lead, row in zip(LEADS, valid, strict=True) if not row.any()]
    flags += ["F-ECG-013 missing-leads"] if missing else []
    if np.abs(values).max() > LIMIT_MV:
        flags.append("F-ECG-011 clipped")
    values = np.clip(values, -LIMIT_MV, LIMIT_MV)
    if options.baseline == "median":
        values = np.where(valid, remove_baseline(values, options.rate_hz), np.float32(0))
    values = np.clip(normalise(values, valid, options), -LIMIT_MV, LIMIT_MV)
    order = [LEADS.index(lead) for lead in ORDERS[options.lead_order]]
    meta = {
        "leads": ORDERS[options.lead_order], "missing_leads": tuple(missing), "derived_leads": derived,
        "gap_share": round(float(np.mean(gaps)), 6),
    }  # fmt: skip
    every = bool(valid.all())
    return Sample(values[order], None if every else valid[order], meta), flags


def _derive(
    values: NDArray[np.float32], valid: NDArray[np.bool_], live: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.bool_], tuple[str, ...]]:
    """Derive limb leads; a derived sample is measured where both of its parents are."""
    with_nan = np.where(valid, values, np.float32(np.nan))
    filled, _, derived = derive_limb_leads(with_nan, live)
    if not derived:
        return values, valid, ()
    known = np.isfinite(filled)
    return np.where(known, filled, np.float32(0)), known, derived


def _share(where: NDArray[np.bool_]) -> float:
    return int(np.count_nonzero(where)) / max(1, where.size)  # several times faster than a mean


def _saturated(channel: Channel) -> bool:
    """Whether 1 % or more of the samples sit at an end of the converter's range."""
    if channel.digital_range is None:
        return False
    low, high = channel.digital_range
    values = channel.values_mv
    return _share((values <= low) | (values >= high)) >= 0.01


def peek_ecg(source: Source, options: ECGOptions) -> None:
    """Raise what the header alone gives away.

    Raises:
        BadInput: as `read_ecg`, for faults that show without decoding samples.
    """
    path, name = resolve(source)
    peek_recording(path, name, options)
