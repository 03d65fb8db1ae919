"""From audio to word times: the file to read first.

    samples and texts -> passes -> maps -> word times

1. A *pass* (:func:`passes_of`): the words become tokens, the audio becomes a log-mel, and the model runs once over
   both, forced through the tokens. Sources that ask for the same tokens share one pass.
2. A *map* (:func:`maps_of_passes`): every relevance source reads the pass and says how much each frame matters to each
   token. Its preparation gives the one map that a path is searched in.
3. *Word times* (:func:`words`): an aligner finds a path through the map, which gives each word its start and end.

Attention and saliency take the same way and differ in the map alone. All functions here are pure: no files, no global
state. ``align``, ``explain``, ``evaluate`` and ``run`` all call them; caching, batching, saving of maps and several
machines wrap them from outside, by another ``pass_of`` or another ``maps_of``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from align_eval.alignment.energy import energy_at_columns
from align_eval.alignment.word_times import align_map
from align_eval.records import IntVector, RelevanceMap, Word
from align_eval.relevance.options import Tokens
from align_eval.relevance.source import Source
from align_eval.units import FRAME_S, START_S

if TYPE_CHECKING:
    from torch import Tensor
    from whisper.model import Whisper

    from align_eval.corpus.audio import Samples
    from align_eval.model.forward import Pass
    from align_eval.model.text import ForcedText
    from align_eval.relevance.stack import Stack, StackOf
    from align_eval.systems import System


@dataclass(frozen=True, slots=True)
class Speech:
    """Input of the model: samples and the words to align.

    Attributes
    ----------
    samples : float32[n_samples]
        Mono at 16 kHz, at most 30 s.
    texts : tuple of str
        The words to align, in order.
    language : str or None
        Whisper's code.
    """

    samples: Samples
    texts: tuple[str, ...]
    language: str | None


@dataclass(frozen=True, slots=True)
class SourceMap:
    """The prepared map of one source, and the mean probability of each word's tokens in the pass behind it."""

    relevance: RelevanceMap
    confidence: tuple[float, ...]


PassOf = Callable[[Tokens], "Pass"]
MapsOf = Callable[[Sequence[Source]], Mapping[Source, SourceMap]]
OnStack = Callable[[Source, "Stack", "ForcedText"], None]


def words(
    samples: Samples, texts: Sequence[str], systems: Sequence[System], maps_of: MapsOf
) -> dict[System, tuple[Word, ...]]:
    """Times of words by every system.

    Parameters
    ----------
    samples : float32[n_samples]
        Mono at 16 kHz, at most 30 s.
    texts : sequence of str
        The words, in order.
    systems : sequence of System
    maps_of : function
        From sources to their maps on these samples and texts, as :func:`maps_of_passes` makes it.

    Returns
    -------
    dict of System to tuple of Word
        One word per text, with times in seconds from the first sample.

    Raises
    ------
    InputError
        Where audio, text or a map cannot be used.
    """
    maps = maps_of(sources_of(systems))
    timed_by = words_of_maps(samples, texts, maps)
    return {system: timed_by(system) for system in systems}


def words_of_maps(
    samples: Samples, texts: Sequence[str], maps: Mapping[Source, SourceMap]
) -> Callable[[System], tuple[Word, ...]]:
    """Make a function from a system to the times of words, read off the map of its source."""
    n_frames = next(iter(maps.values())).relevance.values.shape[1]  # the same for every source
    energy = energy_at_columns(samples, n_frames, FRAME_S, START_S)

    def timed_by(system: System) -> tuple[Word, ...]:
        source_map = maps[system.source]
        times = align_map(source_map.relevance, energy, system.aligner, samples).words
        return tuple(
            Word(text, start_s, end_s, confidence)
            for text, (start_s, end_s), confidence in zip(texts, times, source_map.confidence, strict=True)
        )

    return timed_by


def align_speech(
    model: Whisper, speech: Speech, systems: Sequence[System], *, context: str = "full", dtype: str = "float32"
) -> dict[System, tuple[Word, ...]]:
    """Times of the words of one utterance by every system: :func:`words` with maps made here."""
    maps_of = maps_of_passes(model, passes_of(model, speech, context, dtype))
    return words(speech.samples, speech.texts, systems, maps_of)


