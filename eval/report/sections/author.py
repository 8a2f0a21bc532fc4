"""What only the author knows, taken from the card by key: sections 1, 5 and 17."""

from __future__ import annotations

from collections.abc import Mapping

from eval.report.blocks import Block, Facts, Text
from eval.report.data import ReportData

RESEARCH_USE = (
    "For research use. The model and these numbers are not a medical device, and no decision "
    "about a person may rest on them."
)
INTENDED_USE: Mapping[str, str] = {
    "intended_use": "Intended use", "user": "Intended user", "population": "Population",
}  # fmt: skip
SOURCES: Mapping[str, str] = {
    "sources": "Sources", "dates": "Dates", "sites": "Sites", "devices": "Devices",
    "criteria": "Inclusion and exclusion",
}  # fmt: skip
REFERENCE: Mapping[str, str] = {
    "reference_standard": "Reference standard", "annotators": "Annotators",
    "uncertain_labels": "Uncertain labels",
}  # fmt: skip
OPENNESS: Mapping[str, str] = {
    "fairness": "Fairness", "limitations": "Limitations", "ethics": "Ethics approval",
    "funding": "Funding", "conflicts": "Conflicts of interest", "protocol": "Protocol",
    "availability": "Data, code and model availability",
}  # fmt: skip


def intended_use(data: ReportData) -> list[Block]:
    """Section 1."""
    return [given(data, INTENDED_USE), Text(RESEARCH_USE, "warn")]


def reference_standard(data: ReportData) -> list[Block]:
    """Section 5."""
    return [given(data, REFERENCE)]


def openness(data: ReportData) -> list[Block]:
    """Section 17, and whatever else the card holds."""
    known = {*INTENDED_USE, *SOURCES, *REFERENCE, *OPENNESS, "demographics", "robustness"}
    more = {key: key.replace("_", " ").capitalize() for key in data.card if key not in known}
    return [given(data, {**OPENNESS, **more})]


def given(data: ReportData, terms: Mapping[str, str]) -> Facts:
    """Return the card's text for each term, empty where the author gave none."""
    return Facts(tuple((term, str(data.card.get(key) or "")) for key, term in terms.items()))
