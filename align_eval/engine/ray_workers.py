"""Utterances done by Ray: actors that hold the model, on this machine or on a cluster (``RAY_ADDRESS``).

Bytes are those of a local run: an actor computes with as many threads as the driver, and one whose weights, packages,
code or processor differ from the driver's refuses to begin. An actor that dies is started again, and what it had is
done again. Each has few utterances at a time, and the driver takes outcomes in order: no queue grows.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from align_eval.engine.batch import process_many
from align_eval.engine.cache import MapCache
from align_eval.engine.keys import plan_facts
from align_eval.engine.malloc import keep_freed_memory
from align_eval.engine.process import Keep, Outcome
from align_eval.engine.workers import Engine, in_groups
from align_eval.errors import InputError
from align_eval.records import Failure, Plan, Utterance

if TYPE_CHECKING:
    from whisper.model import Whisper

AHEAD = 4
"""Utterances, or batches of them, under way an actor: enough that none waits, few enough to be done again."""

RETRIES = 3
"""So often is an utterance done again after the actor that had it died, twice over."""


class Worker:
    """What an actor does. Its model is loaded once."""

    def __init__(self, model: Whisper, plan: Plan, keep: Keep, maps: MapCache | None, threads: int) -> None:
        import torch

        keep_freed_memory()
        torch.set_num_threads(threads)
        self._model, self._plan, self._keep, self._maps = model.requires_grad_(False), plan, keep, maps

    def facts(self) -> dict[str, Any]:
        """What decides its results."""
        from align_eval.model.load import model_checksum

        return plan_facts(self._plan, model_checksum(self._model))

    def do(self, utterances: list[Utterance]) -> list[Outcome]:
        """Do some utterances."""
        return process_many(utterances, self._plan, self._model, self._keep, self._maps)


@contextmanager
def ray_engine(
    model: Whisper, plan: Plan, keep: Keep, maps: MapCache | None, facts: dict[str, Any], workers: int | None
) -> Iterator[Engine]:
    """Start actors, and stop them in the end; a Ray that runs already is used and left running.

    Parameters
    ----------
    facts
        What decides the driver's results (:func:`~align_eval.engine.keys.plan_facts`).
    workers
        How many actors; as many as there are GPUs, or processors for their threads, where None.

    Raises
    ------
    InputError
        Where Ray is not installed, or an actor would compute otherwise than the driver.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise InputError("engine ray", "Ray is not installed", "pip install 'align-eval[ray]'") from error
    import torch

    threads = torch.get_num_threads()
    started = not ray.is_initialized()
    if started:
        n_cpus = None if os.environ.get("RAY_ADDRESS") else max(os.cpu_count() or 1, (workers or 1) * threads)
        ray.init(num_cpus=n_cpus, include_dashboard=False, log_to_driver=False, logging_level="error")
    try:
        on_gpu = plan.device == "cuda"
        there = ray.cluster_resources()
        count = workers or max(1, int(there.get("GPU", 0) if on_gpu else there.get("CPU", 1) // threads))
        options = {"num_cpus": threads, "num_gpus": int(on_gpu), "max_restarts": -1, "max_task_retries": RETRIES}
        remote = ray.remote(**options)(Worker)
        shared = ray.put(model)
        actors = [remote.remote(shared, plan, keep, maps, threads) for _ in range(count)]
        for found in ray.get([actor.facts.remote() for actor in actors]):
            different = [name for name in facts if found[name] != facts[name]]
            if different:
                problem = f"a worker differs from this machine in {', '.join(different)}"
                raise InputError("engine ray", problem, "use machines of one kind with the same packages")
        yield _engine(ray, actors, plan.batch)
    finally:
        if started:
            ray.shutdown()


def _engine(ray: Any, actors: list[Any], batch: int) -> Engine:
    actor_of: dict[Any, int] = {}  # of what is under way

    def begin(group: list[Utterance]) -> Any:
        if actor_of:
            for done in ray.wait(list(actor_of), num_returns=len(actor_of), timeout=0)[0]:
                del actor_of[done]
        load = Counter(actor_of.values())
        chosen = min(range(len(actors)), key=lambda i: (load[i], i))
        reference = actors[chosen].do.remote(group)
        actor_of[reference] = chosen
        return reference

    def outcomes_of(group: list[Utterance], reference: Any) -> list[Outcome]:
        try:
            return ray.get(reference)  # type: ignore[no-any-return]
        except ray.exceptions.RayActorError:  # one of them, or of those beside, ended its actor every time: now alone
            return [alone(utterance) for utterance in group]

    def alone(utterance: Utterance) -> Outcome:
        try:
            (outcome,) = ray.get(begin([utterance]))
        except ray.exceptions.RayActorError as error:
            summary = str(error).strip().splitlines()[0]
            message = f"utterance {utterance.id}: the worker that had it died each time ({summary}); try it alone"
            return Failure(utterance.id, message)
        return outcome  # type: ignore[no-any-return]

    submit = in_groups(lambda group: partial(outcomes_of, group, begin(group)), batch)
    return Engine(submit, depth=AHEAD * len(actors) * batch)