def sources_of(systems: Iterable[System]) -> list[Source]:
    """The sources of systems, each once, in order."""
    return list(dict.fromkeys(system.source for system in systems))


def passes_of(model: Whisper, speech: Speech, context: str = "full", dtype: str = "float32") -> PassOf:
    """Make a function from tokens to the pass over one utterance that is forced through them.

    The encoder knows no tokens: it runs once, when the first pass is asked for. The function raises an InputError where
    the words give no tokens, or the audio is too short or too long.
    """
    from align_eval.model.forward import encode, forced_passes, mel_of
    from align_eval.model.text import force_words

    @cache
    def encoded() -> tuple[tuple[Tensor, ...], int]:
        mel, n_frames = mel_of(model, speech.samples, context, dtype)
        return encode(model, mel), n_frames

    def pass_of(tokens: Tokens) -> Pass:
        text = force_words(model, speech.texts, speech.language, *tokens)
        taps, n_frames = encoded()
        return forced_passes(model, taps, [text], [n_frames])[0]

    return pass_of


def maps_of_passes(model: Whisper, pass_of: PassOf, on_stack: OnStack | None = None) -> MapsOf:
    """Make a function from sources to their maps. Calls with sources of the same tokens in turn share one pass.

    Parameters
    ----------
    model : Whisper
    pass_of : function
        From tokens to their pass, as :func:`passes_of` makes it.
    on_stack : function, optional
        Called with every source, its stack of maps before preparation, and the tokens of its rows.
    """
    from align_eval.relevance.stack import stacks_of

    @lru_cache(maxsize=1)  # one pass in memory at a time
    def pass_with_stacks(tokens: Tokens) -> tuple[Pass, StackOf, tuple[float, ...]]:
        shared = pass_of(tokens)
        confidence = word_means(shared.log_prob.exp().cpu().numpy(), shared.text.word_of_token)
        return shared, stacks_of(model, shared), confidence

    def maps_of(sources: Sequence[Source]) -> dict[Source, SourceMap]:
        maps: dict[Source, SourceMap] = {}
        for tokens, group in by_tokens(sources).items():
            shared, stack_of, confidence = pass_with_stacks(tokens)
            for source in group:
                stack = stack_of(source)
                maps[source] = SourceMap(relevance_map(source, stack, shared.text), confidence)
                if on_stack:
                    on_stack(source, stack, shared.text)
        return maps

    return maps_of


def by_tokens(sources: Iterable[Source]) -> dict[Tokens, list[Source]]:
    """Sources by the tokens of their pass, each once."""
    groups: dict[Tokens, list[Source]] = {}
    for source in dict.fromkeys(sources):
        groups.setdefault(source.tokens, []).append(source)
    return groups


def relevance_map(source: Source, stack: Stack, text: ForcedText) -> RelevanceMap:
    """Prepare a stack to the one map that a path is searched in, with one row per token and one for the end.

    Raises
    ------
    InputError
        Where the map is not finite.
    """
    from align_eval.relevance.prepare import prepare
    from align_eval.relevance.stack import text_rows

    prepared = prepare(stack.values, source.prep)  # (row, frame)
    first = stack.first_row
    return RelevanceMap(
        values=text_rows(prepared, first, text).cpu().numpy(),
        frame_s=FRAME_S,
        start_s=START_S,
        word_of_token=text.word_of_token,
        spec=source.text,
        details=stack.details,
        lead=prepared[first - 1 : first].cpu().numpy() if first > 0 else None,
        pieces=text.pieces,
        letters=text.letters,
    )


def word_means(token_values: npt.NDArray[np.float32], word_of_token: IntVector) -> tuple[float, ...]:
    """Mean over the tokens of each word, ``float[n_words]``; the end of the text belongs to no word."""
    _, first, count = np.unique(word_of_token[:-1], return_index=True, return_counts=True)
    return tuple((np.add.reduceat(token_values[:-1], first) / count.astype(np.float32)).tolist())
