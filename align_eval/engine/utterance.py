"""One utterance: read its audio and words, run the pipeline on it, and turn any error into a failure of it alone.

An error of one source or system becomes a failure of that one, and the others time the utterance.
"""

from __future__ import annotations

import gc
import math
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from align_eval.corpus.audio import Samples, read_audio
from align_eval.engine.saved_maps import StackCollector, all_heads_of
from align_eval.errors import (
    NO_MEMORY,
    AlignEvalError,
    BugError,
    InputError,
    bug_message,
    is_out_of_memory,
    printable,
    reason,
)
from align_eval.formats.run.maps import SavedMaps
from align_eval.pipeline import (
    PassOf,
    SourceMap,
    Speech,
    by_tokens,
    maps_of_passes,
    passes_of,
    sources_of,
    words_of_maps,
)
from align_eval.records import AUTO, Failure, FlatRows, Pairing, Utterance, Word, listed_failures, sum_flat_rows
from align_eval.relevance.source import FLAT_ROWS, Source
from align_eval.units import SAMPLE_RATE, WINDOW_S

if TYPE_CHECKING:
    from whisper.model import Whisper

    from align_eval.engine.cache import MapCache
    from align_eval.options import Plan
    from align_eval.systems import System

K = TypeVar("K", "Source", "System")
T = TypeVar("T")


NOT_SPOKEN = ("silence", "noise")
"""Kinds of labels of a transcript that are not forced through the model. Marks alone are part of the text."""


@dataclass(frozen=True, slots=True)
class Result:
    """Word times of one utterance.

    Attributes
    ----------
    words : dict of System to tuple of Word
        Without the systems that failed.
    details : dict of str to dict
        Evidence that sources give about themselves, by source.
    saved : SavedMaps or None
        Maps to save, where the run saves maps.
    pairing : Pairing or None
        The reference word of each word, where the text is not that of the reference.
    failures : tuple of Failure
        The sources and systems that failed; at least one system did not.
    flat_rows : tuple of FlatRows
        Rows of each source, and how many of them are flat.
    """

    words: dict[System, tuple[Word, ...]]
    details: dict[str, dict[str, Any]] = field(default_factory=dict)
    saved: SavedMaps | None = None
    pairing: Pairing | None = None
    failures: tuple[Failure, ...] = ()
    flat_rows: tuple[FlatRows, ...] = ()


@dataclass(frozen=True, slots=True)
class MappedSpeech:
    """The maps of one utterance on the host: the model is no longer needed. Maps to save are in ``saved``.

    ``errors`` are of the sources that have no map.
    """

    maps: Mapping[Source, SourceMap]
    saved: SavedMaps | None = None
    errors: Mapping[Source, Exception] = field(default_factory=dict)


def process(utterance: Utterance, plan: Plan, model: Whisper, cache: MapCache | None = None) -> Result:
    """Word times of an utterance by every system of the plan; other utterances have no influence on them.

    Raises
    ------
    InputError
        Where audio or text cannot be used, or every system failed.
    """
    if plan.options.text == "hypothesis" and utterance.duration_s > WINDOW_S:
        return _process_long(utterance, plan, model, _samples(utterance, math.inf), cache)
    speech = read_speech(utterance, plan, model)
    pass_of = passes_of(model, speech, plan.options.context, plan.options.dtype)
    return time_speech(utterance, speech, map_speech(speech, plan, model, pass_of, cache), plan)


def process_each(
    utterances: Sequence[Utterance], plan: Plan, model: Whisper, cache: MapCache | None = None
) -> list[Result | Failure]:
    """The result of every utterance (:func:`process`), or its failure, in order."""
    return [attempt(utterance, lambda u: process(u, plan, model, cache)) for utterance in utterances]


def read_speech(utterance: Utterance, plan: Plan, model: Whisper) -> Speech:
    """Read the samples, and the words to align: of the reference, of the transcript, or recognised by the model."""
    samples = _samples(utterance)
    language = _language(utterance, model, samples)
    if plan.options.text == "words":
        return Speech(samples, tuple(word.text for word in utterance.words), language)
    from align_eval.text import label_kind, split_words

    if plan.options.text == "transcript":
        from align_eval.corpus.transcript_file import read_transcript

        words = split_words(read_transcript(utterance), language)
        return Speech(samples, tuple(word for word in words if label_kind(word) not in NOT_SPOKEN), language)
    from align_eval.model.decode import recognise

    return Speech(samples, tuple(split_words(recognise(model, samples, language), language)), language)


