"""Writes synthetic reports, composed of sentences that state one finding and deny the others.

Planted: one statement of the finding under FINDINGS. Nuisance: one denial of every other finding in
the same words, so that only the negations tell which is which; a third of the time any one of these
sentences again under IMPRESSION; an INDICATION that asks for any finding whatever; sentences about
bones, tubes and technique; the order of all of them; four styles of heading, one in upper case.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from modalities.report.findings import FINDINGS

DISTRACTORS = (
    "The bony thorax is intact.", "The trachea is midline.", "A central line is in place.",
    "Degenerative changes of the spine.", "The patient is slightly rotated.",
    "Surgical clips project over the upper abdomen.", "The hila are unremarkable.",
    "The soft tissues are unremarkable.", "Lung volumes are low.", "The aorta is tortuous.",
    "An endotracheal tube ends above the carina.", "Old healed rib fractures are again seen.",
)  # fmt: skip
_CLOSING = (
    "No other acute process.", "Otherwise unchanged.", "Clinical correlation is advised.",
    "See findings above.", "Follow-up as clinically indicated.",
)  # fmt: skip
_COMPLAINTS = ("Cough", "Dyspnea", "Chest pain", "Fever", "Preoperative study", "Fall")
_COMPARED = ("None.", "Prior radiograph.", "Radiograph of last year.", "Not available.")
_ORDER = ("indication", "comparison", "findings", "impression")


def compose(
    stated: Sequence[str],
    denied: Sequence[str],
    rng: np.random.Generator,
    *,
    suspected: str = "",
    distractors: Sequence[str] = DISTRACTORS,
) -> dict[str, str]:
    """Return the sections of a report that says all of these sentences in random order.

    Args:
        stated: sentences that hold.
        denied: sentences that rule something out; any sentence may be repeated as the impression.
        rng: source of order, fillers and wording.
        suspected: finding that the indication asks about; "" asks about nothing.
        distractors: sentences that say nothing about any finding; up to three are mixed in.

    Returns:
        Section name -> text, of "indication", "comparison", "findings" and "impression".
    """
    fillers = rng.choice(list(distractors), size=int(rng.integers(0, 4)), replace=False)
    said = [*stated, *denied, *fillers]
    complaint = str(rng.choice(_COMPLAINTS))
    impression = [str(rng.choice(_CLOSING))]
    if len(stated) + len(denied) and rng.random() < 1 / 3:
        impression.insert(0, str(rng.choice([*stated, *denied])))
    return {
        "indication": f"{complaint}, rule out {suspected}." if suspected else f"{complaint}.",
        "comparison": str(rng.choice(_COMPARED)),
        "findings": " ".join(str(said[i]) for i in rng.permutation(len(said))),
        "impression": " ".join(impression),
    }


def render(sections: Mapping[str, str], rng: np.random.Generator) -> str:
    """Return sections as one text, in one of the styles reports are typed in."""
    style = int(rng.integers(4))
    shown = [name for name in _ORDER if sections.get(name)]
    if style == 0:
        return "".join(f"{name.upper()}:\n{sections[name]}\n\n" for name in shown)
    if style == 1:
        return " ".join(f"{name.capitalize()}: {sections[name]}" for name in shown) + "\n"
    if style == 2:
        return "".join(f"{name.upper()}\n{sections[name].upper()}\n" for name in shown)
    return "\r\n".join(f"{name.capitalize()}: {sections[name]}" for name in shown) + "\r\n"


def report_text(finding: str, rng: np.random.Generator) -> str:
    """Return a whole synthetic report that states one finding and denies the others."""
    others = [item for item in FINDINGS if item.name != finding]
    target = next(item for item in FINDINGS if item.name == finding)
    stated = [str(rng.choice(target.statements))]
    denied = [str(rng.choice(item.denials)) for item in others]
    suspected = str(rng.choice([item.name for item in FINDINGS]))
    return render(compose(stated, denied, rng, suspected=suspected), rng)


def write_report(finding: str, rng: np.random.Generator, folder: Path) -> str:
    """Write one report as a UTF-8 text file and return its name.

    Raises:
        ValueError: the finding is not one of `FINDINGS`.
    """
    known = [item.name for item in FINDINGS]
    if finding not in known:
        raise ValueError(f"finding {finding!r} is not one of {known}")
    text = report_text(finding, rng)
    name = f"report-{int(rng.integers(1 << 48)):012x}.txt"
    (folder / name).write_bytes(text.encode())
    return name
