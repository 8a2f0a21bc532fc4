"""Rewrites a text so that it contradicts itself: by rules, one kind of change at a time.

After the rule-made negatives of MMGeoLM (arXiv 2505.20152). The rules would rather leave a text
alone than write nonsense: a sentence that denies or doubts is turned round as a whole or not at
all, because "no small effusion" and "no large effusion" do not contradict each other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np

from modalities.report.polarity import NEGATIONS

SWAPS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "laterality": (
        ("left", "right"), ("leftward", "rightward"), ("links", "rechts"), ("linke", "rechte"),
        ("linker", "rechter"), ("linkes", "rechtes"), ("linken", "rechten"), ("linkem", "rechtem"),
        ("linksseitig", "rechtsseitig"), ("lul", "rul"), ("lll", "rll"), ("lbbb", "rbbb"),
    ),
    "severity": (
        ("mild", "severe"), ("mildly", "severely"), ("slight", "marked"), ("slightly", "markedly"),
        ("minimal", "moderate"), ("minimally", "moderately"), ("subtle", "extensive"),
        ("acute", "chronic"),
    ),
    "size": (
        ("small", "large"), ("smaller", "larger"), ("tiny", "huge"), ("increased", "decreased"),
        ("increase", "decrease"), ("enlarged", "shrunken"), ("enlargement", "shrinkage"),
        ("thick", "thin"), ("thickened", "thinned"), ("thickening", "thinning"), ("high", "low"),
        ("elevated", "depressed"), ("prolonged", "shortened"), ("widened", "narrowed"),
        ("above", "below"),
    ),
    "position": (
        ("upper", "lower"), ("apical", "basal"), ("apex", "base"), ("anterior", "posterior"),
        ("proximal", "distal"), ("focal", "diffuse"), ("unilateral", "bilateral"),
    ),
    "order": (
        ("diptera", "hymenoptera"), ("lepidoptera", "coleoptera"), ("hemiptera", "orthoptera"),
        ("odonata", "ephemeroptera"), ("trichoptera", "plecoptera"), ("neuroptera", "megaloptera"),
        ("psocodea", "thysanoptera"), ("blattodea", "mantodea"), ("araneae", "opiliones"),
    ),
    "family": (
        ("culicidae", "chironomidae"), ("muscidae", "tachinidae"), ("cecidomyiidae", "sciaridae"),
        ("phoridae", "drosophilidae"), ("syrphidae", "tabanidae"), ("apidae", "vespidae"),
        ("formicidae", "halictidae"), ("braconidae", "ichneumonidae"),
        ("noctuidae", "geometridae"), ("nymphalidae", "pieridae"), ("crambidae", "tortricidae"),
        ("carabidae", "curculionidae"), ("chrysomelidae", "staphylinidae"),
        ("cicadellidae", "aphididae"), ("acrididae", "tettigoniidae"),
    ),
}  # fmt: skip
"""By rule, words that take each other's place: a rule applied twice gives the text back."""

KEPT: Mapping[str, tuple[str, ...]] = {
    "laterality": (
        r"(?:left|right)(?: and | or |/)(?:left|right)",
        r"(?:left|right) (?:in place|in situ|behind|alone|untreated|now|away|angles?)",
        r"(?:links|rechts)(?: und | oder |/)(?:links|rechts)",
    ),
    "size": (r"(?:see|as|described|mentioned|noted) (?:findings? )?(?:above|below)",),
}
"""By rule, phrases whose words stay: they name both sides, or no side at all."""

_SEEN = (
    r"(?:present|seen|noted|identified|visible|visuali[sz]ed|demonstrated|observed|detected|evident|"
    r"enlarged|increased|decreased|blunted|opacified|collapsed|elevated|thickened|widened|narrowed|"
    r"prolonged|displaced|fractured|dilated|above|below|in keeping|consistent|compatible|indicative|"
    r"midline|intact|normal|unremarkable|stable|tortuous|rotated|low|high|abnormal)\b"
)
DENY: tuple[tuple[str, str], ...] = (
    (r"\bthere (is|are|was|were) (?:an? )?", r"there \1 no "),
    (rf"\b(is|are|was|were) (?=(?:\w+ly |now |again )?{_SEEN})", r"\1 not "),
    (r"\b(has|have) (?=\w+ed\b)", r"\1 not "),
    (r"\bindicates\b", "does not indicate"),
    (r"\bindicate\b", "do not indicate"),
)  # fmt: skip
"""Pattern and replacement that deny what a sentence says; the first that fits is used, once."""

