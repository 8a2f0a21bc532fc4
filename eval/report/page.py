"""The report as one HTML page: no script, nothing loaded, every text escaped by the template."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from eval.report.blocks import Block
from eval.report.data import ReportData
from eval.report.sections import sections
from eval.report.summary import summary
from eval.report.verdicts import cards, warnings


@cache
def environment() -> Environment:
    """Return the template environment; autoescape holds for every file, whatever its ending."""
    return Environment(
        loader=PackageLoader("eval.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def fragment(parts: Sequence[Block]) -> str:
    """Return some blocks as HTML with a style of their own, for `_repr_html_` in a notebook."""
    return environment().get_template("fragment.html").render(parts=parts)


def page(data: ReportData) -> str:
    """Return `report.html`."""
    return (
        environment()
        .get_template("page.html")
        .render(
            data=data,
            summary=summary(data),
            warnings=warnings(data),
            cards=cards(data.metrics),
            sections=sections(data),
        )
    )
