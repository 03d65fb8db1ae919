"""One recording and its text: the maps of sources and the words that are read off them, to be looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from align_eval.corpus.audio import Samples, read_audio
from align_eval.engine.passes import Spoken
from align_eval.engine.process import align_words
from align_eval.formats.run.maps import KeptMaps
from align_eval.presets import make_systems
from align_eval.records import AudioSpan, System, Word
from align_eval.text import split_words

if TYPE_CHECKING:
    from whisper.model import Whisper


@dataclass(frozen=True, slots=True)
class Explained:
    """Samples at 16 kHz, the words of the text, their times by system, and the mean map of every source."""

    samples: Samples
    texts: tuple[str, ...]
    words: dict[System, tuple[Word, ...]]
    maps: KeptMaps


def explain(
    model: Whisper, audio: Path, text: str, sources: Sequence[str], align: str, language: str | None = None
) -> Explained:
    """Maps and word times of one recording of at most 30 s.

    Raises
    ------
    InputError
        Where audio, text or a spec cannot be used.
    """
    from align_eval.model.language import language_of

    systems = make_systems(sources, [align])
    samples = read_audio(AudioSpan(audio))
    language = language_of(model, samples, language)
    texts = tuple(split_words(text, language))
    aligned = align_words(model, Spoken(samples, texts, language), systems, keep="maps")
    assert aligned.kept is not None  # keep says so
    return Explained(samples, texts, aligned.words, aligned.kept)
