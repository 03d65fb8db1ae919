"""The unit of work: all systems on one utterance, from samples and words to times."""

from __future__ import annotations

import gc
import math
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt

from align_eval.alignment import align_map
from align_eval.alignment.energy import energy_at_columns
from align_eval.corpus.audio import Samples, read_audio
from align_eval.corpus.transcript_file import read_transcript
from align_eval.engine.passes import PassOf, Spoken, Tokens, passes_of
from align_eval.errors import AlignEvalError, BugError, InputError, bug_message, is_out_of_memory
from align_eval.formats.run.maps import KeptMaps
from align_eval.records import Failure, IntVector, Pairing, Plan, RelevanceMap, System, Utterance, Word
from align_eval.relevance import relevance_maps, stacks_of, tokens_of, unprepared
from align_eval.scoring.pairing import pair_words
from align_eval.text import split_words
from align_eval.units import SAMPLE_RATE, WINDOW_S

if TYPE_CHECKING:
    from whisper.model import Whisper

    from align_eval.corpus.folder import Corpus
    from align_eval.engine.cache import MapCache

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


Outcome = Aligned | Failure


def process(
    utterance: Utterance, plan: Plan, model: Whisper, keep: Keep = "nothing", cache: MapCache | None = None
) -> Aligned:
    """Word times of an utterance by every system of the plan; the same bytes whatever is processed before or beside.

    Maps that the cache knows are not made again, but where stacks are kept, which it does not hold.

    Raises
    ------
    InputError
        Where audio, text or a map cannot be used.
    """
    if plan.text == "hypothesis" and utterance.duration_s > WINDOW_S:
        return _process_long(utterance, plan, model, read_audio(utterance.audio, longest_s=math.inf), cache)
    spoken = read_spoken(utterance, plan, model)
    return time_spoken(utterance, spoken, map_spoken(spoken, plan, model, keep, cache), plan)


def read_spoken(utterance: Utterance, plan: Plan, model: Whisper) -> Spoken:
    """The samples of an utterance, and the words to align: the reference's, the transcript's or what is recognised."""
    from align_eval.model.language import language_of

    samples = read_audio(utterance.audio)
    language = language_of(model, samples, utterance.language)
    if plan.text == "words":
        return Spoken(samples, tuple(word.text for word in utterance.words), language)
    if plan.text == "transcript":
        return Spoken(samples, tuple(split_words(read_transcript(utterance), language)), language)
    from align_eval.model.decode import recognise

    return Spoken(samples, tuple(split_words(recognise(model, samples, language), language)), language)


def map_spoken(
    spoken: Spoken,
    plan: Plan,
    model: Whisper,
    keep: Keep = "nothing",
    cache: MapCache | None = None,
    pass_of: PassOf | None = None,
) -> Mapped | None:
    """Maps of what is spoken; None where nothing is said, as where nothing was recognised."""
    sources = [system.source for system in plan.systems]
    pass_of = pass_of or passes_of(model, spoken, plan.context, plan.dtype)
    nothing_said = plan.text != "words" and not spoken.texts
    return None if nothing_said else map_words(model, spoken, sources, pass_of, keep, cache)


def time_spoken(utterance: Utterance, spoken: Spoken, mapped: Mapped | None, plan: Plan) -> Aligned:
    """Times of what is spoken by every system, and which words of it are which of the reference."""
    if plan.text == "words" and mapped:
        return time_words(spoken, plan.systems, mapped)
    pairing = pair_words([word.text for word in utterance.words], spoken.texts, spoken.language)
    if mapped is None:  # every word is missed, by every system alike
        return Aligned(dict.fromkeys(plan.systems, ()), {}, pairing=pairing)
    return replace(time_words(spoken, plan.systems, mapped), pairing=pairing)


