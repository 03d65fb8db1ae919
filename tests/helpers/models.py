"""Small models with random weights, the same each time, and passes of them: seconds become milliseconds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from whisper.model import ModelDimensions, Whisper

from align_eval.model.forward import Pass, shared_pass
from align_eval.model.text import force_words


def small_dims(**sizes: int) -> ModelDimensions:
    """Dimensions of a model with tiny.en's vocabulary and window, small in everything else but ``sizes``."""
    dims = {
        "n_mels": 80, "n_audio_ctx": 1500, "n_audio_state": 16, "n_audio_head": 2, "n_audio_layer": 2,
        "n_vocab": 51864, "n_text_ctx": 448, "n_text_state": 16, "n_text_head": 2, "n_text_layer": 2,
    }  # fmt: skip
    return ModelDimensions(**dims | sizes)


def random_whisper(scale: float = 0.1, seed: int = 0, **sizes: int) -> Whisper:
    """A small model with normal weights of standard deviation ``scale``."""
    generator = torch.Generator().manual_seed(seed)
    model = Whisper(small_dims(**sizes))
    for parameter in model.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator) * scale
    return model.eval().requires_grad_(False)


def noise_pass(model: Whisper, words: Sequence[str] = ("two", "words"), n_samples: int = 8000) -> Pass:
    """The pass of ``n_samples`` of quiet noise with some words; "two words" are one token each."""
    samples = np.random.default_rng(0).standard_normal(n_samples).astype(np.float32) * 0.1
    return shared_pass(model, samples, force_words(model, list(words), "en"))
