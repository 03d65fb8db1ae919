"""Forced alignment of English words and phones with PocketSphinx.

The first pass finds the words in the audio, the second pass finds the phones inside the words. Frames are 10 ms long;
frame ``i`` is taken to start at ``10 i`` ms. All settings are the defaults of the package, whose beams are the best
ones. The English model and lexicon (CMUdict) are those in its wheel.

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
from align_eval.corpus.file_search import read_text
from align_eval.errors import InputError, reason
from align_eval.records import Word

if TYPE_CHECKING:
    from pocketsphinx import Decoder

FRAME_S = 0.01
FULL_SCALE = 2**15 - 1

_VARIANT = re.compile(r"\(\d+\)$")
"""Number of a further pronunciation of a word in the lexicon: ``the(2)``."""

_OUTER_PUNCTUATION = re.compile(r"^[\W_]+|[\W_]+$")
_APOSTROPHES = str.maketrans("’‘ʼ＇", "''''")


class NotAlignedError(Exception):
    """PocketSphinx could not align the words with the audio."""


@dataclass(frozen=True, slots=True)
class Aligned:
    """Words and phones with their times in seconds, without the silence and noises between them."""

    words: tuple[Word, ...]
    phones: tuple[Word, ...]


def make_decoder(lexicon: Mapping[str, str] | None = None) -> Decoder:
    """Make a decoder with the English model.

    Parameters
    ----------
    lexicon
        Pronunciations to add, by word.

    Raises
    ------
    InputError
        If the package is not installed, or a pronunciation cannot be added.
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
            problem = f"{phones!r} cannot be added: it is in the lexicon already, or a phone is unknown"
            raise InputError(f"lexicon, {word!r}", problem, "write ARPAbet without stress, as `DH AH`") from error
    return decoder


def read_lexicon(path: Path) -> dict[str, str]:
    """Read pronunciations in the format of CMUdict: a word and its phones per line; ``;;;`` starts a comment.

    Returns
    -------
    dict
        Phones, separated by spaces, by word in lower case.

    Raises
    ------
    InputError
        If the file cannot be read, or a line has no phones.
    """
    lexicon: dict[str, str] = {}
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if not line.strip() or line.startswith(";;;"):
            continue
        word, *phones = line.split()
        if not phones:
            raise InputError(f"{path}, line {number}", f"{word!r} has no phones", "write the word, then its phones")
        lexicon[word.lower()] = " ".join(phones)
    return lexicon


def strip_punctuation(text: str) -> str:
    """A word with plain apostrophes and without the punctuation around it; empty if there is nothing else."""
    return _OUTER_PUNCTUATION.sub("", text.translate(_APOSTROPHES))


def lexicon_keys(decoder: Decoder, word: str) -> tuple[str, ...]:
    """Entries of the lexicon for a word: the word itself or its hyphenated parts; empty if it has neither."""
    key = word.lower()
    if decoder.lookup_word(key) is not None:
        return (key,)
    parts = tuple(part for part in key.split("-") if part)
    return parts if len(parts) > 1 and all(decoder.lookup_word(part) is not None for part in parts) else ()


def align(decoder: Decoder, samples: Samples, words: Sequence[str], keys: Sequence[Sequence[str]]) -> Aligned:
    """Align words with audio.

    Parameters
    ----------
    samples
        float32[n_samples], mono, at 16 kHz.
    words
        Texts of the words in the result.
    keys
        Entries of the lexicon for each word (:func:`lexicon_keys`).

    Raises
    ------
    NotAlignedError
        If either pass fails. The decoder cannot be used after that: make another one.
    """
    pcm = np.rint(np.clip(samples, -1, 1) * FULL_SCALE).astype("<i2").tobytes()
    all_keys = [key for word_keys in keys for key in word_keys]
    try:
        decoder.set_align_text(" ".join(all_keys))
        _run_pass(decoder, pcm)
        if decoder.hyp() is None:
            raise NotAlignedError("the words were not found in the audio")
        decoder.set_alignment()
        _run_pass(decoder, pcm)
        entries: list[tuple[str, float, float]] = []
        phones: list[Word] = []
        for entry in decoder.get_alignment():
            name = _VARIANT.sub("", entry.name)
            if name.startswith(("<", "[", "+")):
                continue
            entries.append((name, *_span_s(entry)))
            # the phones of a word are freed when the next word is read
            phones += [Word(phone.name, *_span_s(phone)) for phone in entry]
    except RuntimeError as error:
        raise NotAlignedError(f"the words were not found in the audio ({reason(error)})") from error
    if [name for name, _, _ in entries] != all_keys:
        raise NotAlignedError("other words were found than those of the text")
    aligned: list[Word] = []
    first = 0
    for text, word_keys in zip(words, keys, strict=True):
        aligned.append(Word(text, entries[first][1], entries[first + len(word_keys) - 1][2]))
        first += len(word_keys)
    return Aligned(tuple(aligned), tuple(phones))


def _run_pass(decoder: Decoder, pcm: bytes) -> None:
    decoder.start_utt()
    decoder.process_raw(pcm, full_utt=True)
    decoder.end_utt()


def _span_s(entry: object) -> tuple[float, float]:
    """Start and end of a word or phone in seconds."""
    start, n_frames = entry.start, entry.duration  # type: ignore[attr-defined]  # the package has no types
    return start * FRAME_S, (start + n_frames) * FRAME_S
