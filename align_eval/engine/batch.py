"""Several utterances through the model at once, for GPUs, which one utterance does not fill.

The shared pass of encoder and decoder is batched. Each utterance is prepared, attributed and aligned by itself, and
fails by itself. Utterances of similar length go together. A batch sums in another order than a single utterance, so
that maps differ in their last bits. The batch is part of the signature; docs/performance.md says how far times move.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache, partial
from typing import TYPE_CHECKING

from align_eval.engine.utterance import (
    MappedSpeech,
    Result,
    attempt,
    map_speech,
    read_speech,
    time_speech,
)
from align_eval.errors import InputWarning, is_out_of_memory
from align_eval.pipeline import PassOf, Speech, passes_of
from align_eval.records import Failure, Utterance
from align_eval.relevance.options import Tokens

if TYPE_CHECKING:
    from torch import Tensor
    from whisper.model import Whisper

    from align_eval.engine.cache import MapCache
    from align_eval.model.forward import Pass
    from align_eval.model.text import ForcedText
    from align_eval.options import Plan


def process_many(
    utterances: Sequence[Utterance], plan: Plan, model: Whisper, cache: MapCache | None = None
) -> list[Result | Failure]:
    """The result of every utterance, or its failure, in order: through the model in batches."""
    results: dict[int, Result | Failure] = {}
    speeches: dict[int, Speech] = {}
    for i, utterance in enumerate(utterances):
        speech = attempt(utterance, partial(read_speech, plan=plan, model=model))
        if isinstance(speech, Failure):
            results[i] = speech
        else:
            speeches[i] = speech
    results |= process_speeches(utterances, speeches, plan, model, cache)
    return [results[i] for i in range(len(utterances))]


def process_speeches(
    utterances: Sequence[Utterance],
    speeches: Mapping[int, Speech],
    plan: Plan,
    model: Whisper,
    cache: MapCache | None = None,
) -> dict[int, Result | Failure]:
    """Results by index of the utterance. While paths of one batch are searched, a device computes the next."""
    first_tokens = plan.systems[0].source.tokens

    def begin(chunk: Mapping[int, Speech]) -> list[PassOf]:
        begin_pass, passes = batched_passes(model, list(chunk.values()), plan.options.context, plan.options.dtype)
        if cache is None:  # with a cache, start lazily: every map may already be cached
            with suppress(Exception):  # each utterance gets the error when it asks for its pass
                begin_pass(first_tokens)
        return passes

    def mapping(speech: Speech, pass_of: PassOf) -> Callable[[Utterance], MappedSpeech | None]:
        return lambda _: map_speech(speech, plan, model, pass_of, cache)

    results: dict[int, Result | Failure] = {}
    chunks = list(batches(speeches, plan.options.batch, plan.options.context))
    passes = begin(chunks[0]) if chunks else []
    for n, chunk in enumerate(chunks, start=1):
        mapped = {i: attempt(utterances[i], mapping(speeches[i], p)) for i, p in zip(chunk, passes, strict=True)}
        passes = []  # hold one batch at a time
        passes = begin(chunks[n]) if n < len(chunks) else []
        for i, maps_or_failure in mapped.items():
            if isinstance(maps_or_failure, Failure):
                results[i] = maps_or_failure
                continue
            work = partial(time_speech, speech=speeches[i], mapped=maps_or_failure, plan=plan)
            results[i] = attempt(utterances[i], work)
    return results


def batches(speeches: Mapping[int, Speech], size: int, context: str = "full") -> Iterator[dict[int, Speech]]:
    """Divide utterances into batches of similar length; with a fitted context, of equal length."""
    from align_eval.model.forward import full_frames

    def length(i: int) -> tuple[int, int]:
        n_frames = full_frames(len(speeches[i].samples)) if context == "fit" else 0
        return n_frames, sum(map(len, speeches[i].texts))

    waiting = sorted(speeches, key=lambda i: (*length(i), i))
    while waiting:
        batch = [i for i in waiting[:size] if length(i)[0] == length(waiting[0])[0]]
        yield {i: speeches[i] for i in batch}
        waiting = waiting[len(batch) :]


def batched_passes(
    model: Whisper, speeches: Sequence[Speech], context: str = "full", dtype: str = "float32"
) -> tuple[Callable[[Tokens], object], list[PassOf]]:
    """Passes over utterances whose encoded windows are equally long, all made when the first one is asked for.

    An utterance that the model cannot take raises its error when its own pass is asked for. Where the device has no
    memory for the batch, an InputWarning says so and every utterance is done alone. Every utterance gets any other
    error of the batch.

    Returns
    -------
    begin : function
        Makes the passes for some tokens; on a GPU it does not wait for them.
    passes : list of functions
        One per utterance, as :func:`~align_eval.pipeline.passes_of` makes it.
    """
    import torch

    from align_eval.model.forward import encode, forced_passes, mel_of
    from align_eval.model.text import force_words

    @cache
    def encoded() -> tuple[tuple[Tensor, ...], dict[int, tuple[int, int]]]:
        """Taps, and for every utterance with usable audio its row in them and its number of frames."""
        mels: list[Tensor] = []
        rows: dict[int, tuple[int, int]] = {}
        for i, speech in enumerate(speeches):
            with suppress(Exception):  # raised again when its pass is asked for
                mel, n_frames = mel_of(model, speech.samples, context, dtype)
                rows[i] = len(mels), n_frames
                mels.append(mel)
        return (encode(model, torch.cat(mels)) if mels else ()), rows

    @cache
    def batch(tokens: Tokens) -> dict[int, Pass]:
        try:
            taps, rows = encoded()
            texts: dict[int, ForcedText] = {}
            for i in rows:
                with suppress(Exception):
                    texts[i] = force_words(model, speeches[i].texts, speeches[i].language, *tokens)
            if len(texts) < len(rows):
                taps = tuple(tap[[rows[i][0] for i in texts]] for tap in taps)
            n_frames = [rows[i][1] for i in texts]
            passes = forced_passes(model, taps, list(texts.values()), n_frames) if texts else []
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            message = f"a batch of {len(speeches)} utterances does not fit into the device's memory: done one by one"
            warnings.warn(InputWarning(message), stacklevel=2)
            return {}
        return dict(zip(texts, passes, strict=True))

    def pass_of(i: int) -> PassOf:
        return lambda tokens: batch(tokens).get(i) or passes_of(model, speeches[i], context, dtype)(tokens)

    return batch, [pass_of(i) for i in range(len(speeches))]
