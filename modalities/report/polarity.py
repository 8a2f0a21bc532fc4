"""Says whether a sentence affirms, denies or leaves open a finding, by NegEx and ConText rules.

Trigger words before or after the finding open a scope that ends at a word such as "but". Doubt wins
over denial: "cannot rule out pneumonia" is uncertain, never negative. After Chapman et al. 2001
(NegEx) and Harkema et al. 2009 (ConText), with German triggers added.
"""

from __future__ import annotations

import re
from typing import Literal

Polarity = Literal["affirmed", "negated", "uncertain"]

# single words whose loss would turn a sentence round
# fmt: off
NEGATIONS = frozenset((
    "no", "not", "without", "never", "none", "nor", "neither", "absent", "absence", "negative",
    "denies", "denied", "resolved", "cannot", "unlikely", "possible", "possibly", "probable",
    "probably", "may", "might", "could", "suspected", "questionable", "exclude", "excluded", "rule",
    "free", "clear", "isn", "wasn", "doesn", "kein", "keine", "keinen", "keiner", "keinem", "nicht",
    "ohne", "weder", "ausschluss", "fraglich", "fragliche", "fraglicher", "verdacht", "möglich",
    "möglicherweise",
))
# fmt: on

_DOUBT_BEFORE = (
    r"(?:can ?not|can't|could not|couldn't|not possible to|unable to|difficult to|hard to)"
    r"(?: (?:be|entirely|completely|fully|definitely|reliably|confidently|safely))*"
    r" (?:exclude|rule out|excluded|ruled out|assess|evaluate)\w*",
    r"not (?:entirely |completely |definitely |definitively )?(?:excluded|ruled out)",
    r"(?:to )?(?:rule out|r/o|evaluate for|assess for|exclude|query|concern(?:ing)? for|worrisome for)",
    r"(?:possibl[ey]|probabl[ey]|likely|potential(?:ly)?|presumed|presumably|suspected|suspicious (?:for|of)|"
    r"suspicion (?:for|of)|suggest\w*|questionable|equivocal(?: for)?|may(?: represent| reflect| be)?|might|"
    r"could(?: represent| reflect| be)?|versus|vs\.?|differential\w*|perhaps|consider|indeterminate(?: for)?|"
    r"cannot be excluded|not excluded|unclear (?:if|whether)|consistent with either)",
    r"(?:verdacht auf|v\.? ?a\.?(?=\s)|fraglich\w*|möglich\w*|wahrscheinlich\w*|nicht auszuschließen\w*|"
    r"d\.? ?d\.?(?=\s))",
)  # fmt: skip
_DOUBT_AFTER = (
    r"(?:can ?not|can't|could not) (?:be )?(?:\w+ )?(?:excluded|ruled out)",
    r"(?:is|are|was|were|has|have)?(?: been)? ?not (?:been )?(?:\w+ )?(?:excluded|ruled out)",
    r"(?:is|are) (?:possible|probable|likely|suspected|questionable|considered|difficult to exclude|"
    r"not excluded|in the differential)",
    r"(?:nicht|kaum) (?:sicher )?(?:auszuschließen|ausgeschlossen)", r"(?:ist |sind )?(?:möglich|fraglich)",
    r"\?",
)  # fmt: skip
_DENIAL_BEFORE = (
    r"no (?:new |acute |focal |definite |significant |large |obvious |convincing |radiographic |convincing )*"
    r"(?:evidence|sign|signs|suggestion|indication|findings?) (?:of|for|to suggest)",
    r"(?:no longer|rather than|instead of)", r"(?:no|not|without|never|nor|neither|none of|none)",
    r"(?:absence of|absent|negative for|free of|clear of|fails? to (?:show|reveal|demonstrate)|resolution of|"
    r"resolved|denie[sd]|exclude[sd]|ruled out|rules out|unlikely(?: to be)?)",
    r"(?:kein(?:e|en|er|em|es)?|ohne|nicht|weder|ausschluss (?:von|eines|einer))",
)  # fmt: skip
_DENIAL_AFTER = (
    r"(?:is|are|was|were|has been|have been)? ?(?:now )?(?:absent|excluded|ruled out|resolved|unlikely|"
    r"not (?:seen|present|identified|demonstrated|appreciated|evident|visualized|visible|noted|detected)|"
    r"no longer (?:seen|present|identified|visible|evident)|negative)",
    r"(?:has|have) (?:completely |entirely )?(?:resolved|cleared)", r"not (?:seen|identified|present)",
    r"(?:nicht|nicht mehr) (?:nachweisbar|sichtbar|erkennbar|nachzuweisen)", r"ausgeschlossen",
)  # fmt: skip
# words that look like denials of the finding but deny something else
_PSEUDO = re.compile(
    r"no (?:significant |interval |appreciable |further )*(?:change|increase|decrease|worsening|improvement)"
    r"(?: (?:in|of))?|not only|without (?:significant |interval )?change(?: in)?|not (?:necessarily|certain)|"
    r"no doubt|gram negative"
)
# a scope ends where the sentence turns
_TURN = re.compile(
    r"\b(?:but|however|although|though|except|apart from|aside from|other than|yet|which|secondary to|"
    r"due to|because of|aber|jedoch|sondern|außer|bis auf)\b|[;:]|,? (?:there is|there are|with new)\b"
)
# and at a clause of its own after a comma: "no effusion, heart is enlarged"
_CLAUSE = re.compile(
    r", (?=[^,]*\b(?:is|are|was|were|has|have|shows?|remains?|appears?|ist|sind)\b)"
)


