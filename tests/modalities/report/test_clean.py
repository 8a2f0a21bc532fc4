"""Text is repaired, and every repair is named."""

from __future__ import annotations

import pytest

from modalities.report.clean import clean


@pytest.mark.parametrize("odd", ["\u0000", "\u202e", "\u200b", "\ufeff", "\u2066", "\u00ad"])
def test_invisible_characters_are_removed_and_flagged(odd: str) -> None:
    assert clean(f"effu{odd}sion") == ("effusion", ["F-TXT-003 invisible-characters"])


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("## Findings\n**No** effusion", "Findings\nNo effusion"),
        ("* No effusion", "No effusion"),
        ("__No__ effusion", "No effusion"),
        (r"{\rtf1\ansi{\fonttbl{\f0 Arial;}}\f0\fs20 No effusion.\par Gr\'f6\'dfe normal.}",
         "No effusion.\nGröße normal."),
        (r"No effusion.\.br\Heart normal.", "No effusion.\nHeart normal."),
        ("MSH|^~\\&|A|B\rPID|1||4711\rOBX|1|TX|CODE||No effusion.||||||F", "No effusion."),
    ],
)  # fmt: skip
def test_markup_is_taken_off_and_flagged(raw: str, text: str) -> None:
    assert clean(raw) == (text, ["F-TXT-019 markup-stripped"])


@pytest.mark.parametrize("mark", ["___", "______", "XXXX", "[**2101-3-4**]", "[redacted]"])
def test_marks_of_deidentification_become_one_token(mark: str) -> None:
    assert clean(f"seen on {mark} again") == ("seen on ___ again", ["F-TXT-007 placeholders"])


def test_clean_text_is_left_alone() -> None:
    text = "No effusion; SpO2 <90%. T-wave inversion > 1 mm in V1_V2."
    assert clean(text) == (text, [])


def test_composed_and_decomposed_letters_are_the_same_text() -> None:
    assert clean("Ödem")[0] == clean("O\u0308dem")[0]
