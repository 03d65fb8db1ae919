"""Making references: forced alignment of audio with its text, written as TextGrids with words and phones.

The text is a ``.lab`` or ``.txt`` file beside the audio. Without one, the words of a TextGrid beside it are aligned
again. An utterance with a word that is not in the lexicon is not aligned: a guessed pronunciation would move the
neighbouring words. The tiers are ``words`` and ``phones``, as those of the Montreal Forced Aligner.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from align_eval.corpus.audio import check_channel, read_audio
from align_eval.corpus.disk_names import on_disk
from align_eval.corpus.failing import failure_of
from align_eval.corpus.file_search import (
    audio_by_identity,
    beside,
    by_identity,
    list_files,
    listed_apart,
    read_text,
)
from align_eval.corpus.folder import TEXTGRID_SUFFIX, TRANSCRIPT_SUFFIXES
from align_eval.corpus.pocketsphinx import (
    Aligned,
    NotAlignedError,
    align,
    lexicon_keys,
    make_decoder,
    strip_punctuation,
)
from align_eval.corpus.sound.suffixes import AUDIO_SUFFIXES
from align_eval.errors import InputError, listed
from align_eval.formats.atomic import inside
from align_eval.formats.textgrids import Tiers, read_words, write_words
from align_eval.records import AudioSpan, Failure
from align_eval.units import SAMPLE_RATE

if TYPE_CHECKING:
    from pocketsphinx import Decoder

REPORT_NAME = "references.json"


@dataclass(frozen=True, slots=True)
class References:
    """Result of making references.

    Attributes
    ----------
    aligner : str
        Name and version of the aligner.
    made : tuple of str
        Ids of the utterances that were aligned.
    n_words : int
        Number of words in them.
    unknown : mapping
        Words that are not in the lexicon, with the ids of their utterances; those are among ``failures``.
    failures : tuple of Failure
        Utterances that were not aligned.
    """

    aligner: str
    made: tuple[str, ...]
    n_words: int
    unknown: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    failures: tuple[Failure, ...] = ()


def make_references(
    folder: Path,
    out: Path,
    lexicon: Mapping[str, str] | None = None,
    on_done: Callable[[str], None] | None = None,
    tier: Tiers = None,
    channel: int | None = None,
) -> References:
    """Align every audio file of a folder with its text and write ``out/ID.TextGrid``; no file is overwritten.

    Parameters
    ----------
    lexicon
        Pronunciations to add, by word (:func:`~align_eval.corpus.pocketsphinx.read_lexicon`).
    on_done
        Called with the id of every utterance, aligned or failed.
    tier
        Word tiers of TextGrids, by name or number.
    channel
        Channel of the audio, counted from 0; None for the mean of all channels.

    Raises
    ------
    InputError
        If there is no audio, the channel is negative, or the aligner is not installed. Errors of single utterances are
        listed as failures.
    """
    check_channel(channel)
    audio = audio_files(folder)
    decoder = make_decoder(lexicon)
    made: list[str] = []
    failures: list[Failure] = []
    unknown: dict[str, list[str]] = {}
    n_words = 0
    for id_, paths in audio.items():
        try:
            grid = on_disk(inside(out, f"{id_}.TextGrid"))
            if grid.exists():
                raise InputError(grid, "exists already", "choose another --out, or remove it")
            aligned, duration_s = _align_file(decoder, folder, id_, paths, unknown, tier, channel)
            write_words(grid, {"words": aligned.words, "phones": aligned.phones}, duration_s)
            made.append(id_)
            n_words += len(aligned.words)
        except NotAlignedError as error:
            message = f"{paths[0]}: {error}; check that the text matches the audio"
            failures.append(Failure(id_, message))
            decoder = make_decoder(lexicon)  # after a failed pass the old one fails on every later file
        except Exception as error:
            failures.append(failure_of(id_, error))
        if on_done:
            on_done(id_)
    by_word = {word: tuple(ids) for word, ids in sorted(unknown.items())}
    return References(f"pocketsphinx {version('pocketsphinx')}", tuple(made), n_words, by_word, tuple(failures))


def audio_files(folder: Path) -> dict[str, list[Path]]:
    """Audio files of a folder by id.

    Raises
    ------
    InputError
        If there are none.
    """
    files = list_files(folder) if folder.is_dir() else ()
    texts = by_identity(files, folder, *TRANSCRIPT_SUFFIXES, TEXTGRID_SUFFIX)
    audio = audio_by_identity(files, folder, texts or None)
    if not audio:
        raise InputError(folder, "holds no audio", f"give a folder with {' '.join(AUDIO_SUFFIXES)} files")
    return audio


def _align_file(
    decoder: Decoder,
    folder: Path,
    id_: str,
    paths: list[Path],
    unknown: dict[str, list[str]],
    tier: Tiers,
    channel: int | None,
) -> tuple[Aligned, float]:
    """Align one audio file; returns its length in seconds too, and adds words without pronunciation to ``unknown``."""
    if len(paths) > 1:
        names = listed_apart(path.name for path in paths)
        raise InputError(folder / id_, f"{len(paths)} audio files have this name: {names}", "keep one of them")
    words = [word for word in map(strip_punctuation, _text(paths[0], tier).split()) if word]
    if not words:
        raise InputError(paths[0], "its text has no words", "write down the spoken words")
    keys = [lexicon_keys(decoder, word) for word in words]
    missing = sorted({word.lower() for word, word_keys in zip(words, keys, strict=True) if not word_keys})
    for word in missing:
        unknown.setdefault(word, []).append(id_)
    if missing:
        words_missing = listed(map(repr, missing))
        raise InputError(
            paths[0], f"the lexicon lacks {words_missing}", "add them with --lexicon, or spell them differently"
        )
    samples = read_audio(AudioSpan(paths[0], channel), longest_s=math.inf)
    return align(decoder, samples, words, keys), len(samples) / SAMPLE_RATE


def _text(audio: Path, tier: Tiers) -> str:
    """Text of an audio file: its transcript, or the words of its TextGrid."""
    for suffix in TRANSCRIPT_SUFFIXES:
        path = on_disk(audio.with_suffix(suffix))
        if path.is_file():
            return read_text(path)
    for grid in beside(audio, TEXTGRID_SUFFIX):
        return " ".join(word.text for word in read_words(grid, tier))
    remedy = f"add {audio.stem}.txt with the spoken words"
    raise InputError(audio, f"has no {' or '.join(TRANSCRIPT_SUFFIXES)} file and no TextGrid beside it", remedy)
