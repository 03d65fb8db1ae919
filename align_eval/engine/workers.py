"""Workers, and the results of the utterances of a run in order: from the journal if it has them, else computed.

Workers compute groups of utterances, in this process or elsewhere, and answer with futures. Results come in the order
of the utterances, so that it does not matter which worker is faster, and few are held at a time, so that memory does
not grow with the corpus.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from align_eval.engine.batch import process_many
from align_eval.engine.journal import Journal
from align_eval.engine.utterance import Result, attempt, process_each
from align_eval.options import Plan
from align_eval.records import Failure, Utterance
from align_eval.systems import System

if TYPE_CHECKING:
    from whisper.model import Whisper

    from align_eval.engine.cache import MapCache

BATCHES_AHEAD = 4
"""Number of batches whose utterances are read and sorted by length before they are divided into batches."""

Compute = Callable[[Sequence[Utterance]], "list[Result | Failure]"]


@dataclass(frozen=True, slots=True)
class Workers:
    """Workers that compute groups of utterances.

    Attributes
    ----------
    submit : function
        Starts a group, and returns a future of its results in order.
    group_size : int
        Utterances per group.
    n_ahead : int
        Utterances that may be under way at once.
    """

    submit: Callable[[Sequence[Utterance]], Future[list[Result | Failure]]]
    group_size: int = 1
    n_ahead: int = 1


def computing(plan: Plan, model: Whisper, cache: MapCache | None) -> Compute:
    """Make the function that computes the results of utterances: one after the other, or in batches."""
    compute = process_each if plan.options.batch == 1 else process_many
    return partial(compute, plan=plan, model=model, cache=cache)


def local_workers(compute: Compute, plan: Plan) -> Workers:
    """Compute in this process: one utterance after the other, or some batches of them where no maps are saved."""
    batch = plan.options.batch
    size = batch if batch == 1 or plan.options.keep != "nothing" else BATCHES_AHEAD * batch

    def submit(group: Sequence[Utterance]) -> Future[list[Result | Failure]]:
        future: Future[list[Result | Failure]] = Future()
        future.set_result(compute(group))
        return future

    return Workers(submit, group_size=size, n_ahead=size)


@dataclass(slots=True)
class _Group:
    """Utterances that are submitted together."""

    utterances: list[Utterance] = field(default_factory=list)
    future: Future[list[Result | Failure]] | None = None

    def submit(self, workers: Workers) -> Future[list[Result | Failure]]:
        if self.future is None:
            self.future = workers.submit(self.utterances)
        return self.future


@dataclass(frozen=True, slots=True)
class _Pending:
    """An utterance whose result is not handed out yet: it is resumed, or number ``i`` of a group."""

    utterance: Utterance
    key: str | None
    resumed: Result | None
    group: _Group
    i: int


def results(
    utterances: Iterable[Utterance],
    workers: Workers,
    systems: Sequence[System],
    journal: Journal | None = None,
    key_of: Callable[[Utterance], str | None] = lambda _: None,
    check: Callable[[Utterance], None] = lambda _: None,
) -> Iterator[tuple[Utterance, Result | Failure]]:
    """Yield each utterance with its result, in order.

    ``check`` raises an InputError if the files of an utterance are no longer those that its key was made from. The
    result, which may be of other bytes, is then a failure.

    Raises
    ------
    InputError
        Where the journal cannot be written.
    """
    pending: deque[_Pending] = deque()
    group = _Group()

    def next_result() -> tuple[Utterance, Result | Failure]:
        first = pending.popleft()
        if first.resumed:
            return first.utterance, first.resumed
        result = first.group.submit(workers).result()[first.i]
        if isinstance(result, Result):
            result = attempt(first.utterance, partial(_checked, result, check))
        if journal:
            failures = (result,) if isinstance(result, Failure) else result.failures
            for failure in failures:
                journal.put_failure(failure)
            if isinstance(result, Result):
                journal.put(first.utterance.id, None if failures else first.key, result)
        return first.utterance, result

    for utterance in utterances:
        key = key_of(utterance)
        resumed = journal.get(utterance, key, systems) if journal else None
        if group.future or len(group.utterances) == workers.group_size:
            group = _Group()
        pending.append(_Pending(utterance, key, resumed, group, len(group.utterances)))
        if not resumed:
            group.utterances.append(utterance)
            if len(group.utterances) == workers.group_size:
                group.submit(workers)
        if len(pending) >= workers.n_ahead:
            yield next_result()
    while pending:
        yield next_result()


def _checked(result: Result, check: Callable[[Utterance], None], utterance: Utterance) -> Result:
    check(utterance)
    return result