def _process_long(
    utterance: Utterance, plan: Plan, model: Whisper, samples: Samples, cache: MapCache | None
) -> Aligned:
    """What is recognised in a recording of any length, in the windows that Whisper seeks, on the recording's clock."""
    from align_eval.model.decode import recognise_long
    from align_eval.model.language import language_of

    utterance = replace(utterance, language=language_of(model, samples, utterance.language))
    words: dict[System, list[Word]] = {system: [] for system in plan.systems}
    for stretch in recognise_long(model, samples, utterance.language):
        texts = split_words(stretch.text, utterance.language)
        if not texts:
            continue
        of_stretch = samples[round(stretch.start_s * SAMPLE_RATE) : round(stretch.end_s * SAMPLE_RATE)]
        try:
            spoken = Spoken(of_stretch, tuple(texts), utterance.language)
            found = align_words(model, spoken, plan.systems, context=plan.context, dtype=plan.dtype, cache=cache)
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


def each_utterance(
    corpus: Corpus, work: Callable[[Utterance], T], on_done: Callable[[str], None] | None = None
) -> tuple[dict[str, T], tuple[Failure, ...]]:
    """Run `work` on every utterance, and list those that failed with those that could not be loaded, by id.

    Raises
    ------
    InputError
        Where nothing is left: no utterance to work on, or every one failed.
    BugError
        Where every one failed, of them one or more by an unexpected error.
    """
    results: dict[str, T] = {}
    failures = list(corpus.failures)
    for utterance in corpus.utterances:
        outcome = attempt(utterance, work)
        if isinstance(outcome, Failure):
            failures.append(outcome)
        else:
            results[utterance.id] = outcome
        if on_done:
            on_done(utterance.id)
    if not results:
        raise all_failed(corpus, failures)
    return results, by_id(failures)


def attempt(utterance: Utterance, work: Callable[[Utterance], T]) -> T | Failure:
    """Run `work` on one utterance. Any error becomes a Failure, so the others still run."""
    try:
        return attempt_expected(utterance, work)
    except Exception as error:  # a bug in one utterance must not lose the others
        message = f"utterance {utterance.id}: {bug_message(error)}; report it with its traceback"
        return Failure(utterance.id, message, traceback.format_exc())


def attempt_expected(utterance: Utterance, work: Callable[[Utterance], T]) -> T | Failure:
    """Run `work` on one utterance. A bad input or a lack of memory becomes a Failure; a bug is raised."""
    try:
        return work(utterance)
    except InputError as error:
        named = utterance.part_of is None and utterance.audio.path.name in error.place
        return Failure(utterance.id, str(error) if named else f"utterance {utterance.id}, {error}")
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        problem = f"does not fit into memory ({type(error).__name__}: {error})"
        remedy = "try it alone, with --batch 1, or with more memory"
        return Failure(utterance.id, f"utterance {utterance.id}: {problem}; {remedy}")
    finally:
        gc.collect(0)  # graphs of large tensors are cyclic: without this the demo takes a tenth more memory


def all_failed(corpus: Corpus, failures: Sequence[Failure]) -> AlignEvalError:
    """The error to raise where no utterance is left: a bug, where one of them met one."""
    for failure in failures:
        if failure.traceback:
            return BugError(f"corpus {corpus.name}: every utterance failed: {failure.message}", failure.traceback)
    listed = "; ".join(f.message for f in failures[:3])
    return InputError(f"corpus {corpus.name}", f"every utterance failed: {listed}", "mend what is listed")


def by_id(failures: Iterable[Failure]) -> tuple[Failure, ...]:
    """Failures in the order in which a run lists them."""
    return tuple(sorted(failures, key=lambda f: f.id))


def mean_of_words(of_token: npt.NDArray[np.float32], word_of_token: IntVector) -> list[float]:
    """Means over the tokens of each word; the end of the text belongs to none."""
    _, first, count = np.unique(word_of_token[:-1], return_index=True, return_counts=True)
    means: list[float] = (np.add.reduceat(of_token[:-1], first) / count.astype(np.float32)).tolist()
    return means


def align_words(
    model: Whisper,
    spoken: Spoken,
    systems: Sequence[System],
    *,
    context: str = "full",
    dtype: str = "float32",
    keep: Keep = "nothing",
    cache: MapCache | None = None,
) -> Aligned:
    """Times of words by every system, from one shared pass a way to put the tokens.

    The confidence of a word is the mean probability of its tokens.
    """
    pass_of = passes_of(model, spoken, context, dtype)
    mapped = map_words(model, spoken, [system.source for system in systems], pass_of, keep, cache)
    return time_words(spoken, systems, mapped)


