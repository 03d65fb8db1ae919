"""Keys: what one utterance's result follows from, as a checksum. Equal keys, equal results.

With a batch they are equal up to the rounding that neighbours decide.

A key covers the weights, the audio file's bytes and the span in them, the text, the systems with their defaults
written out, the modules of this package that compute word times, the packages that they compute with, the device, the
instructions of the processor and the number of threads (sums differ in their last bits with the latter two). It leaves
out names, seed, reference times, protocols, and the modules that score, report or write: they change no word time.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Callable
from dataclasses import replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from align_eval.corpus.transcript_file import transcript_path
from align_eval.engine.import_closure import import_closure
from align_eval.records import Plan, Utterance
from align_eval.signature import NAMED, run_signature

COMPUTES = "align_eval.engine.batch"
"""The module whose ``process_many`` makes word times of samples and texts, for every engine."""

NOT_OF_ONE_UTTERANCE = ("id", "seed", "corpus_checksum", *NAMED)


def plan_facts(plan: Plan, model_checksum: str) -> dict[str, Any]:
    """What decides the result of every utterance of a run alike."""
    import torch

    signed = run_signature(replace(plan, seed=0), model_checksum=model_checksum, corpus="", corpus_checksum="")
    packages = {name: version for name, version in signed["packages"].items() if name != "align-eval"}
    return {name: value for name, value in signed.items() if name not in NOT_OF_ONE_UTTERANCE} | {
        "packages": packages,  # our version is left out: `code` covers it
        "code": _own_code(),
        "machine": platform.machine(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
    }


def utterance_keys(plan: Plan, model_checksum: str, keep: str) -> Callable[[Utterance], str | None]:
    """A function from an utterance to the key of its result; None where its audio or text cannot be read."""
    shared = checksum_of({**plan_facts(plan, model_checksum), "keep": keep})
    checksum_of_file = lru_cache(maxsize=1)(_file_checksum)  # windows of one file follow each other

    def key(u: Utterance) -> str | None:
        try:
            audio = checksum_of_file(u.audio.path)
            text = _file_checksum(transcript_path(u)) if plan.text == "transcript" else None
        except OSError:
            return None  # said where it is processed
        span = (u.audio.channel, u.audio.start_s, u.audio.end_s)
        return checksum_of([shared, u.id, u.language, [word.text for word in u.words], u.duration_s, audio, span, text])

    return key


def checksum_of(value: object) -> str:
    """SHA-256 of a value that JSON can hold."""
    canonical = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


@cache
def _own_code() -> str:
    return code_checksum(Path(__file__).parents[2])


def code_checksum(folder: Path) -> str:
    """SHA-256 over the modules that compute word times, of the package in a folder, comments included."""
    modules = import_closure(COMPUTES, folder)
    return checksum_of({name: hashlib.sha256(source).hexdigest() for name, source in modules.items()})


def _file_checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