AFFIRM: tuple[tuple[str, str], ...] = (
    (r"\bthere (is|are|was|were) no\b", r"there \1"),
    (r"\b(is|are|was|were|has|have) not\b", r"\1"),
    (r"\bdoes not indicate\b", "indicates"),
    (r"\bdo not indicate\b", "indicate"),
    (r"\bwithout\b", "with"),
    (r"\bno (?!longer\b|change\b|doubt\b|other\b)(\w)", r"\1"),
)
"""Pattern and replacement that take a denial away; all that fit are used, everywhere."""

_BREAK = re.compile(r"((?<=[.!?;])\s+|\n+)")
_DENIAL = re.compile(rf"\b(?:{'|'.join(sorted(NEGATIONS))})\b", re.IGNORECASE)


def contradictions(text: str, rng: np.random.Generator) -> tuple[str, ...]:
    """Return texts that contradict a text, each by one rule, in random order; none is the text.

    >>> sorted(contradictions("Small effusion on the left.", np.random.default_rng(0)))
    ['Large effusion on the left.', 'Small effusion on the right.']
    """
    parts = _parts(text)
    made = [_swapped(parts, rule) for rule in SWAPS]
    made.append(_negated(parts, rng))
    other = [found for found in dict.fromkeys(made) if found != text]
    return tuple(other[i] for i in rng.permutation(len(other)))


def swapped(text: str, rule: str) -> str:
    """Return the text with the words of one rule exchanged in every sentence that affirms.

    >>> swapped("RIGHT effusion. No left effusion.", "laterality")
    'LEFT effusion. No left effusion.'
    """
    return _swapped(_parts(text), rule)


def negated(text: str, rng: np.random.Generator) -> str:
    """Return the text with one sentence turned round, wherever it stands; the text if none can be.

    >>> negated("There is no effusion.", np.random.default_rng(0))
    'There is effusion.'
    """
    return _negated(_parts(text), rng)


def _parts(text: str) -> list[tuple[str, bool]]:
    """Return sentences and what stands between them, each with whether it denies or doubts."""
    return [(part, _denies(part)) for part in _BREAK.split(text)]


def _swapped(parts: Sequence[tuple[str, bool]], rule: str) -> str:
    pattern, table = _exchange_of(rule)

    def exchange(hit: re.Match[str]) -> str:
        return hit[0] if hit[1] is None else _cased(table[hit[1].lower()], hit[1])

    return "".join(part if denies else pattern.sub(exchange, part) for part, denies in parts)


@cache
def _exchange_of(rule: str) -> tuple[re.Pattern[str], Mapping[str, str]]:
    """Return what finds the words of a rule, after the phrases it keeps, and their counterparts."""
    table = {a: b for pair in SWAPS[rule] for a, b in (pair, pair[::-1])}
    kept = "".join(rf"\b{phrase}\b|" for phrase in KEPT.get(rule, ()))
    return re.compile(rf"{kept}\b({'|'.join(table)})\b", re.IGNORECASE), table


def _negated(parts: Sequence[tuple[str, bool]], rng: np.random.Generator) -> str:
    different = {part.casefold(): (part, denies) for part, denies in parts if part.strip()}
    for number in rng.permutation(len(different)):
        chosen, (part, denies) = list(different.items())[number]
        if _turned(part, denies) != part:
            return "".join(
                _turned(part, denies) if part.casefold() == chosen else part
                for part, denies in parts
            )
    return "".join(part for part, _ in parts)


def _turned(sentence: str, denies: bool) -> str:
    """Return a sentence denied or affirmed; itself where a doubt or another denial would remain."""
    if not denies:
        denied = (_replaced(sentence, *rule, count=1) for rule in DENY)
        return next((found for found in denied if found != sentence), sentence)
    found = sentence
    for rule in AFFIRM:
        found = _replaced(found, *rule, count=0)
    return sentence if _denies(found) else found


def _replaced(sentence: str, pattern: str, other: str, *, count: int) -> str:
    return re.sub(
        pattern, lambda hit: _cased(hit.expand(other), hit[0]), sentence, count=count,
        flags=re.IGNORECASE,
    )  # fmt: skip


def _cased(words: str, like: str) -> str:
    """Return words in upper case, with a capital, or as they are: like what they take the place of."""
    if like.isupper() and len(like) > 1:
        return words.upper()
    return words[:1].upper() + words[1:] if like[:1].isupper() else words


def _denies(sentence: str) -> bool:
    """Whether any word of a sentence denies or doubts."""
    return _DENIAL.search(sentence) is not None
