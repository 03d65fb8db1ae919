"""Forced alignment of words and phones with PocketSphinx, and the settings that are frozen for it.

Two passes: the first finds the words in the audio, the second, inside them, the phones. Frame ``i`` of 10 ms is taken
to start at ``10 i`` ms. All settings are the package's defaults: its beams are the best ones. Its wheel carries the
English model and lexicon (CMUdict) that are used.

Reference: Huggins-Daines et al. 2006, "PocketSphinx: A Free, Real-Time Continuous Speech Recognition System".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from align_eval.corpus.audio import Samples
from align_eval.errors import InputError
from align_eval.records import Word

if TYPE_CHECKING:
    from pocketsphinx import Decoder

FRAME_S = 0.01
FULL_SCALE = 2**15 - 1

_VARIANT = re.compile(r"\(\d+\)$")
"""The lexicon numbers the further pronunciations of a word: ``the(2)``."""

_EDGES = re.compile(r"^[\W_]+|[\W_]+$")
_APOSTROPHES = str.maketrans("’‘ʼ＇", "''''")


class NotAlignedError(Exception):
    """PocketSphinx found no way through the audio."""


@dataclass(frozen=True, slots=True)
class Aligned:
    """Words and phones with their times; silence and noises stand between them and are not here."""

    words: tuple[Word, ...]
    phones: tuple[Word, ...]


def make_decoder(lexicon: Mapping[str, str] | None = None) -> Decoder:
    """A decoder of the English model, with pronunciations added to its lexicon.

    Raises
    ------
    InputError
        Where the package is missing, or a pronunciation cannot be added.
    """
    try:
        from pocketsphinx import Config, Decoder
    except ImportError as error:
        raise InputError("pocketsphinx", "is not installed", "pip install 'align-eval[reference]'") from error
    decoder = Decoder(Config(lm=None, loglevel="FATAL"))
    for word, phones in (lexicon or {}).items():
        try:
            decoder.add_word(word, phones, True)
        except RuntimeError as error:
            problem = f"{phones!r} cannot be added: it stands there already, or a phone is unknown"
            raise InputError(f"lexicon, {word!r}", problem, "write ARPAbet without stress, as `DH AH`") from error
    return decoder


def read_lexicon(path: Path) -> dict[str, str]:
    """Pronunciations by word, in the form of CMUdict: a line a word, then its phones; ``;;;`` starts a comment.

    Raises
    ------
    InputError
        Where a line is none.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(path, f"cannot be read ({error})", "give a text file in UTF-8") from error
    lexicon: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith(";;;"):
            continue
        word, *phones = line.split()
        if not phones:
            raise InputError(f"{path}, line {number}", f"{word!r} has no phones", "write the word, then its phones")
        lexicon[word.lower()] = " ".join(phones)
    return lexicon


def spoken(text: str) -> str:
    """A word without the punctuation around it, apostrophes plain; empty where nothing is left to say."""
    return _EDGES.sub("", text.translate(_APOSTROPHES))


def in_lexicon(decoder: Decoder, word: str) -> tuple[str, ...]:
    """How the lexicon spells a word: itself, or the parts between its hyphens; empty where it has neither."""
    key = word.lower()
    if decoder.lookup_word(key) is not None:
        return (key,)
    parts = tuple(part for part in key.split("-") if part)
    return parts if len(parts) > 1 and all(decoder.lookup_word(part) is not None for part in parts) else ()


def align(decoder: Decoder, samples: Samples, words: Sequence[str], keys: Sequence[Sequence[str]]) -> Aligned:
    """Times of words, each spelt in the lexicon by its ``keys``.

    Raises
    ------
    NotAlignedError
        Where either pass fails. The decoder is of no use after that: make another.
    """
    pcm = np.rint(np.clip(samples, -1, 1) * FULL_SCALE).astype("<i2").tobytes()
    flat = [key for of_word in keys for key in of_word]
    try:
        decoder.set_align_text(" ".join(flat))
        _pass_over(decoder, pcm)
        if decoder.hyp() is None:
            raise NotAlignedError("the words were not found in the audio")
        decoder.set_alignment()
        _pass_over(decoder, pcm)
        entries: list[tuple[str, float, float]] = []
        phones: list[Word] = []
        for entry in decoder.get_alignment():
            name = _VARIANT.sub("", entry.name)
            if name.startswith(("<", "[", "+")):
                continue
            entries.append((name, *_span_s(entry)))
            # read here: when the next word is read, this one's phones are gone
            phones += [Word(phone.name, *_span_s(phone)) for phone in entry]
    except RuntimeError as error:
        raise NotAlignedError(f"the words were not found in the audio ({error})") from error
    if [name for name, _, _ in entries] != flat:
        raise NotAlignedError("other words were found than were looked for")
    found: list[Word] = []
    at = 0
    for text, of_word in zip(words, keys, strict=True):
        found.append(Word(text, entries[at][1], entries[at + len(of_word) - 1][2]))
        at += len(of_word)
    return Aligned(tuple(found), tuple(phones))


def _pass_over(decoder: Decoder, pcm: bytes) -> None:
    decoder.start_utt()
    decoder.process_raw(pcm, full_utt=True)
    decoder.end_utt()


def _span_s(entry: object) -> tuple[float, float]:
    start, n_frames = entry.start, entry.duration  # type: ignore[attr-defined]  # the package has no types
    return start * FRAME_S, (start + n_frames) * FRAME_S
