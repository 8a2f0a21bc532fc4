"""Personal details are noticed by kind, ordinary report text is not."""

from __future__ import annotations

import pytest

from modalities.report.people import person_marks


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("Discussed with Dr. Example.", ("name",)),
        ("Frau Muster, MRN: 4471123", ("name", "record-number")),
        ("Compared with 12/03/2019.", ("date",)),
        ("Call 555-123-4567.", ("phone",)),
        ("a.b@example.org", ("e-mail",)),
        ("Heart 12.5 cm, T7/T8, 3-4 mm nodule, 120/80 mmHg, V1-V6.", ()),
        ("The patient is rotated.", ()),
    ],
)
def test_kinds_of_personal_detail(text: str, kinds: tuple[str, ...]) -> None:
    assert person_marks(text) == kinds
