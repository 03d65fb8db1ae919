"""The utterances of a run one after the other, whoever does them: recalled from the journal, or done and written down.

An engine is how they are done. It is handed an utterance and gives a function that waits for its outcome, and says how
many of them may be under way at once. Outcomes come in the order of the utterances, so that what is made of them does
not depend on who was faster, and so few are held that memory does not grow with the corpus.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, partial

from align_eval.engine.journal import Journal
from align_eval.engine.process import Aligned, Keep, Outcome
from align_eval.records import Failure, System, Utterance

BATCHES_AHEAD = 4
"""So many batches' utterances are read and sorted by length before they are dealt into batches."""


@dataclass(frozen=True, slots=True)
class Engine:
    """How utterances are done: ``submit`` begins one, ``depth`` may be under way."""

    submit: Callable[[Utterance], Callable[[], Outcome]]
    depth: int = 1


def local_engine(
    work: Callable[[Sequence[Utterance]], list[Outcome]], batch: int = 1, keep: Keep = "nothing"
) -> Engine:
    """In this process, one after the other, or a group of batches after the other; of one where maps are kept."""
    size = batch if batch == 1 or keep != "nothing" else BATCHES_AHEAD * batch
    return Engine(in_groups(lambda group: partial(work, group), size), depth=size)


@dataclass(slots=True)
class _Group:
    """Utterances that are begun together, and what then waits for their outcomes."""

    utterances: list[Utterance] = field(default_factory=list)
    outcomes: Callable[[], list[Outcome]] | None = None


def in_groups(
    begin: Callable[[list[Utterance]], Callable[[], list[Outcome]]], size: int
) -> Callable[[Utterance], Callable[[], Outcome]]:
    """Begin utterances in groups of ``size``, or of as many as wait when the outcome of one of them is asked for."""
    open_group = _Group()

    def begun(group: _Group) -> Callable[[], list[Outcome]]:
        if group.outcomes is None:
            group.outcomes = cache(begin(group.utterances))
        return group.outcomes

    def submit(utterance: Utterance) -> Callable[[], Outcome]:
        nonlocal open_group
        if open_group.outcomes:
            open_group = _Group()
        group = open_group
        group.utterances.append(utterance)
        i = len(group.utterances) - 1
        if len(group.utterances) == size:
            begun(group)
        return lambda: begun(group)()[i]

    return submit


def outcomes(
    utterances: Iterable[Utterance],
    engine: Engine,
    systems: Sequence[System],
    journal: Journal | None = None,
    key_of: Callable[[Utterance], str | None] = lambda _: None,
) -> Iterator[tuple[Utterance, Outcome]]:
    """What each utterance gave, in their order.

    Raises
    ------
    InputError
        Where the journal cannot be written.
    """
    under_way: deque[tuple[Utterance, str | None, Callable[[], Outcome] | Aligned]] = deque()

    def next_outcome() -> tuple[Utterance, Outcome]:
        utterance, key, found = under_way.popleft()
        if isinstance(found, Aligned):
            return utterance, found
        outcome = found()
        if journal:
            if isinstance(outcome, Failure):
                journal.put_failure(outcome)
            else:
                journal.put(utterance.id, key, outcome)
        return utterance, outcome

    for utterance in utterances:
        key = key_of(utterance) if journal else None
        known = journal.get(utterance.id, key, systems) if journal else None
        under_way.append((utterance, key, known or engine.submit(utterance)))
        if len(under_way) >= engine.depth:
            yield next_outcome()
    while under_way:
        yield next_outcome()
