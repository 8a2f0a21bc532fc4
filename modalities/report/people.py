"""Notices what in a report may name a person, without ever repeating it."""

from __future__ import annotations

import re

_TITLE = r"(?:Dr|Prof|Mr|Mrs|Ms|Herr|Frau|Patient(?:in)?(?: name)?:?)"
_PATTERNS = {
    "name": re.compile(
        rf"\b{_TITLE}\.? (?:med\. )?[A-ZÄÖÜ][\w'’-]+|(?i:\bname ?: ?)[A-ZÄÖÜ][\w'’-]+"
    ),
    "record-number": re.compile(
        r"(?i)\b(?:mrn|medical record|record no|accession|patient id|fall-?nr|pat-?id)\b"
        r"[ .:#]{0,8}[\w-]{0,30}\d"
    ),
    "date": re.compile(
        r"\b(?:\d{1,2}[./-]\d{1,2}[./-](?:19|20)?\d{2}|(?:19|20)\d{2}-\d{2}-\d{2})\b"
    ),
    "phone": re.compile(r"(?:\+\d{1,3}[ -]?)?\(?\b\d{3}\)?[ -]\d{3}[ -]\d{4}\b|\+\d{7,15}\b"),
    "e-mail": re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,64}\.[\w.-]{2,64}"),
}


def person_marks(text: str) -> tuple[str, ...]:
    """Return the kinds of personal detail a text seems to hold, never their words.

    >>> person_marks("Seen by Dr. Example on 12/03/2019.")
    ('name', 'date')
    """
    return tuple(kind for kind, pattern in _PATTERNS.items() if pattern.search(text))
