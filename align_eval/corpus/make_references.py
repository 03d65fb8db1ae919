"""Making references: TextGrids with words and phones from audio and its text, where a corpus has none.

The text stands beside the audio as ``.lab`` or ``.txt``; failing that, the words of a TextGrid beside it are aligned
anew. An utterance with a word that the lexicon lacks is not aligned: a guess at what is said there would move its
neighbours. Tiers are named as the Montreal Forced Aligner names them, ``words`` and ``phones``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from align_eval.corpus.audio import AUDIO_SUFFIXES, read_audio
from align_eval.corpus.file_search import identity, list_files, read_text, with_suffix
from align_eval.corpus.folder import TEXTGRID_SUFFIX, TRANSCRIPT_SUFFIXES
from align_eval.corpus.pocketsphinx import Aligned, NotAlignedError, align, in_lexicon, make_decoder, spoken
from align_eval.errors import InputError
from align_eval.formats.textgrids import read_words, write_words
from align_eval.records import AudioSpan, Failure
from align_eval.units import SAMPLE_RATE

if TYPE_CHECKING:
    from pocketsphinx import Decoder

REPORT_NAME = "references.json"


@dataclass(frozen=True, slots=True)
class References:
    """What was made, and what was not.

    ``unknown`` holds the words that the lexicon lacks with the utterances they are in; those are among ``failures``.
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
) -> References:
    """Align every audio file of a folder with its text and write ``out/ID.TextGrid``; nothing is overwritten.

    Raises
    ------
    InputError
        Where there is no audio, or the aligner is not installed. What fails is listed, the rest is made.
    """
    audio = audio_files(folder)
    decoder = make_decoder(lexicon)
    made: list[str] = []
    failures: list[Failure] = []
    unknown: dict[str, list[str]] = {}
    n_words = 0
    for id_, paths in audio.items():
        try:
            grid = out / f"{id_}.TextGrid"
            if grid.exists():
                raise InputError(grid, "is there already", "choose another --out, or remove it")
            aligned, duration_s = _one(decoder, folder, id_, paths, unknown)
            write_words(grid, {"words": aligned.words, "phones": aligned.phones}, duration_s)
            made.append(id_)
            n_words += len(aligned.words)
        except NotAlignedError as error:
            message = f"{paths[0]}: {error}; check that the text is what is said there"
            failures.append(Failure(id_, message))
            decoder = make_decoder(lexicon)  # a failed pass leaves the old one in a state that fails what follows
        except InputError as error:
            failures.append(Failure(id_, str(error)))
        if on_done:
            on_done(id_)
    by_word = {word: tuple(ids) for word, ids in sorted(unknown.items())}
    return References(f"pocketsphinx {version('pocketsphinx')}", tuple(made), n_words, by_word, tuple(failures))


def audio_files(folder: Path) -> dict[str, list[Path]]:
    """Audio files of a folder by id.

    Raises
    ------
    InputError
        Where there are none.
    """
    audio: dict[str, list[Path]] = {}
    for path in with_suffix(list_files(folder), *AUDIO_SUFFIXES) if folder.is_dir() else ():
        audio.setdefault(identity(path, folder), []).append(path)
    if not audio:
        raise InputError(folder, "holds no audio", f"give a folder with {' '.join(AUDIO_SUFFIXES)} files")
    return audio


def _one(
    decoder: Decoder, folder: Path, id_: str, paths: list[Path], unknown: dict[str, list[str]]
) -> tuple[Aligned, float]:
    """The alignment of an audio file, and the file's length; words that the lexicon lacks are added to ``unknown``."""
    if len(paths) > 1:
        names = ", ".join(path.name for path in paths)
        raise InputError(folder / id_, f"{len(paths)} audio files have this name: {names}", "leave one of them")
    words = [word for word in map(spoken, _text(paths[0]).split()) if word]
    if not words:
        raise InputError(paths[0], "its text has no words", "write what is said there")
    keys = [in_lexicon(decoder, word) for word in words]
    lacking = sorted({word.lower() for word, of_word in zip(words, keys, strict=True) if not of_word})
    for word in lacking:
        unknown.setdefault(word, []).append(id_)
    if lacking:
        listed = ", ".join(map(repr, lacking))
        raise InputError(paths[0], f"the lexicon lacks {listed}", "add them with --lexicon, or write them otherwise")
    samples = read_audio(AudioSpan(paths[0]), longest_s=math.inf)
    return align(decoder, samples, words, keys), len(samples) / SAMPLE_RATE


def _text(audio: Path) -> str:
    for suffix in TRANSCRIPT_SUFFIXES:
        path = audio.with_suffix(suffix)
        if path.is_file():
            return read_text(path)
    grids = [path for path in sorted(audio.parent.glob("*")) if path.suffix.lower() == TEXTGRID_SUFFIX]
    for grid in grids:
        if grid.stem == audio.stem:
            return " ".join(word.text for word in read_words(grid))
    remedy = f"add {audio.stem}.txt with what is said there"
    raise InputError(audio, f"has no {' or '.join(TRANSCRIPT_SUFFIXES)} file and no TextGrid beside it", remedy)
