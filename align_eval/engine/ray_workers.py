"""Workers of Ray: actors that hold the model, on this machine or on a cluster (``RAY_ADDRESS``).

Results are the bytes of a local run: an actor computes with as many threads as the driver, and one whose weights,
packages, code or processor differ from the driver's is refused. An actor that dies is started again, and its utterances
are processed again. Few utterances per actor are under way, so that no queue grows.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any

from align_eval.engine.cache import MapCache
from align_eval.engine.malloc import keep_freed_memory
from align_eval.engine.utterance import Result
from align_eval.engine.workers import Workers, computing
from align_eval.errors import InputError, listed, reason
from align_eval.options import Plan
from align_eval.records import Failure, Utterance
from align_eval.signature import plan_facts

if TYPE_CHECKING:
    from whisper.model import Whisper

AHEAD = 4
"""Utterances, or batches of them, under way per actor: enough that none waits, few enough to be processed again."""

RETRIES = 3
"""Number of times that a call is tried again after its actor died; then its utterances are tried alone."""


class Worker:
    """An actor. It loads its model once."""

    def __init__(self, model: Whisper, plan: Plan, cache: MapCache | None, threads: int) -> None:
        import torch

        keep_freed_memory()
        torch.set_num_threads(threads)
        self._model, self._plan = model.requires_grad_(False), plan
        self._compute = computing(plan, self._model, cache)

    def facts(self) -> dict[str, Any]:
        """Everything that decides its results (:func:`~align_eval.signature.plan_facts`)."""
        from align_eval.model.load import model_checksum

        return plan_facts(self._plan, model_checksum(self._model))

    def process(self, utterances: Sequence[Utterance]) -> list[Result | Failure]:
        """Process some utterances."""
        return self._compute(utterances)


@contextmanager
def ray_workers(model: Whisper, plan: Plan, cache: MapCache | None, facts: dict[str, Any]) -> Iterator[Workers]:
    """Start actors, and stop them in the end; a Ray that runs already is used and left running.

    Their number is ``plan.options.workers``; without it, as many as there are GPUs, or processors for their threads.

    Parameters
    ----------
    model : Whisper
    plan : Plan
    cache : MapCache, optional
    facts : dict
        Everything that decides the driver's results (:func:`~align_eval.signature.plan_facts`).

    Raises
    ------
    InputError
        Where Ray is not installed, or an actor differs from the driver.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise InputError("engine ray", "Ray is not installed", "pip install 'align-eval[ray]'") from error
    import torch

    threads = torch.get_num_threads()
    workers = plan.options.workers
    started = not ray.is_initialized()
    with ExitStack() as stack:
        if started:
            n_cpus = None if os.environ.get("RAY_ADDRESS") else max(os.cpu_count() or 1, (workers or 1) * threads)
            ray.init(num_cpus=n_cpus, include_dashboard=False, log_to_driver=False, logging_level="error")
            stack.callback(ray.shutdown)
        on_gpu = plan.options.device == "cuda"
        resources = ray.cluster_resources()
        n_free = int(resources.get("GPU", 0) if on_gpu else resources.get("CPU", 1) // threads)
        per_actor = {
            "num_cpus": threads,
            "num_gpus": int(on_gpu),
            "max_restarts": -1,
            "max_task_retries": RETRIES,
        }
        actor_class = ray.remote(**per_actor)(Worker)
        shared_model = ray.put(model)
        actors = [actor_class.remote(shared_model, plan, cache, threads) for _ in range(workers or max(1, n_free))]
        for actor_facts in ray.get([actor.facts.remote() for actor in actors]):
            different = [name for name in facts if actor_facts[name] != facts[name]]
            if different:
                problem = f"a worker differs from this machine in {listed(different)}"
                raise InputError("engine ray", problem, "use machines of one kind with the same packages")
        n_groups = AHEAD * len(actors)
        executor = ThreadPoolExecutor(max_workers=n_groups)
        stack.callback(executor.shutdown, wait=False, cancel_futures=True)
        calls = _Balanced(ray, actors)
        batch = plan.options.batch
        yield Workers(
            lambda group: executor.submit(calls.results, group, calls.start(group)),
            group_size=batch,
            n_ahead=n_groups * batch,
        )


@dataclass(frozen=True, slots=True)
class _Call:
    """A call under way: the number of its actor, and the reference to its results."""

    actor: int
    reference: Any


class _Balanced:
    """Calls of actors, each to the one with the fewest calls under way."""

    def __init__(self, ray: Any, actors: list[Any]) -> None:
        self._ray, self._actors = ray, actors
        self._n_calls: Counter[int] = Counter()
        self._lock = Lock()

    def start(self, group: Sequence[Utterance]) -> _Call:
        """Start the call of the least loaded actor. Groups that start in order are computed in order."""
        with self._lock:
            actor = min(range(len(self._actors)), key=lambda i: (self._n_calls[i], i))
            self._n_calls[actor] += 1
            return _Call(actor, self._actors[actor].process.remote(list(group)))

    def results(self, group: Sequence[Utterance], call: _Call) -> list[Result | Failure]:
        """Wait for the results of a group. If its actor dies every time, process its utterances one by one."""
        try:
            return self._wait(call)
        except self._ray.exceptions.RayActorError:
            return [self._compute_alone(utterance) for utterance in group]

    def _wait(self, call: _Call) -> list[Result | Failure]:
        try:
            return self._ray.get(call.reference)  # type: ignore[no-any-return]
        finally:
            with self._lock:
                self._n_calls[call.actor] -= 1

    def _compute_alone(self, utterance: Utterance) -> Result | Failure:
        try:
            (result,) = self._wait(self.start([utterance]))
        except self._ray.exceptions.RayActorError as error:
            message = f"utterance {utterance.id}: the worker that had it died each time ({reason(error)}); try it alone"
            return Failure(utterance.id, message)
        return result