def _samples(utterance: Utterance, longest_s: float = WINDOW_S) -> Samples:
    return read_audio(utterance.audio, longest_s, lasts_s=utterance.duration_s)


def map_speech(
    speech: Speech, plan: Plan, model: Whisper, pass_of: PassOf, cache: MapCache | None = None
) -> MappedSpeech | None:
    """The maps of speech, looked up in the cache or made; None where the model recognised no word.

    Every source is mapped alone, so that one that fails takes no other with it. If all of them fail, the error is
    raised.
    """
    if plan.options.text != "words" and not speech.texts:
        return None
    collector = None if plan.options.keep == "nothing" else StackCollector(plan.options.keep)
    maps_of = maps_of_passes(model, pass_of, collector.add if collector else None)
    if cache and not collector:
        maps_of = cache.wrap(maps_of, speech)
    asked = sources_of(plan.systems)
    beside = all_heads_of(asked) if plan.options.keep == "heads" else ()
    sources = [source for group in by_tokens((*asked, *beside)).values() for source in group]
    made, errors = each_alone(sources, lambda source: maps_of([source])[source])
    maps = {source: of for source, of in made.items() if source in asked}
    return MappedSpeech(maps, collector.saved(speech.samples, made) if collector else None, errors)


def time_speech(utterance: Utterance, speech: Speech, mapped: MappedSpeech | None, plan: Plan) -> Result:
    """Word times from the maps of speech, paired with the reference where the text is not the reference's."""
    if mapped is None:  # every system misses every word
        return Result(dict.fromkeys(plan.systems, ()), pairing=_pair(utterance, {}, speech.language))
    timed, failures = _time_systems(utterance, speech, mapped, plan.systems)
    pairing = None if plan.options.text == "words" else _pair(utterance, timed, speech.language)
    details = {source.text: dict(of.relevance.details) for source, of in mapped.maps.items() if of.relevance.details}
    return Result(timed, details, mapped.saved, pairing, failures, _flat_rows(mapped))


def _time_systems(
    utterance: Utterance, speech: Speech, mapped: MappedSpeech, systems: Sequence[System]
) -> tuple[dict[System, tuple[Word, ...]], tuple[Failure, ...]]:
    """Word times of the systems whose source has a map, each alone, and the failures of all others."""
    mapped_systems = [system for system in systems if system.source in mapped.maps]
    timed, errors = each_alone(mapped_systems, words_of_maps(speech.samples, speech.texts, mapped.maps), mapped.errors)
    return timed, tuple(_failure_of(utterance, error, item) for item, error in errors.items())


def _flat_rows(mapped: MappedSpeech) -> tuple[FlatRows, ...]:
    return tuple(
        FlatRows(source.text, len(of.relevance.details.get(FLAT_ROWS, ())), len(of.relevance.values))
        for source, of in mapped.maps.items()
    )


def _process_long(utterance: Utterance, plan: Plan, model: Whisper, samples: Samples, cache: MapCache | None) -> Result:
    """Recognise a recording of any length in the windows that Whisper seeks; times count from its first sample."""
    from align_eval.model.decode import recognise_long
    from align_eval.text import split_words

    language = _language(utterance, model, samples)
    timed: dict[System, list[Word]] = {system: [] for system in plan.systems}
    failures: list[Failure] = []
    flat_rows: list[FlatRows] = []
    for stretch in recognise_long(model, samples, language):
        texts = tuple(split_words(stretch.text, language))
        if not texts:
            continue
        speech = Speech(
            samples[round(stretch.start_s * SAMPLE_RATE) : round(stretch.end_s * SAMPLE_RATE)], texts, language
        )
        try:
            pass_of = passes_of(model, speech, plan.options.context, plan.options.dtype)
            left = replace(plan, systems=tuple(timed))
            mapped = map_speech(speech, left, model, pass_of, cache)
            assert mapped is not None  # there are words
            in_window, lost = _time_systems(utterance, speech, mapped, left.systems)
        except InputError as error:
            place = f"{stretch.start_s:.2f} to {stretch.end_s:.2f} s, {error.place}"
            raise InputError(place, error.problem, error.remedy) from error
        failures += [replace(f, message=f"{f.message} (from {stretch.start_s:.2f} s on)") for f in lost]
        flat_rows += _flat_rows(mapped)
        timed = {  # a system that fails in one window fails the recording
            system: timed[system]
            + [
                replace(w, start_s=w.start_s + stretch.start_s, end_s=w.end_s + stretch.start_s)
                for w in in_window[system]
            ]
            for system in timed
            if system in in_window
        }
    pairing = _pair(utterance, timed, language)
    return Result(
        {system: tuple(system_words) for system, system_words in timed.items()},
        pairing=pairing,
        failures=tuple(failures),
        flat_rows=sum_flat_rows(flat_rows),
    )


