"""A part of a corpus for one of several machines: which utterances it has depends on their ids alone."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace

from align_eval.corpus.folder import Corpus
from align_eval.errors import InputError
from align_eval.records import Utterance


@dataclass(frozen=True, slots=True)
class Shard:
    """Part ``number`` of ``count``, counted from 1."""

    number: int
    count: int


def parse_shard(text: str) -> Shard:
    """Read ``i/n``.

    Raises
    ------
    InputError
        Where it is not that, or i is not from 1 to n.
    """
    found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise InputError(f"shard {text!r}", "is no i/n with i from 1 to n", "give 1/4, 2/4, 3/4 and 4/4, each once")
    return Shard(int(found[1]), int(found[2]))


def in_shard(corpus: Corpus, shard: Shard) -> Corpus:
    """The utterances of a shard; all windows of a recording are in the same.

    The rule: the SHA-256 of the id in UTF-8, its first 8 bytes as an unsigned big-endian number, modulo the count, is
    the shard's number less one. So utterances that are added or removed move no other.
    """

    def belongs(u: Utterance) -> bool:
        digest = hashlib.sha256((u.part_of or u.id).encode()).digest()
        return int.from_bytes(digest[:8], "big") % shard.count == shard.number - 1

    return replace(corpus, utterances=tuple(u for u in corpus.utterances if belongs(u)))
