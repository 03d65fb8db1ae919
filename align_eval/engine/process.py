"""The unit of work: all systems on one utterance, from samples and words to times."""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt

from align_eval.alignment import align_map
from align_eval.alignment.energy import energy_at_columns
from align_eval.corpus.audio import Samples, read_audio
from align_eval.corpus.folder import Corpus
from align_eval.corpus.transcript import read_transcript
from align_eval.errors import InputError
from align_eval.formats.maps import KeptMaps
from align_eval.records import Failure, IntVector, Pairing, Plan, RelevanceMap, System, Utterance, Word
from align_eval.relevance import relevance_maps, stacks_of, tokens_of, unprepared
from align_eval.scoring.pairing import pair_words
from align_eval.transcript import split_words
from align_eval.units import SAMPLE_RATE, WINDOW_S

if TYPE_CHECKING:
    from whisper.model import Whisper


T = TypeVar("T")

Keep = Literal["nothing", "maps", "heads"]
"""What is kept of the sources' stacks: nothing, the mean over maps, or every map (every head of attention)."""


@dataclass(frozen=True, slots=True)
class Aligned:
    """Word times of one utterance by system, the evidence that sources gave of themselves, and what was kept.

    ``pairing`` says which words are which of the reference, where the text was not the reference's own.
    """

    words: dict[System, tuple[Word, ...]]
    details: dict[str, dict[str, Any]]
    kept: KeptMaps | None = None
    pairing: Pairing | None = None


def process(utterance: Utterance, plan: Plan, model: Whisper, keep: Keep = "nothing") -> Aligned:
    """Word times of an utterance by every system of the plan; the same bytes whatever is processed before or beside.

    Raises
    ------
    InputError
        Where audio, text or a map cannot be used.
    """
    reference = [word.text for word in utterance.words]
    language = utterance.language
    if plan.text == "hypothesis" and utterance.duration_s > WINDOW_S:
        return _process_long(utterance, plan, model, read_audio(utterance.audio, longest_s=math.inf))
    samples = read_audio(utterance.audio)
    if plan.text == "words":
        return align_words(model, samples, reference, language, plan.systems, context=plan.context, keep=keep)
    texts = _spoken(utterance, plan.text, model, samples)
    pairing = pair_words(reference, texts, language)
    if not texts:  # nothing was recognised: every word is missed, by every system alike
        return Aligned(dict.fromkeys(plan.systems, ()), {}, pairing=pairing)
    aligned = align_words(model, samples, texts, language, plan.systems, context=plan.context)
    return replace(aligned, pairing=pairing)


def _process_long(utterance: Utterance, plan: Plan, model: Whisper, samples: Samples) -> Aligned:
    """What is recognised in a recording of any length, in the windows that Whisper seeks, on the recording's clock."""
    from align_eval.model.decode import recognise_long

    words: dict[System, list[Word]] = {system: [] for system in plan.systems}
    for stretch in recognise_long(model, samples, utterance.language):
        texts = split_words(stretch.text, utterance.language)
        if not texts:
            continue
        of_stretch = samples[round(stretch.start_s * SAMPLE_RATE) : round(stretch.end_s * SAMPLE_RATE)]
        try:
            found = align_words(model, of_stretch, texts, utterance.language, plan.systems, context=plan.context)
        except InputError as error:
            place = f"{stretch.start_s:.2f} to {stretch.end_s:.2f} s, {error.place}"
            raise InputError(place, error.problem, error.remedy) from error
        for system, of_system in found.words.items():
            words[system] += [
                replace(w, start_s=w.start_s + stretch.start_s, end_s=w.end_s + stretch.start_s) for w in of_system
            ]
    said = [word.text for word in next(iter(words.values()))]
    pairing = pair_words([word.text for word in utterance.words], said, utterance.language)
    return Aligned({system: tuple(of_system) for system, of_system in words.items()}, {}, pairing=pairing)


def _spoken(utterance: Utterance, text: str, model: Whisper, samples: Samples) -> list[str]:
    """Words to align in place of the reference's: what the model recognises, or the transcript."""
    if text == "transcript":
        return split_words(read_transcript(utterance), utterance.language)
    from align_eval.model.decode import recognise

    return split_words(recognise(model, samples, utterance.language), utterance.language)


