"""Many utterances through the model at once: for GPUs, which one utterance leaves idle.

What is batched is the shared pass, encoder and decoder; each utterance is prepared, attributed, aligned and allowed to
fail by itself. Utterances of like length go together. Sums of a batch are taken in another order than alone, so that
maps differ in their last bits: a run says its batch in its signature, and docs/performance.md how far times move.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from align_eval.engine.passes import PassOf, Spoken, batched_passes
from align_eval.engine.process import Keep, Mapped, Outcome, attempt, map_spoken, process, read_spoken, time_spoken
from align_eval.records import Failure, Plan, Utterance
from align_eval.relevance import tokens_of
from align_eval.units import full_frames

if TYPE_CHECKING:
    from whisper.model import Whisper

    from align_eval.engine.cache import MapCache


def process_many(
    utterances: Sequence[Utterance], plan: Plan, model: Whisper, keep: Keep = "nothing", maps: MapCache | None = None
) -> list[Outcome]:
    """What :func:`~align_eval.engine.process.process` gives of each, or its failure, in their order."""
    if plan.batch == 1:
        work = partial(process, plan=plan, model=model, keep=keep, cache=maps)
        return [attempt(utterance, work) for utterance in utterances]
    read = [attempt(utterance, partial(read_spoken, plan=plan, model=model)) for utterance in utterances]
    outcomes: dict[int, Outcome] = {i: found for i, found in enumerate(read) if isinstance(found, Failure)}
    spoken = {i: found for i, found in enumerate(read) if isinstance(found, Spoken)}
    outcomes |= process_spoken(utterances, spoken, plan, model, keep, maps)
    return [outcomes[i] for i in range(len(utterances))]


def process_spoken(
    utterances: Sequence[Utterance],
    spoken: Mapping[int, Spoken],
    plan: Plan,
    model: Whisper,
    keep: Keep = "nothing",
    maps: MapCache | None = None,
) -> dict[int, Outcome]:
    """Outcomes of the utterances that are read, by their number; a device computes the next batch in the meantime."""
    first_tokens = tokens_of(plan.systems[0].source)

    def begun(chunk: Mapping[int, Spoken]) -> list[PassOf]:
        begin, passes = batched_passes(model, list(chunk.values()), plan.context, plan.dtype)
        if maps is None:  # with a cache, start lazily: every map may already be cached
            with suppress(Exception):  # raised again to each utterance, where it asks for its pass
                begin(first_tokens)
        return passes

    def mapping(each: Spoken, pass_of: PassOf) -> Callable[[Utterance], Mapped | None]:
        return lambda _: map_spoken(each, plan, model, keep, maps, pass_of)

    outcomes: dict[int, Outcome] = {}
    chunks = list(batches(spoken, plan))
    passes = begun(chunks[0]) if chunks else []
    for n, chunk in enumerate(chunks, start=1):
        mapped = {i: attempt(utterances[i], mapping(spoken[i], p)) for i, p in zip(chunk, passes, strict=True)}
        passes = []  # one batch is held at a time
        passes = begun(chunks[n]) if n < len(chunks) else []
        for i, found in mapped.items():
            if isinstance(found, Failure):
                outcomes[i] = found
                continue
            outcomes[i] = attempt(utterances[i], partial(time_spoken, spoken=spoken[i], mapped=found, plan=plan))
    return outcomes


def batches(spoken: Mapping[int, Spoken], plan: Plan) -> Iterator[dict[int, Spoken]]:
    """Utterances by number, dealt into batches of like length; with a fitted context of equal length."""

    def length(i: int) -> tuple[int, int]:
        n_frames = full_frames(len(spoken[i].samples)) if plan.context == "fit" else 0
        return n_frames, sum(map(len, spoken[i].texts))

    waiting = sorted(spoken, key=lambda i: (*length(i), i))
    while waiting:
        same = [i for i in waiting[: plan.batch] if length(i)[0] == length(waiting[0])[0]]
        yield {i: spoken[i] for i in same}
        waiting = waiting[len(same) :]
