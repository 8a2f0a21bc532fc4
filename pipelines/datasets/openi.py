"""Turns the OpenI report archive into a manifest of inline texts."""

from __future__ import annotations

import tarfile
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipelines.datasets.rows import split_groups, to_table
from workbench.dataset import Adapted, Dataset
from workbench.errors import Refusal
from workbench.modality import Options

ARCHIVE = "NLMCXR_reports.tgz"
COLUMNS = ("id", "group", "split", "report", "normal", "mesh", "image")
SOURCE = "OpenI / Indiana University chest X-ray reports, CC BY-NC-ND 4.0 (parse, never pass on)"
MEMBER_LIMIT = 100_000
BYTES_LIMIT = 4 << 30
REPORT_LIMIT = 1 << 20
_SECTIONS = ("INDICATION", "COMPARISON", "FINDINGS", "IMPRESSION")


class OpeniOptions(Options):
    """How reports are split.

    Attributes:
        seed: of the split 70/10/20 by report (patients are not known).
    """

    seed: int = 0


class Openi(Dataset[OpeniOptions]):
    """Reports read from the archive member by member; nothing is extracted to disk."""

    summary = "OpenI chest X-ray reports, sections as inline text, MeSH terms"
    options = OpeniOptions

    def adapt(self, root: Path, options: OpeniOptions) -> Adapted:
        """Return one row per report that says something.

        Raises:
            Refusal: no archive, a damaged one, or one past the limits.
        """
        rejected: Counter[str] = Counter()
        rows: list[dict[str, str | None]] = []
        for data in _members(root):
            row = _row(data)
            if row is None:
                rejected["malformed XML"] += 1
            elif not row["report"]:
                rejected["no text in any section"] += 1
            else:
                rows.append(row)
        rows.sort(key=lambda row: (len(row["id"] or ""), row["id"] or ""))
        splits = split_groups({row["group"] or "": "" for row in rows}, seed=options.seed)
        table = to_table([{**row, "split": splits[row["group"] or ""]} for row in rows], COLUMNS)
        return Adapted(table, root, dict(rejected), SOURCE)


def _members(root: Path) -> Iterator[bytes]:
    """Yield the XML members of the archive, bounded in number and size."""
    path = root / ARCHIVE
    if not path.is_file():
        raise Refusal(
            "E-MAN-101", file=ARCHIVE, field="file", found="no such file",
            expected=f"a folder with {ARCHIVE}",
        )  # fmt: skip
    total = 0
    try:
        with tarfile.open(path, "r|gz") as archive:
            for count, member in enumerate(archive):
                total += max(0, member.size)
                if count >= MEMBER_LIMIT or total > BYTES_LIMIT or member.size > REPORT_LIMIT:
                    raise _bad_archive("more members or bytes than a report archive has")
                stream = archive.extractfile(member) if member.isfile() else None
                if stream is not None and member.name.lower().endswith(".xml"):
                    yield stream.read(REPORT_LIMIT)
    except (tarfile.TarError, EOFError, OSError, zlib.error):
        raise _bad_archive("damaged or cut short") from None


def _row(data: bytes) -> dict[str, str | None] | None:
    """Return the row of one report, None when its XML cannot be read."""
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import ParseError, fromstring

    try:
        root = fromstring(data)
    except (ParseError, DefusedXmlException, ValueError):
        return None
    label = root.find("uId")
    name = (label.get("id") if label is not None else None) or ""
    if not name:
        return None
    majors = [(item.text or "").strip() for item in root.iter("major")]
    terms = sorted({term.split("/")[0] for term in majors if term})
    image = root.find("parentImage")
    return {
        "id": name,
        "group": name,
        "report": _report(root) or None,
        "normal": ("normal" if terms == ["normal"] else "abnormal") if terms else None,
        "mesh": "|".join(terms) or None,
        "image": image.get("id") if image is not None else None,
    }


def _report(root: Any) -> str:
    """Return the sections under their headings, empty ones left out; "" without findings."""
    found = {}
    for item in root.iter("AbstractText"):
        body = " ".join("".join(item.itertext()).split())
        if body:
            found[(item.get("Label") or "").upper()] = body
    if not found.keys() & {"FINDINGS", "IMPRESSION"}:
        return ""
    return "\n".join(f"{name}: {found[name]}" for name in _SECTIONS if name in found)


def _bad_archive(found: str) -> Refusal:
    return Refusal(
        "E-MAN-102", file=ARCHIVE, field="archive", found=found,
        expected=f"at most {MEMBER_LIMIT} XML reports of at most {REPORT_LIMIT} bytes",
    )  # fmt: skip


OPENI = Openi()
