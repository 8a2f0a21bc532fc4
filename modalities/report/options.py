"""The options of the report modality: what is read of a report, how it is cut into tokens."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from workbench.modality import Options

SECTIONS = ("indication", "comparison", "findings", "impression")


class ReportOptions(Options):
    """What `modalities: {report: {options: ...}}` may hold.

    Attributes:
        source: whether a cell is inline text or the path of a file; `auto` takes one line that
            ends in a known suffix as a path.
        sections: sections kept, in order of priority: what does not fit `max_tokens` is lost from
            the end. A report in which none of them is found is taken whole.
        tokenizer: "hash", or a local tokenizer folder, or a hub id `org/name@commit`.
        vocabulary: number of ids of the hash tokenizer, its four special ids included.
        character_ngrams: n of the character n-grams that the hash tokenizer adds after every word
            (0 = none); they suit encoders that ignore order, and inflected or compound words.
        max_tokens: tokens kept; the share cut off is in `meta["truncated"]`.
        prefix: words put before the text, such as "The report from ECG is: ".
        augment: how a training view varies: `sentences` are shuffled and may be left out, `words`
            are left out, `tail` drops trailing words (a lineage then ends at a higher rank).
        drop_words: share of the words that `augment: words` leaves out, or the chance that
            `augment: sentences` leaves a sentence out.
        phi: what is done about names, record numbers, dates and phone numbers in the text:
            `flag` marks the sample, `strict` refuses it, `off` does not look.
        max_characters: longest text that is read.
    """

    source: Literal["auto", "text", "file"] = "auto"
    sections: tuple[str, ...] = ("findings", "impression")
    tokenizer: str = "hash"
    vocabulary: int = Field(default=8192, ge=64, le=1 << 20)
    character_ngrams: int = Field(default=0, ge=0, le=8)
    max_tokens: int = Field(default=512, ge=4, le=8192)
    prefix: str = ""
    augment: Literal["none", "sentences", "words", "tail"] = "sentences"
    drop_words: float = Field(default=0.1, ge=0.0, lt=1.0)
    phi: Literal["strict", "flag", "off"] = "flag"
    max_characters: int = Field(default=1_000_000, ge=1)

    @field_validator("sections")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [name for name in value if name not in SECTIONS]
        if unknown or len(set(value)) != len(value):
            raise ValueError(f"sections must be different names out of {list(SECTIONS)}")
        return value