def each_utterance(
    corpus: Corpus, work: Callable[[Utterance], T], on_done: Callable[[str], None] | None = None
) -> tuple[dict[str, T], tuple[Failure, ...]]:
    """Do a work on every utterance, and list those that failed with those that could not be loaded, by id.

    Raises
    ------
    InputError
        Where nothing is left: no utterance to work on, or every one failed.
    """
    results: dict[str, T] = {}
    failures = list(corpus.failures)
    for utterance in corpus.utterances:
        try:
            results[utterance.id] = work(utterance)
        except InputError as error:
            named = utterance.part_of is None and utterance.audio.path.name in error.place
            failures.append(Failure(utterance.id, str(error) if named else f"utterance {utterance.id}, {error}"))
        except RuntimeError as error:  # torch's own, as out of memory: one utterance must not lose the others
            message = f"utterance {utterance.id}: the model failed ({error}); try it alone"
            failures.append(Failure(utterance.id, message))
        gc.collect(0)  # graphs of large tensors are cyclic: without this the demo takes a tenth more memory
        if on_done:
            on_done(utterance.id)
    if not results:
        listed = "; ".join(f.message for f in failures[:3])
        raise InputError(f"corpus {corpus.name}", f"every utterance failed: {listed}", "mend what is listed")
    return results, tuple(sorted(failures, key=lambda f: f.id))


def align_words(
    model: Whisper,
    samples: Samples,
    texts: Sequence[str],
    language: str | None,
    systems: Sequence[System],
    *,
    context: str = "full",
    keep: Keep = "nothing",
) -> Aligned:
    """Times of words in 16 kHz samples of at most 30 s, by every system, from one shared pass a way to put the tokens.

    The confidence of a word is the mean probability of its tokens.
    """
    from align_eval.model.forward import shared_pass
    from align_eval.model.text import force_words
    from align_eval.relevance.stack import text_rows

    sources = list(dict.fromkeys(system.source for system in systems))
    maps: dict[str, RelevanceMap] = {}
    confidence: dict[tuple[str, str], list[float]] = {}
    stacks: dict[str, npt.NDArray[np.float32]] = {}
    word_of_token: dict[str, IntVector] = {}
    for tokens in dict.fromkeys(tokens_of(source) for source in sources):
        forced = force_words(model, texts, language, *tokens)
        shared = shared_pass(model, samples, forced, context)
        same_tokens = [source for source in sources if tokens_of(source) == tokens]
        stack_of = stacks_of(model, shared)
        maps |= relevance_maps(model, shared, same_tokens, stack_of)
        probability = shared.log_prob.exp().numpy()
        confidence[tokens] = [float(probability[forced.word_of_token == i].mean()) for i in range(len(texts))]
        word_of_token[tokens[0]] = forced.word_of_token  # the token before the text does not change it
        if keep != "nothing":
            for source in same_tokens:
                values = text_rows(stack_of(source).values, forced)
                whole = values if keep == "heads" else values.mean(dim=0, keepdim=True)
                stacks[unprepared(source)] = whole.detach().float().cpu().numpy()
    energy = energy_at_columns(samples, shared.n_frames, shared.frame_s, shared.start_s)  # of every unit's grid
    results: dict[System, tuple[Word, ...]] = {}
    for system in systems:
        times = align_map(maps[system.source], energy, system.align, samples).words
        of_words = zip(texts, times, confidence[tokens_of(system.source)], strict=True)
        results[system] = tuple(Word(text, start_s, end_s, p) for text, (start_s, end_s), p in of_words)
    details = {source: dict(relevance.details) for source, relevance in maps.items() if relevance.details}
    if keep == "nothing":
        return Aligned(results, details)
    of_stacks = {unprepared(source): found for source, found in details.items()}
    kept = KeptMaps(stacks, word_of_token, energy, shared.frame_s, shared.start_s, of_stacks)
    return Aligned(results, details, kept)
