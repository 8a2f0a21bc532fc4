"""Cuts text into integer ids, one id layout for every tokenizer.

The first ids are the same everywhere, so that masking needs to know no tokenizer: 0 padding,
1 mask, 2 class token, 3 unknown. Word ids follow: the hash of a word for the built-in tokenizer, the
tokenizer's own id plus `SPECIALS` for one of `transformers`.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from functools import lru_cache
from pathlib import Path
from typing import Any

from modalities.report.clean import PLACEHOLDER
from modalities.report.options import ReportOptions
from workbench.errors import Refusal
from workbench.modality import Weights

PAD, MASK, CLASS, UNKNOWN = range(4)
SPECIALS = 4
HASH = "hash"

_TOKEN = re.compile(r"_{3,}|[^\W_]+(?:['’][^\W_]+)*|[.;:?!/+%<>=]")


def words(text: str) -> list[str]:
    """Return normalised words and the punctuation that carries meaning.

    >>> words("No pleural EFFUSION.")
    ['no', 'pleural', 'effusion', '.']
    """
    return _TOKEN.findall(unicodedata.normalize("NFKC", text).casefold())


def encode(text: str, options: ReportOptions) -> list[int]:
    """Return the ids of a text, not cut to length; words of the text never become control ids."""
    if options.tokenizer != HASH:
        return _encode_with(options.tokenizer, text)
    ids: list[int] = []
    for word in words(text):
        ids.append(_hashed(word, options.vocabulary))
        n = options.character_ngrams
        if n and len(word) > n:
            padded = f"<{word}>"
            grams = (padded[i : i + n] for i in range(len(padded) - n + 1))
            ids += [_hashed(f"#{gram}", options.vocabulary) for gram in grams]
    return ids


def vocabulary_size(options: ReportOptions) -> int:
    """Return the number of ids, the special ones included."""
    if options.tokenizer == HASH:
        return options.vocabulary
    return SPECIALS + len(load_tokenizer(options.tokenizer))


def tokenizer_digest(options: ReportOptions) -> str:
    """Return what tells two tokenizers apart, whatever folder they lie in."""
    if options.tokenizer == HASH:
        return f"hash/blake2b/{options.vocabulary}/{options.character_ngrams}"
    tokenizer = load_tokenizer(options.tokenizer)
    table = json.dumps(sorted(tokenizer.get_vocab().items()), ensure_ascii=True)
    probe = json.dumps(_encode_with(options.tokenizer, "No Pleural effusion, [SEP] 12.5 mm; Ödem."))
    return hashlib.sha256(f"{table}{probe}".encode()).hexdigest()


def tokenizer_of(weights: Weights) -> str:
    """Return how `ReportOptions.tokenizer` names the tokenizer that came with some weights."""
    if weights.revision and not Path(weights.source).expanduser().exists():
        return f"{weights.source}@{weights.revision}"
    return weights.source


@lru_cache(maxsize=4)
def load_tokenizer(name: str) -> Any:
    """Return a `transformers` tokenizer, read once per process.

    Raises:
        Refusal: no such folder, or no tokenizer in it.
    """
    from transformers import AutoTokenizer

    source, _, revision = name.rpartition("@")
    where: dict[str, Any] = {"trust_remote_code": False, "use_fast": True}
    if revision and source and not Path(name).expanduser().exists():
        where |= {"revision": revision}
    else:
        source = str(Path(name).expanduser())
        where |= {"local_files_only": True}
        if not Path(source).is_dir():
            raise _no_tokenizer(name, "no such folder")
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, **where)
    except (OSError, ValueError, KeyError) as cause:
        raise _no_tokenizer(name, type(cause).__name__) from None
    if tokenizer.pad_token_id is None and tokenizer.eos_token_id is None:
        raise _no_tokenizer(name, "a tokenizer without a padding token")
    return tokenizer


def _encode_with(name: str, text: str) -> list[int]:
    """Encode with a `transformers` tokenizer; "[SEP]" inside the text is five characters."""
    tokenizer = load_tokenizer(name)
    # a text longer than the model only draws a warning here; it is cut later, by our own policy
    ids = tokenizer(text, split_special_tokens=True, truncation=False, verbose=False)["input_ids"]
    return [SPECIALS + int(i) for i in ids]


def ending(name: str) -> list[int]:
    """Return the ids that a tokenizer puts after every text, such as [SEP]."""
    if name == HASH:
        return []
    empty = _encode_with(name, "")
    some = _encode_with(name, "a")
    length = 0
    while length < len(empty) and empty[-1 - length] == some[-1 - length]:
        length += 1
    return some[len(some) - length :] if length else []


@lru_cache(maxsize=65536)
def _hashed(word: str, vocabulary: int) -> int:
    """Return the stable id of a word; marks of de-identification are all the unknown word."""
    if word.startswith(PLACEHOLDER):
        return UNKNOWN
    digest = hashlib.blake2b(word.encode(), digest_size=8).digest()
    return SPECIALS + int.from_bytes(digest, "little") % (vocabulary - SPECIALS)


def _no_tokenizer(name: str, found: str) -> Refusal:
    return Refusal(
        "E-TXT-100", file=name, field="options.tokenizer", found=found,
        expected="hash, a local tokenizer folder, or a hub id org/name@commit",
    )  # fmt: skip
