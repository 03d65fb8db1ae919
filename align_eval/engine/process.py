"""The unit of work: all systems on one utterance, from samples and words to times."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt

from align_eval.alignment import align_map
from align_eval.alignment.energy import energy_at_columns
from align_eval.corpus.audio import Samples, read_audio
from align_eval.corpus.folder import Corpus
from align_eval.errors import InputError
from align_eval.formats.maps import KeptMaps
from align_eval.records import Failure, IntVector, Plan, RelevanceMap, System, Utterance, Word
from align_eval.relevance import relevance_maps, stacks_of, tokens_of, unprepared

if TYPE_CHECKING:
    from whisper.model import Whisper


T = TypeVar("T")

Keep = Literal["nothing", "maps", "heads"]
"""What is kept of the sources' stacks: nothing, the mean over maps, or every map (every head of attention)."""


@dataclass(frozen=True, slots=True)
class Aligned:
    """Word times of one utterance by system, the evidence that sources gave of themselves, and what was kept."""

    words: dict[System, tuple[Word, ...]]
    details: dict[str, dict[str, Any]]
    kept: KeptMaps | None = None


def process(utterance: Utterance, plan: Plan, model: Whisper, keep: Keep = "nothing") -> Aligned:
    """Word times of an utterance by every system of the plan; the same bytes whatever is processed before or beside.

    Raises
    ------
    InputError
        Where audio, text or a map cannot be used.
    """
    samples = read_audio(utterance.audio)
    texts = [word.text for word in utterance.words]
    return align_words(model, samples, texts, utterance.language, plan.systems, context=plan.context, keep=keep)


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
            named = utterance.audio.path.name in error.place
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
