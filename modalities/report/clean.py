"""Turns bytes into clean text, naming every repair it makes."""

from __future__ import annotations

import codecs
import re
import unicodedata

from workbench.errors import BadInput

PLACEHOLDER = "___"

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip
_INVISIBLE = re.compile(
    "[\u0000\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff]"
)
_CONTROL = re.compile(r"[\x01-\x08\x0b\x0e-\x1f\x7f-\x9f]")
_RTF_GROUP = re.compile(
    r"\{\\(?:\*|fonttbl|colortbl|stylesheet|info|pict)[^{}]*(?:\{[^{}]*\}[^{}]*)*\}"
)
_RTF_PARAGRAPH = re.compile(r"\\(?:par|line|sect|page)\b ?")
_RTF_HEX = re.compile(r"\\'([0-9a-fA-F]{2})")
_RTF_WORD = re.compile(r"\\[a-zA-Z]{1,32}-?\d{0,10} ?|\\[^a-zA-Z0-9]|[{}]")
_HL7_ESCAPE = re.compile(r"\\(?:\.[a-z]{2}[+-]?\d*|[HNFSTRE]|X[0-9A-F]+)\\")
_HL7_SEGMENT = re.compile(r"(?m)^(?:MSH|PID|PV1|ORC|OBR|EVN|NTE)\|[^\r\n]*[\r\n]*")
_HL7_RESULT = re.compile(r"(?m)^OBX\|[^|\n]*\|(?:TX|FT|ST)\|[^|\n]*\|[^|\n]*\|([^|\r\n]*)[^\r\n]*")
_MARKDOWN = re.compile(
    r"(?m)^ {0,3}#{1,6} +|\*\*|(?<!\w)__(?=[^\W_])|(?<=[^\W_])__(?!\w)|^ {0,3}[*•] +|```+|~~~+"
)
_REDACTED = re.compile(
    r"_{3,}|\b(?-i:X{4,})\b|\[\*\*[^\]\n]{0,80}\*\*\]|\[(?:redacted|deidentified|anonymi[sz]ed)\]|<(?:name|date|phone)>",
    re.IGNORECASE,
)  # fmt: skip


def decode(data: bytes, name: str) -> tuple[str, list[str]]:
    """Return the text of a file by its byte order mark, as UTF-8, or as Windows-1252.

    Raises:
        BadInput: bytes that none of these encodings allows.
    """
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            try:
                text = data.decode("utf-8-sig" if encoding == "utf-8" else encoding)
            except UnicodeDecodeError as cause:
                raise _undecodable(name, encoding, cause.start) from None
            return text, [] if encoding == "utf-8" else [f"F-TXT-002 {encoding}"]
    try:
        return data.decode("utf-8"), []
    except UnicodeDecodeError as cause:
        place = cause.start
    try:
        return data.decode("cp1252"), ["F-TXT-002 cp1252"]
    except UnicodeDecodeError:
        raise _undecodable(name, "utf-8", place) from None


def clean(text: str) -> tuple[str, list[str]]:
    """Return the text without what does not belong in one, and flags for what was taken out.

    Invisible and control characters go (R03), Markdown, RTF and HL7 remnants go (R19), marks of
    de-identification become one neutral token (R07). HTML stays: it is text (R15).
    """
    flags: list[str] = []
    plain = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    visible = _CONTROL.sub(" ", _INVISIBLE.sub("", plain))
    if visible != plain:
        flags.append("F-TXT-003 invisible-characters")
    # first of all: some of these marks look like Markdown
    neutral = _REDACTED.sub(PLACEHOLDER, visible)
    if PLACEHOLDER in neutral:
        flags.append("F-TXT-007 placeholders")
    bare = _strip_markup(neutral)
    if bare != neutral:
        flags.append("F-TXT-019 markup-stripped")
    lines = (" ".join(line.split()) for line in bare.split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip(), flags


def _strip_markup(text: str) -> str:
    """Remove RTF control words, HL7 segments with their escapes, and Markdown marks."""
    if text.lstrip().startswith("{\\rtf"):
        text = _RTF_PARAGRAPH.sub("\n", _RTF_GROUP.sub("", text))
        text = _RTF_HEX.sub(lambda hit: bytes([int(hit[1], 16)]).decode("cp1252", "replace"), text)
        text = _RTF_WORD.sub("", text)
    if "|" in text:
        text = _HL7_RESULT.sub(r"\1", _HL7_SEGMENT.sub("", text))
    text = _HL7_ESCAPE.sub(lambda hit: "\n" if hit[0].startswith("\\.") else " ", text)
    return _MARKDOWN.sub("", text)


def _undecodable(name: str, encoding: str, place: int) -> BadInput:
    return BadInput(
        "E-TXT-002", file=name, field=f"byte {place}", found=f"no valid {encoding}",
        expected="UTF-8, UTF-16 with a byte order mark, or Windows-1252",
    )  # fmt: skip
