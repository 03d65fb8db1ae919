"""The unit of work: all systems on one utterance, from samples and words to times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from align_eval.alignment import align_map
from align_eval.alignment.energy import energy_at_columns
from align_eval.corpus.audio import Samples, read_audio
from align_eval.errors import InputError
from align_eval.records import Plan, System, Utterance, Word
from align_eval.relevance import relevance_maps

if TYPE_CHECKING:
    from whisper.model import Whisper


@dataclass(frozen=True, slots=True)
class Aligned:
    """Word times of one utterance by system, and the evidence that sources gave of themselves, by their spec."""

    words: dict[System, tuple[Word, ...]]
    details: dict[str, dict[str, Any]]


def process(utterance: Utterance, plan: Plan, model: Whisper) -> Aligned:
    """Word times of an utterance by every system of the plan; the same bytes whatever is processed before or beside.

    Raises
    ------
    InputError
        Where audio, text or a map cannot be used; the message names the utterance.
    """
    try:
        samples = read_audio(utterance.audio)
        texts = [word.text for word in utterance.words]
        return align_words(model, samples, texts, utterance.language, plan.systems, context=plan.context)
    except InputError as error:
        if utterance.audio.path.name in error.place:
            raise
        raise InputError(f"utterance {utterance.id}, {error.place}", error.problem, error.remedy) from error


def align_words(
    model: Whisper,
    samples: Samples,
    texts: Sequence[str],
    language: str | None,
    systems: Sequence[System],
    *,
    context: str = "full",
) -> Aligned:
    """Times of words in 16 kHz samples of at most 30 s, by every system, from one shared pass.

    The confidence of a word is the mean probability of its tokens.
    """
    from align_eval.model.forward import shared_pass
    from align_eval.model.text import force_words

    forced = force_words(model, texts, language)
    shared = shared_pass(model, samples, forced, context)
    energy = energy_at_columns(samples, shared.n_frames, shared.frame_s, shared.start_s)
    probability = shared.log_prob.exp().numpy()
    confidence = [float(probability[forced.word_of_token == i].mean()) for i in range(len(texts))]
    maps = relevance_maps(model, shared, [system.source for system in systems])
    results: dict[System, tuple[Word, ...]] = {}
    for system in systems:
        times = align_map(maps[system.source], energy, system.align).words
        results[system] = tuple(
            Word(text, start_s, end_s, p) for text, (start_s, end_s), p in zip(texts, times, confidence, strict=True)
        )
    return Aligned(
        results, {source: dict(relevance.details) for source, relevance in maps.items() if relevance.details}
    )
