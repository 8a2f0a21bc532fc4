"""Reads one report: dispatch by content, clean, choose sections, cut into tokens."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from modalities.report.clean import clean, decode
from modalities.report.facts import language_flags, laterality, says_no_finding
from modalities.report.formats.dicom_sr import read_sr
from modalities.report.formats.fhir import read_fhir
from modalities.report.formats.openi import read_openi
from modalities.report.options import ReportOptions
from modalities.report.people import person_marks
from modalities.report.sections import HEADINGS, choose, find_sections, is_empty
from modalities.report.tokens import encode, ending
from workbench.errors import BadInput
from workbench.files import read_bytes
from workbench.modality import Sample, Source

SUFFIXES = (".txt", ".text", ".md", ".rtf", ".hl7", ".xml", ".json", ".dcm", ".sr")
_BYTES_PER_CHARACTER = 8
_PATH_LENGTH = 1024
_HEADING_NAMES = {word: section for section, words in HEADINGS.items() for word in words}


def read_report(source: Source, options: ReportOptions) -> Sample:
    """Decode one cell into token ids (T,), its text in `meta["text"]`.

    Raises:
        BadInput: E-TXT-001 no text, 002 undecodable, 005 too long, 006 personal details under
            `phi: strict`, 102-106 a damaged or foreign file; E-MAN-007 and 015 for paths.
    """
    pairs, flags = _parts(source, options)
    found: dict[str, str] = {}
    for heading, raw in pairs:
        text, repairs = clean(raw)
        flags += repairs
        name = _section(heading)
        inner = find_sections(text) if not name else {name: text}
        for section, body in inner.items():
            found[section] = f"{found[section]}\n{body}" if section in found else body
    text, chosen = choose(found, options.sections)
    if is_empty(text):
        raise BadInput(
            "E-TXT-001", file=_name(source), field="text", found="nothing but white space or marks "
            "of de-identification", expected="a report", fix="Leave the cell empty if there is none.",
        )  # fmt: skip
    flags += _remarks(text, source, options)
    return _sample(options.prefix + text, chosen, flags, options=options)


def _sample(
    text: str, chosen: tuple[str, ...], flags: list[str], *, options: ReportOptions
) -> Sample:
    """Cut a text into at most `max_tokens` ids."""
    ids, share = cut(encode(text, options), options)
    if share:
        flags.append("F-TXT-004 truncated")
    if not ids:
        raise BadInput(
            "E-TXT-001", file="text", field="tokens", found="no word", expected="at least one word"
        )
    language, mixed = language_flags(text)
    meta = {
        "text": text, "sections": chosen, "truncated": share, "language": language,
        "laterality": laterality(text),
    }  # fmt: skip
    return Sample(
        np.asarray(ids, dtype=np.int64), meta=meta, flags=tuple(dict.fromkeys([*flags, *mixed]))
    )


def cut(ids: list[int], options: ReportOptions) -> tuple[list[int], float]:
    """Return at most `max_tokens` ids, the tokenizer's closing token kept, and the share lost."""
    limit = options.max_tokens
    if len(ids) <= limit:
        return ids, 0.0
    end = ending(options.tokenizer)
    kept = ids[: limit - len(end)] + end
    return kept, 1.0 - len(kept) / len(ids)


def _remarks(text: str, source: Source, options: ReportOptions) -> list[str]:
    """Return flags about what the chosen text says; refuse personal details when asked to."""
    flags = ["F-TXT-011 no-finding-text"] if says_no_finding(text) else []
    marks = person_marks(text) if options.phi != "off" else ()
    if marks and options.phi == "strict":
        raise BadInput(
            "E-TXT-006", file=_name(source), field="text", found=f"what looks like {', '.join(marks)}",
            expected="text without personal details", fix="De-identify it, or set phi: flag.",
        )  # fmt: skip
    return flags + ([f"F-TXT-006 personal-details {' '.join(marks)}"] if marks else [])


def _parts(source: Source, options: ReportOptions) -> tuple[list[tuple[str, str]], list[str]]:
    """Return (heading, raw text) of a cell, and flags."""
    path = file_of(source, options)
    if path is None:
        _refuse_long(len(source.value), source, options)
        return [("", source.value)], []
    pairs, flags = _file_parts(path, source, options)
    _refuse_long(sum(len(text) for _, text in pairs), source, options)
    return pairs, flags


def _file_parts(
    path: Path, source: Source, options: ReportOptions
) -> tuple[list[tuple[str, str]], list[str]]:
    """Read a file by what its first bytes say it is."""
    if path.is_dir():
        raise BadInput(
            "E-MAN-007", file=source.name, field="file", found="a folder", expected="a file"
        )
    with open(path, "rb") as stream:
        head = stream.read(256)
    if head[128:132] == b"DICM":
        return read_sr(path, source.name), []
    limit = options.max_characters * _BYTES_PER_CHARACTER
    data = read_bytes(path, name=source.name, code="E-TXT-005", limit=limit)
    start = data[:64].lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith((b"<?xml", b"<eCitation")):
        return read_openi(data, source.name), []
    if start.startswith(b"{") and not start.startswith(b"{\\rtf"):
        return read_fhir(data, source.name), []
    if start.startswith((b"%PDF", b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"\x89PNG", b"\xff\xd8\xff")):
        raise BadInput(
            "E-TXT-101", file=source.name, field="content", found="a document or picture",
            expected="plain text, OpenI XML, FHIR JSON or DICOM SR",
        )  # fmt: skip
    text, flags = decode(data, source.name)
    return [("", text)], flags


def file_of(source: Source, options: ReportOptions) -> Path | None:
    """Return the file a cell names, or None when the cell is the text itself.

    Raises:
        BadInput: the cell names a file that is missing or lies outside the root.
    """
    if options.source == "text":
        return None
    if options.source == "file":
        return source.path()
    value = source.value.strip()
    is_name = len(value) <= _PATH_LENGTH and "\n" not in value and "\0" not in value
    if not is_name or not value.lower().endswith(SUFFIXES):
        return None
    try:
        return source.path()
    except BadInput:
        # a sentence may end in ".txt"; one word that does is a path that went wrong
        if re.search(r"\s", value):
            return None
        raise


def _name(source: Source) -> str:
    """Return how messages call a cell: a file by its name, inline text by its length."""
    value = source.value.strip()
    inline = len(value) > _PATH_LENGTH or not value.lower().endswith(SUFFIXES)
    return f"<inline text, {len(source.value)} characters>" if inline else source.name


def _refuse_long(found: int, source: Source, options: ReportOptions) -> None:
    if found > options.max_characters:
        raise BadInput(
            "E-TXT-005", file=_name(source), field="text", found=f"{found} characters",
            expected=f"at most {options.max_characters} (max_characters)",
        )  # fmt: skip


def _section(heading: str) -> str:
    """Return the section a heading of a structured format stands for; "" when it says none."""
    word = heading.strip().lower().rstrip(":")
    return word if word in (*HEADINGS, "other") else _HEADING_NAMES.get(word, "")
