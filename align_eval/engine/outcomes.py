"""The utterances of a run one after the other, whoever does them: recalled from the journal, or done and written down.

An engine is how they are done. It is handed an utterance and gives a function that waits for its outcome, and says how
many of them may be under way at once. Outcomes come in the order of the utterances, so that what is made of them does
not depend on who was faster, and so few are held that memory does not grow with the corpus.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from align_eval.engine.journal import Journal
from align_eval.engine.process import Aligned, attempt
from align_eval.records import Failure, System, Utterance

Outcome = Aligned | Failure


@dataclass(frozen=True, slots=True)
class Engine:
    """How utterances are done: ``submit`` begins one, ``depth`` may be under way."""

    submit: Callable[[Utterance], Callable[[], Outcome]]
    depth: int = 1


def local_engine(work: Callable[[Utterance], Aligned]) -> Engine:
    """In this process, one after the other."""
    return Engine(lambda utterance: partial(attempt, utterance, work))


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
        if journal and isinstance(outcome, Aligned):
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
