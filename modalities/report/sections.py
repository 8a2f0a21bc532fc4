"""Finds the sections of a report by their headings, chooses those that are asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

# headings as they stand in English and German reports, longest first inside a section
HEADINGS: Mapping[str, tuple[str, ...]] = {
    "findings": (
        "findings and discussion", "radiological findings", "ct findings", "description", "findings",
        "finding", "report", "ekg-befund", "befunde", "befund",
    ),
    "impression": (
        "impression and recommendation", "summary and conclusion", "final impression",
        "ecg interpretation", "interpretation", "impressions", "impression", "conclusions",
        "conclusion", "diagnosis", "assessment", "opinion", "summary", "zusammenfassung",
        "beurteilung", "diagnose",
    ),
    "indication": (
        "reason for examination", "clinical information", "reason for exam", "clinical history",
        "clinical notes", "indications", "indication", "history", "klinische angaben",
        "fragestellung", "indikation", "anamnese",
    ),
    "comparison": (
        "prior examinations", "comparison study", "comparisons", "comparison", "prior studies",
        "voraufnahmen", "vergleich",
    ),
    # read over, so that their words do not end up in the section before
    "other": (
        "procedure and technique", "examination", "procedure", "technique", "exam", "signed by",
        "electronically signed", "addendum", "technik", "untersuchung",
    ),
}  # fmt: skip

_NAMES = {heading: section for section, words in HEADINGS.items() for heading in words}
_ANY = "|".join(re.escape(word) for word in sorted(_NAMES, key=len, reverse=True))
# a heading stands at the start of a line or sentence and ends with a colon, or alone in its line
_HEADING = re.compile(
    rf"(?im)(?:^[ \t]*|(?<=[.;] ))({_ANY})[ \t]*(?::|/[ \t]*(?:{_ANY})[ \t]*:)|^[ \t]*({_ANY})[ \t]*$"
)
_EMPTY = re.compile(r"(?:none|n/?a|nil|not available|keine?|[\s.,;:_-])*", re.IGNORECASE)


def find_sections(text: str) -> dict[str, str]:
    """Return section -> text for every heading found; words before the first go under "".

    >>> find_sections("INDICATION: cough. FINDINGS: Clear lungs.")
    {'indication': 'cough.', 'findings': 'Clear lungs.'}
    """
    found: dict[str, str] = {}
    hits = list(_HEADING.finditer(text))
    spans = [("", 0, hits[0].start() if hits else len(text))]
    for hit, following in zip(hits, [*hits[1:], None], strict=False):
        end = following.start() if following else len(text)
        spans.append((_NAMES[(hit[1] or hit[2]).lower()], hit.end(), end))
    for section, start, end in spans:
        body = text[start:end].strip()
        if body:
            found[section] = f"{found[section]}\n{body}" if section in found else body
    return found


def choose(found: Mapping[str, str], wanted: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Return the text of the wanted sections in their order, and which of them there were.

    A report without any of them gives all its text: what has no heading first, then the rest.
    """
    present = tuple(name for name in wanted if not is_empty(found.get(name, "")))
    if present:
        return "\n".join(found[name] for name in present), present
    whole = [body for name, body in found.items() if name != "comparison" and not is_empty(body)]
    return "\n".join(whole or [body for body in found.values() if not is_empty(body)]), ()


def is_empty(text: str) -> bool:
    """Whether a text says nothing: white space, dashes, "None.", marks of de-identification."""
    return _EMPTY.fullmatch(text.strip()) is not None
