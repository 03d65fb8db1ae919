"""A small model with random weights and a corpus of noise: a whole run in a second, for tests of the engine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from align_eval.formats.textgrids import write_words
from align_eval.records import Word
from tests.helpers.models import random_whisper
from tests.helpers.transformers_folder import write_folder

OPTIONS = ("--source", "attention:heads=all", "--source", "gradient", "--align", "dtw", "--keep", "maps")
WORDS = ("two", "plus", "seven")


def write_model(folder: Path) -> Path:
    """A model whose weights are the same each time."""
    return write_folder(random_whisper(), folder)


def write_corpus(folder: Path, n_utterances: int) -> Path:
    """Noise of one to two seconds with three words each."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for i in range(n_utterances):
        duration_s = 1 + i % 5 / 4
        soundfile.write(folder / f"u{i:05}.wav", rng.standard_normal(round(duration_s * 16000)) * 0.1, 16000)
        words = [Word(text, duration_s * j / 3, duration_s * (j + 1) / 3) for j, text in enumerate(WORDS)]
        write_words(folder / f"u{i:05}.TextGrid", {"words": words}, duration_s)
    return folder


def files_of(run: Path) -> dict[str, bytes]:
    """All that a run folder holds, by path."""
    return {path.relative_to(run).as_posix(): path.read_bytes() for path in sorted(run.rglob("*")) if path.is_file()}
