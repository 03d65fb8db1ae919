"""The alignment library's one call."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from align_eval.corpus.audio import Samples, read_audio
from align_eval.engine.passes import Spoken
from align_eval.engine.process import align_words
from align_eval.errors import InputError
from align_eval.presets import make_systems
from align_eval.records import AudioSpan, Word
from align_eval.text import split_words

if TYPE_CHECKING:
    from whisper.model import Whisper


def align(
    model: Whisper | str | Path,
    audio: str | Path | Samples,
    text: str,
    *,
    source: str = "gradient:at=encoder-output",
    align: str = "viterbi",
    language: str | None = None,
) -> tuple[Word, ...]:
    """Times of the words of a known text.

    Parameters
    ----------
    model
        As from :func:`~align_eval.model.load.load_model`, or what that takes.
    audio
        A file, or float32 samples at 16 kHz; at most 30 s.
    text
        What is spoken; words are what white space separates, or characters in a language without spaces.
    source, align
        Specs, as ``attention:heads=all`` and ``dtw``, or a preset's name as ``align``.
    language
        Whisper's code of the language, or ``auto`` to detect it; needed by multilingual models.

    Returns
    -------
    tuple of Word
        With times in seconds and the mean probability of the word's tokens as confidence.

    Raises
    ------
    InputError
        Where audio, text, model or spec cannot be used.

    Examples
    --------
    >>> model = load_model("tiny.en")  # doctest: +SKIP
    >>> align(model, "speech.wav", "and you always want to see it")  # doctest: +SKIP
    """
    (system,) = make_systems([source], [align])
    if not isinstance(text, str):
        raise InputError("text", f"is a {type(text).__name__}", "give one string, words separated by white space")
    if isinstance(model, str | Path):
        from align_eval.model.load import load_model

        model = load_model(model)
    if isinstance(audio, str | Path):
        samples = read_audio(AudioSpan(Path(audio)))
    else:
        given = np.asarray(audio)
        if given.ndim != 1 or not np.issubdtype(given.dtype, np.floating):
            problem = f"is an array of {given.dtype} of shape {given.shape}"
            raise InputError("audio", problem, "give mono samples at 16 kHz as floats from -1 to 1")
        if not np.isfinite(given).all():
            raise InputError("audio", f"sample {int(np.argmin(np.isfinite(given)))} is not finite", "mend the audio")
        samples = np.ascontiguousarray(given, dtype=np.float32)
    from align_eval.model.language import language_of

    language = language_of(model, samples, language)
    spoken = Spoken(samples, tuple(split_words(text, language)), language)
    return align_words(model, spoken, [system]).words[system]
