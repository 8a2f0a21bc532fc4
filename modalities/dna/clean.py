"""Turns a sequence as it was written into base codes, saying what it repaired or suspects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from modalities.dna.alphabet import AMBIGUOUS, GAPS, UNKNOWN, Codes, encode, reverse_complement
from modalities.dna.frames import stops_by_frame, stops_by_other_frame
from modalities.dna.options import DnaOptions
from workbench.errors import BadInput
from workbench.modality import Sample

AMBIGUITY_LIMIT = 0.01
"""Share of bases not known above which BOLD withholds the barcode flag."""
_SPACE = b" \t\r\n"
_BASES = b"ACGT"
_ALLOWED = _BASES + b"N" + AMBIGUOUS.encode() + GAPS.encode()
_PROTEIN = b"EFILPQXZJO*"
_GAPS_TO_N = bytes(ord("N") if chr(byte) in GAPS else byte for byte in range(256))


@dataclass(frozen=True)
class _Letters:
    """Upper-case DNA letters and what had to be done to get them."""

    letters: bytes
    flags: tuple[str, ...] = ()


def clean(text: str, options: DnaOptions, *, name: str, flags: tuple[str, ...] = ()) -> Sample:
    """Return a sample of base codes (L,) with its flags.

    White space and gaps go, U becomes T, lower case becomes upper, ambiguity codes become N,
    leading and trailing N go, and a barcode written as its other strand is turned.

    Args:
        text: the sequence as written.
        options: what to strip, turn and flag.
        name: how messages call the cell.
        flags: what the file's reader found already.

    Raises:
        BadInput: nothing known in it, a letter that is no base, protein, or too many letters.
    """
    if len(text) > options.max_letters:
        raise BadInput(
            "E-DNA-018", file=name, field="sequence", found=f"{len(text)} letters",
            expected=f"at most {options.max_letters} letters",
        )  # fmt: skip
    written = _repaired(_ascii(text, name), options, name)
    codes = encode(written.letters)
    found = [*flags, *written.flags]
    unknown = int((codes == UNKNOWN).sum()) if len(codes) else 0
    if len(codes) == unknown:
        raise BadInput(
            "E-DNA-005", file=name, field="sequence",
            found=f"{len(codes)} letters, none of them A, C, G or T", expected="a DNA sequence",
        )  # fmt: skip
    if unknown > AMBIGUITY_LIMIT * len(codes):
        found.append("F-DNA-011 more than 1 % ambiguous")
    codes, frame_flags, meta = _oriented(codes, options)
    found += frame_flags
    if not options.shortest_bp <= len(codes) <= options.longest_bp:
        found.append("F-DNA-017 unusual length")
    meta |= {"length_bp": len(codes), "ambiguous_bp": unknown}
    return Sample(codes, meta=meta, flags=tuple(found))


def _ascii(text: str, name: str) -> bytes:
    """Return the letters as bytes."""
    try:
        return text.encode("ascii")
    except UnicodeEncodeError as cause:
        raise BadInput(
            "E-DNA-008", file=name, field=f"letter {cause.start + 1}",
            found=f"U+{ord(text[cause.start]):04X}", expected="ASCII letters",
        ) from None  # fmt: skip


def _repaired(raw: bytes, options: DnaOptions, name: str) -> _Letters:
    """Return upper-case letters without what the options strip."""
    if not raw.translate(None, _BASES):
        return _Letters(raw)
    flags: list[str] = []
    letters = raw.translate(None, _SPACE)
    if letters != letters.upper():
        letters = letters.upper()
        flags.append("F-DNA-010 lower case")
    if b"U" in letters:
        letters = letters.replace(b"U", b"T")
        flags.append("F-DNA-013 RNA letters")
    _refuse_foreign(letters, name)
    stripped = letters
    if options.gaps == "strip":
        stripped = stripped.translate(None, GAPS.encode())
    else:
        stripped = stripped.translate(_GAPS_TO_N)
    if options.end_n == "strip":
        stripped = stripped.strip(b"N")
    if stripped != letters:
        flags.append("F-DNA-012 gaps or end N")
    return _Letters(stripped, tuple(flags))


def _refuse_foreign(letters: bytes, name: str) -> None:
    """Refuse protein, then whatever is neither a base, an IUPAC code nor a gap."""
    foreign = letters.translate(None, _ALLOWED)
    known = len(letters) - len(letters.translate(None, _BASES + b"N-."))
    if len(letters) >= 10 and known < len(letters) / 2 and not foreign.translate(None, _PROTEIN):
        raise BadInput(
            "E-DNA-014", file=name, field="sequence", found="amino-acid letters", expected="DNA",
            fix="Give the nucleotide sequence.",
        )  # fmt: skip
    if foreign:
        place = letters.index(foreign[:1])
        raise BadInput(
            "E-DNA-006", file=name, field=f"letter {place + 1}", found=repr(chr(foreign[0])),
            expected=f"one of ACGTU, N, {AMBIGUOUS} or a gap",
        )  # fmt: skip


def _oriented(codes: Codes, options: DnaOptions) -> tuple[Codes, list[str], dict[str, Any]]:
    """Turn a barcode that only the other strand reads without stop codons.

    A strand that can be read stays; so does a barcode that no frame of either strand can read.
    """
    forward = stops_by_frame(codes, options.genetic_code)
    meta: dict[str, Any] = {"frame": int(np.argmin(forward)), "stops": min(forward)}
    if min(forward) == 0:
        return codes, [], meta
    backward = stops_by_other_frame(codes, options.genetic_code)
    if min(backward) > 0:
        return codes, ["F-DNA-016 numt-suspect"], meta
    if options.orientation == "keep":
        return codes, ["F-DNA-015 other strand suspected"], meta
    turned = reverse_complement(codes)
    frames = stops_by_frame(turned, options.genetic_code)
    meta = {"frame": int(np.argmin(frames)), "stops": min(frames)}
    return turned, ["F-DNA-015 other strand, turned"], meta
