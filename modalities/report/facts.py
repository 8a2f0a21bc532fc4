"""Says what can be told of a report without understanding it: language, sides, empty remarks."""

from __future__ import annotations

import re

# fmt: off
_ENGLISH = frozenset((
    "the", "of", "is", "are", "no", "and", "with", "there", "without", "in", "on", "to", "for",
    "right", "left", "normal", "not", "was", "seen",
))
_GERMAN = frozenset((
    "der", "die", "das", "ist", "sind", "kein", "keine", "und", "mit", "ohne", "im", "in", "auf",
    "zu", "für", "rechts", "links", "nicht", "war", "bei", "sinusrhythmus", "lagetyp", "ekg",
    "sonst", "normales", "unauffällig", "regelrecht", "befund", "nachweis",
))
# fmt: on
_SHARED = _ENGLISH & _GERMAN
_RIGHT = re.compile(r"(?i)\b(?:right|rechts\w*|rechte[nrsm]?)\b")
_LEFT = re.compile(r"(?i)\b(?:left|links\w*|linke[nrsm]?)\b")
_BOTH = re.compile(r"(?i)\b(?:bilateral(?:ly)?|both|beidseit\w*|beidseits)\b")
_ONLY_COMPARED = re.compile(
    r"(?i)(?:(?:no|without) (?:significant |interval |relevant )*change\w*|unchanged|stable|"
    r"unverändert|same as (?:before|prior)|see (?:previous|prior) report|as (?:above|before)|"
    r"(?:from|since|compared (?:to|with)|as compared (?:to|with)) (?:the )?(?:prior|previous|last)"
    r"(?: (?:exam\w*|study|film|radiograph))?|appearance|[\s.,;])+"
)


def language_flags(text: str) -> tuple[str, list[str]]:
    """Return "en", "de" or "unknown", and a flag for text that mixes both (R17)."""
    words = re.findall(r"[^\W\d_]+", text.lower())
    english = sum(word in _ENGLISH and word not in _SHARED for word in words)
    german = sum(word in _GERMAN and word not in _SHARED for word in words)
    # letters of German alone weigh like a word of it
    german += len(re.findall(r"[äöüß]", text.lower()))
    if not english and not german:
        return "unknown", []
    mixed = min(english, german) >= 3 and min(english, german) / (english + german) > 0.2
    return ("en" if english >= german else "de"), ["F-TXT-017 mixed-language"] if mixed else []


def laterality(text: str) -> str:
    """Return "left", "right", "both" or "none": the sides a report names (R10 compares them)."""
    right, left = bool(_RIGHT.search(text)), bool(_LEFT.search(text))
    if (right and left) or _BOTH.search(text):
        return "both"
    return "right" if right else "left" if left else "none"


def says_no_finding(text: str) -> bool:
    """Whether a report only compares ("unchanged") and names nothing that was seen (R11)."""
    return _ONLY_COMPARED.fullmatch(text.strip()) is not None