def polarity(sentence: str, finding: str) -> Polarity | None:
    """Return how a sentence stands to a finding phrase; None when it does not mention it.

    A finding mentioned more than once is affirmed if any mention affirms it, else uncertain if any
    mention is, else negated.

    >>> polarity("No evidence of pleural effusion.", "pleural effusion")
    'negated'
    >>> polarity("Cannot rule out pneumonia.", "pneumonia")
    'uncertain'
    """
    text = " ".join(sentence.lower().replace("’", "'").split())
    mention = re.compile(rf"(?<!\w){re.escape(' '.join(finding.lower().split()))}(?:e?s)?(?!\w)")
    found = {_mention(text, hit.start(), hit.end()) for hit in mention.finditer(text)}
    for answer in ("affirmed", "uncertain", "negated"):
        if answer in found:
            return answer
    return None


def _mention(text: str, start: int, end: int) -> Polarity:
    """Judge one mention by the triggers in its scope."""
    before = _PSEUDO.sub(" ", _last_clause(text, start))
    after = _PSEUDO.sub(" ", _first_clause(text[end:]))
    if _any(_DOUBT_BEFORE, before) or _any(_DOUBT_AFTER, after):
        return "uncertain"
    if _any(_DENIAL_BEFORE, before) or _any(_DENIAL_AFTER, after):
        return "negated"
    return "affirmed"


def _last_clause(text: str, end: int) -> str:
    """Return what of the words before a mention reaches it: from the last turn or full stop on.

    A verb behind a comma makes a new clause; a list ("no a, b or c") goes on.
    """
    starts = [hit.end() for hit in _TURN.finditer(text[:end])]
    starts += [hit.end() for hit in re.finditer(r"[.!?] ", text[:end])]
    starts += [hit.end() for hit in _CLAUSE.finditer(text) if hit.end() <= end]
    return text[max(starts, default=0) : end]


def _first_clause(text: str) -> str:
    """Return what of the words after a mention reaches back to it."""
    hits = [hit.start() for hit in (_TURN.search(text), re.search(r"[.!] |, ", text)) if hit]
    return text[: min(hits)] if hits else text


def _any(patterns: tuple[str, ...], text: str) -> bool:
    return any(re.search(rf"(?<!\w){pattern}(?!\w)", text) for pattern in patterns)
