"""How far wording alone moves a zero-shot number."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from eval.prompts import PromptSet, draw

DRAWS = 20
Prompts = Mapping[str, Sequence[str]]


def sensitivity(
    prompts: PromptSet, main: Callable[[Prompts], float | None], seed: int
) -> dict[str, Any]:
    """Return min, median and max of the main metric over templates, omissions and draws.

    Args:
        prompts: the prompt set.
        main: the main metric of a set of prompts per class.
        seed: the run's seed.
    """
    every = prompts.positive_prompts()
    found: dict[str, Any] = {}
    if len(prompts.templates) > 1:
        alone = [prompts.of_template(number) for number in range(len(prompts.templates))]
        found["each template alone"] = spread([main(part) for part in alone])
        less = [_without(every, part) for part in alone]
        found["one template left out"] = spread([main(p) for p in less if all(p.values())])
    if max(len(texts) for texts in every.values()) > 1:
        draws = [_half(every, seed, number) for number in range(DRAWS)]
        found[f"{DRAWS} draws of half the prompts"] = spread([main(part) for part in draws])
    return {name: spread for name, spread in found.items() if spread}


def by_template(
    prompts: PromptSet, main: Callable[[Prompts], float | None]
) -> dict[str, float | None]:
    """Return the main metric of every template alone."""
    return {
        text: main(prompts.of_template(number)) for number, text in enumerate(prompts.templates)
    }


def without_template(
    prompts: PromptSet, main: Callable[[Prompts], float | None]
) -> dict[str, float | None]:
    """Return the main metric without each template, where prompts are left for every class."""
    every = prompts.positive_prompts()
    less = {
        text: _without(every, prompts.of_template(number))
        for number, text in enumerate(prompts.templates)
    }
    return {text: main(part) for text, part in less.items() if all(part.values())}


def _half(every: Prompts, seed: int, number: int) -> Prompts:
    return {
        name: draw(tuple(texts), (len(texts) + 1) // 2, seed, "sensitivity", number, name)
        for name, texts in every.items()
    }


def _without(every: Prompts, part: Prompts) -> Prompts:
    return {name: [t for t in texts if t not in part[name]] for name, texts in every.items()}


def spread(values: Sequence[float | None]) -> dict[str, float]:
    """Return least, middle and greatest of what is known."""
    known = [value for value in values if value is not None]
    if not known:
        return {}
    return {"min": min(known), "median": float(np.median(known)), "max": max(known)}
