"""A small model with random weights and a corpus of noise: a whole run in a second, for tests of the engine."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import soundfile
import torch
from whisper.model import Whisper

from align_eval import cli
from align_eval.formats.textgrids import write_words
from align_eval.records import Word
from tests.model.conftest import small_dims
from tests.model.transformers_folder import write_folder

OPTIONS = ("--source", "attention:heads=all", "--source", "gradient", "--align", "dtw", "--keep", "maps")
WORDS = ("two", "plus", "seven")


def write_model(folder: Path) -> Path:
    """A model whose weights are the same each time."""
    generator = torch.Generator().manual_seed(0)
    model = Whisper(small_dims())
    for parameter in model.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator) * 0.1
    return write_folder(model, folder)


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


def exit_code(*arguments: object) -> int:
    """What `align-eval` with these arguments ends with, in this process."""
    before, sys.argv = sys.argv, ["align-eval", *map(str, arguments)]
    try:
        cli.main()
    except SystemExit as ended:
        return int(ended.code or 0)
    finally:
        sys.argv = before
    return 0
