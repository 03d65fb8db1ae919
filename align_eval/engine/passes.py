"""Shared passes of what is spoken: of one utterance, or of a batch of them at once.

A source asks for a pass by its tokens (:func:`~align_eval.relevance.tokens_of`). The encoder, which knows no tokens,
runs once an utterance whatever is asked for, and a pass is made when it is first asked for.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from align_eval.corpus.audio import Samples
from align_eval.errors import InputWarning, is_out_of_memory
from align_eval.relevance.options import Prompt, Unit

if TYPE_CHECKING:
    from torch import Tensor
    from whisper.model import Whisper

    from align_eval.model.forward import Pass
    from align_eval.model.text import ForcedText

Tokens = tuple[Unit, Prompt]
PassOf = Callable[[Tokens], "Pass"]


@dataclass(frozen=True, slots=True)
class Spoken:
    """16 kHz samples of at most 30 s, the words that are put to the model, and their language."""

    samples: Samples
    texts: tuple[str, ...]
    language: str | None


def passes_of(model: Whisper, spoken: Spoken, context: str = "full", dtype: str = "float32") -> PassOf:
    """The passes of one utterance.

    The function raises an InputError where the words cannot be put as tokens, or the audio is too short or long.
    """
    from align_eval.model.forward import encode, forced_passes, mel_of

    @cache
    def encoded() -> tuple[tuple[Tensor, ...], int]:
        mel, n_frames = mel_of(model, spoken.samples, context, dtype)
        return encode(model, mel), n_frames

    def pass_of(tokens: Tokens) -> Pass:
        text = _forced(model, spoken, tokens)
        taps, n_frames = encoded()
        return forced_passes(model, taps, [text], [n_frames])[0]

    return pass_of


def batched_passes(
    model: Whisper, spoken: Sequence[Spoken], context: str = "full", dtype: str = "float32"
) -> tuple[Callable[[Tokens], object], list[PassOf]]:
    """The passes of each of some utterances whose encoded windows are equally long, all made when one is asked for.

    An utterance that cannot be put to the model raises its error where its own pass is asked for. Where the device has
    no memory for the batch, an InputWarning says so, and every utterance is done alone. Another error of the batch as
    a whole is raised to each of its utterances.

    Returns
    -------
    begin : function
        Makes the passes of some tokens; on a GPU it does not wait for them.
    passes : list of functions
        One an utterance, as of :func:`passes_of`.
    """
    import torch

    from align_eval.model.forward import encode, forced_passes, mel_of

    @cache
    def encoded() -> tuple[tuple[Tensor, ...], dict[int, tuple[int, int]]]:
        """Taps, and the row in them and the number of frames of every utterance whose audio can be used."""
        mels: list[Tensor] = []
        place: dict[int, tuple[int, int]] = {}
        for i, each in enumerate(spoken):
            with suppress(Exception):  # raised again where it is asked for
                mel, n_frames = mel_of(model, each.samples, context, dtype)
                place[i] = len(mels), n_frames
                mels.append(mel)
        return (encode(model, torch.cat(mels)) if mels else ()), place

    @cache
    def made(tokens: Tokens) -> dict[int, Pass]:
        try:
            taps, place = encoded()
            texts: dict[int, ForcedText] = {}
            for i in place:
                with suppress(Exception):
                    texts[i] = _forced(model, spoken[i], tokens)
            if len(texts) < len(place):
                taps = tuple(tap[[place[i][0] for i in texts]] for tap in taps)
            n_frames = [place[i][1] for i in texts]
            passes = forced_passes(model, taps, list(texts.values()), n_frames) if texts else []
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            message = f"a batch of {len(spoken)} utterances does not fit into the device's memory: done one by one"
            warnings.warn(InputWarning(message), stacklevel=2)
            return {}
        return dict(zip(texts, passes, strict=True))

    def pass_of(i: int) -> PassOf:
        return lambda tokens: made(tokens).get(i) or passes_of(model, spoken[i], context, dtype)(tokens)

    return made, [pass_of(i) for i in range(len(spoken))]


def _forced(model: Whisper, spoken: Spoken, tokens: Tokens) -> ForcedText:
    from align_eval.model.text import force_words

    return force_words(model, spoken.texts, spoken.language, *tokens)
