"""Keys: a checksum over everything that one utterance's result follows from. Equal keys, equal results.

With a batch, results are equal up to rounding, which depends on the utterances beside it.

A key covers the weights, the audio file's bytes and the span in them, the text, the systems with their defaults
written out, the modules of this package that compute word times, the packages that they use, the device, and the
processor's instructions and number of threads, which change the last bits of sums. It leaves out names, seed, reference
times, protocols, and the modules that score, report or write: they change no word time.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Callable
from dataclasses import replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from align_eval.corpus.transcript_file import transcript_path
from align_eval.engine.import_closure import import_closure
from align_eval.options import Plan
from align_eval.records import Utterance
from align_eval.signature import NAMED, json_checksum, run_signature

COMPUTES = "align_eval.engine.batch"
"""The module whose ``process_many`` makes word times from samples and texts."""

NOT_OF_ONE_UTTERANCE = ("id", "seed", "corpus_checksum", *NAMED)


def plan_facts(plan: Plan, model_checksum: str) -> dict[str, Any]:
    """Everything that decides the result of every utterance of a run alike."""
    import torch

    without_seed = replace(plan, options=replace(plan.options, seed=0))
    signature = run_signature(without_seed, model_checksum=model_checksum, corpus="", corpus_checksum="")
    packages = {name: version for name, version in signature["packages"].items() if name != "align-eval"}
    return {name: value for name, value in signature.items() if name not in NOT_OF_ONE_UTTERANCE} | {
        "packages": packages,  # our version is left out: `code` covers it
        "code": _own_code(),
        "machine": platform.machine(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
    }


def utterance_keys(plan: Plan, model_checksum: str) -> Callable[[Utterance], str | None]:
    """Make a function from an utterance to the key of its result; None where its audio or text cannot be read."""
    shared = json_checksum({**plan_facts(plan, model_checksum), "keep": plan.options.keep})
    checksum_of_file = lru_cache(maxsize=1)(_file_checksum)  # windows of one file follow each other

    def key(u: Utterance) -> str | None:
        try:
            audio = checksum_of_file(u.audio.path)
            text = _file_checksum(transcript_path(u)) if plan.options.text == "transcript" else None
        except OSError:
            return None  # reported where the utterance is processed
        span = (u.audio.channel, u.audio.start_s, u.audio.end_s)
        texts = [word.text for word in u.words]
        return json_checksum([shared, u.id, u.language, texts, u.duration_s, audio, span, text])

    return key


@cache
def _own_code() -> str:
    return code_checksum(Path(__file__).parents[2])


def code_checksum(folder: Path) -> str:
    """SHA-256 over the modules that compute word times, of the package in a folder, with their comments."""
    modules = import_closure(COMPUTES, folder)
    return json_checksum({name: hashlib.sha256(source).hexdigest() for name, source in modules.items()})


def _file_checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