@dataclass(frozen=True, slots=True)
class Mapped:
    """What the model gives of one utterance, on the host: the rest is done without it.

    Attributes
    ----------
    maps : dict
        By source.
    confidence : dict
        Mean probability of each word's tokens, by the tokens of a pass.
    stacks : dict
        ``(map, token, frame)`` by the name of a stack, where they are kept.
    word_of_token : dict
        By unit.
    """

    maps: dict[str, RelevanceMap]
    confidence: dict[Tokens, list[float]]
    stacks: dict[str, npt.NDArray[np.float32]]
    word_of_token: dict[str, IntVector]


def map_words(
    model: Whisper,
    spoken: Spoken,
    sources: Sequence[str],
    pass_of: PassOf,
    keep: Keep = "nothing",
    cache: MapCache | None = None,
) -> Mapped:
    """The maps of sources, looked up in the cache or made from passes."""
    from align_eval.relevance.stack import text_rows

    sources = list(dict.fromkeys(sources))
    maps: dict[str, RelevanceMap] = {}
    confidence: dict[Tokens, list[float]] = {}
    stacks: dict[str, npt.NDArray[np.float32]] = {}
    word_of_token: dict[str, IntVector] = {}
    key_of = cache.keys(spoken.samples, spoken.texts, spoken.language) if cache and keep == "nothing" else None
    for tokens in dict.fromkeys(tokens_of(source) for source in sources):
        same_tokens = [source for source in sources if tokens_of(source) == tokens]
        if cache and key_of:
            known = {source: found for source in same_tokens if (found := cache.get(key_of(source)))}
            maps |= {source: found.relevance for source, found in known.items()}
            same_tokens = [source for source in same_tokens if source not in known]
            if not same_tokens:
                confidence[tokens] = list(next(iter(known.values())).confidence)
                continue
        shared = pass_of(tokens)
        stack_of = stacks_of(model, shared)
        made = relevance_maps(model, shared, same_tokens, stack_of)
        maps |= made
        confidence[tokens] = mean_of_words(shared.log_prob.exp().cpu().numpy(), shared.text.word_of_token)
        if cache and key_of:
            for source, relevance in made.items():
                cache.put(key_of(source), relevance, confidence[tokens])
        word_of_token[tokens[0]] = shared.text.word_of_token  # the token before the text does not change it
        if keep != "nothing":
            for source in same_tokens:
                stack = stack_of(source)
                values = text_rows(stack.values, stack.first_row, shared.text)
                whole = values if keep == "heads" else values.mean(dim=0, keepdim=True)
                stacks[unprepared(source)] = whole.detach().float().cpu().numpy()
    return Mapped(maps, confidence, stacks, word_of_token)


def time_words(spoken: Spoken, systems: Sequence[System], mapped: Mapped) -> Aligned:
    """Times of words by every system from the maps of its source."""
    maps, confidence = mapped.maps, mapped.confidence
    grid = next(iter(maps.values()))  # that of every source and unit
    energy = energy_at_columns(spoken.samples, grid.values.shape[1], grid.frame_s, grid.start_s)
    results: dict[System, tuple[Word, ...]] = {}
    for system in systems:
        times = align_map(maps[system.source], energy, system.align, spoken.samples).words
        of_words = zip(spoken.texts, times, confidence[tokens_of(system.source)], strict=True)
        results[system] = tuple(Word(text, start_s, end_s, p) for text, (start_s, end_s), p in of_words)
    sources = dict.fromkeys(system.source for system in systems)
    in_passes = sorted(sources, key=lambda source: list(confidence).index(tokens_of(source)))  # cached or made
    details = {source: dict(maps[source].details) for source in in_passes if maps[source].details}
    if not mapped.stacks:
        return Aligned(results, details)
    of_stacks = {unprepared(source): found for source, found in details.items()}
    kept = KeptMaps(mapped.stacks, mapped.word_of_token, energy, grid.frame_s, grid.start_s, of_stacks)
    return Aligned(results, details, kept)