def _language(utterance: Utterance, model: Whisper, samples: Samples) -> str | None:
    if utterance.language != AUTO:
        return utterance.language
    from align_eval.model.language import detect_language

    return detect_language(model, samples)[0]


def _pair(utterance: Utterance, timed: Mapping[System, Sequence[Word]], language: str | None) -> Pairing:
    """Pair the reference with the words that every system timed; the median of their times decides between equals.

    All systems have one pairing, so that they are scored on the same words.
    """
    from align_eval.edit_alignment import word_times
    from align_eval.scoring.pairing import pair_words

    systems = list(timed.values())
    hypothesis = [word.text for word in systems[0]] if systems else []
    median_s = (
        np.median([word_times(system_words) for system_words in systems], axis=0) if systems else np.empty((0, 2))
    )
    times = word_times(utterance.words), median_s
    return pair_words([word.text for word in utterance.words], hypothesis, language, times)


def attempt(utterance: Utterance, work: Callable[[Utterance], T]) -> T | Failure:
    """Run `work` on one utterance. Any error becomes a Failure, so the others still run."""
    try:
        return attempt_expected(utterance, work)
    except Exception as error:  # a bug in one utterance must not lose the others
        return _failure_of(utterance, error)


def attempt_expected(utterance: Utterance, work: Callable[[Utterance], T]) -> T | Failure:
    """Run `work` on one utterance. A bad input or a lack of memory becomes a Failure; a bug is raised."""
    try:
        return work(utterance)
    except Exception as error:
        if not _is_expected(error):
            raise
        return _failure_of(utterance, error)
    finally:
        gc.collect(0)  # graphs of large tensors are cyclic: without this the demo takes a tenth more memory


def each_alone(
    items: Sequence[K], work: Callable[[K], T], earlier: Mapping[Any, Exception] | None = None
) -> tuple[dict[K, T], dict[Any, Exception]]:
    """Run `work` on every source or system of one utterance.

    Returns
    -------
    done : dict
        The results of those that did not fail.
    errors : dict
        The errors of the others, and ``earlier`` ones.

    Raises
    ------
    Exception
        Where every one failed: the first unexpected error, or else the first error.
    """
    done: dict[K, T] = {}
    errors: dict[Any, Exception] = dict(earlier or {})
    for item in items:
        try:
            done[item] = work(item)
        except Exception as error:
            errors[item] = error
            link: BaseException | None = error
            while link:  # its frames hold tensors, which the next item may need the memory of
                traceback.clear_frames(link.__traceback__)
                link = link.__context__
    if errors and not done:
        raise min(errors.values(), key=_is_expected)
    return done, errors


def _is_expected(error: Exception) -> bool:
    return isinstance(error, InputError) or is_out_of_memory(error)


def _failure_of(utterance: Utterance, error: Exception, item: Source | System | None = None) -> Failure:
    """The failure of an utterance, or of a source or system on it, by an error."""
    system = None if item is None else str(item)
    place = f"utterance {utterance.id}" if system is None else f"utterance {utterance.id}, {system}"
    if isinstance(error, InputError):
        names_file = utterance.part_of is None and printable(utterance.audio.path.name) in error.place
        return Failure(utterance.id, str(error) if names_file and not item else f"{place}, {error}", system=system)
    if is_out_of_memory(error):
        problem = f"{NO_MEMORY} ({type(error).__name__}: {reason(error)})"
        remedy = "use a smaller model, or a machine with more memory"
        return Failure(utterance.id, f"{place}: {problem}; {remedy}", system=system)
    message = f"{place}: {bug_message(error)}; report it with its traceback"
    return Failure(utterance.id, message, "".join(traceback.format_exception(error)), system)


def all_failed(corpus_name: str, failures: Sequence[Failure]) -> AlignEvalError:
    """The error to raise where no utterance is left: a bug, where at least one failed by a bug."""
    for failure in failures:
        if failure.traceback:
            return BugError(f"corpus {corpus_name}: every utterance failed: {failure.message}", failure.traceback)
    messages = listed_failures(failures)
    return InputError(f"corpus {corpus_name}", f"every utterance failed: {messages}", "mend what is listed")


def by_id(failures: Iterable[Failure]) -> tuple[Failure, ...]:
    """Failures in the order in which a run lists them."""
    return tuple(sorted(failures, key=lambda failure: failure.id))
