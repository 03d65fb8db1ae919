"""The signature of a run: everything that two runs must share, or differ in on purpose, to be compared."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from align_eval.alignment import canonical_align
from align_eval.records import Plan, System
from align_eval.relevance import canonical_source
from align_eval.scoring.protocols import Protocol

PACKAGES = (
    "align-eval",
    "torch",
    "openai-whisper",
    "numpy",
    "scipy",
    "numba",
    "dtw-python",
    "soundfile",
    "soxr",
)
PAIRING_PACKAGES = ("jiwer", "whisper-normalizer")

GIVEN_PACKAGES = ("align-eval", "numpy", *PAIRING_PACKAGES)
"""What decides scores of word times that were given: no model runs."""

NAMED = ("model", "corpus", "protocols")
"""Names and paths, which are not in the id: what they stand for is in the checksums and score rows."""


def run_signature(
    plan: Plan,
    *,
    model_checksum: str,
    corpus: str,
    corpus_checksum: str,
    settings: Mapping[str, Any] | None = None,
    protocols: Mapping[str, Protocol] | None = None,
) -> dict[str, Any]:
    """All that decides the words' times, specs with their defaults written out, and a short id over it.

    The hashes of the protocols stand beside it and not in the id: they decide what is counted of the words, and every
    score row bears its own. What pairs recognised words stands in it where there are such. ``settings`` are those that
    not every run has: the checksum of transcripts, a second reference, the length of windows where any were cut. A
    batch stands in it where it holds more than one utterance.
    """
    packages = PACKAGES if plan.text == "words" else (*PACKAGES, *PAIRING_PACKAGES)
    of_plan = {name: value for name, value in asdict(plan).items() if (name, value) != ("batch", 1)}
    deciding = of_plan | {
        "systems": [
            [canonical_source(system.source, full=True), canonical_align(system.align, full=True)]
            for system in plan.systems
        ],
        "model_checksum": model_checksum,
        "corpus": corpus,
        "corpus_checksum": corpus_checksum,
        "packages": {name: package_version(name) for name in packages},
        "protocols": {name: protocol.hash for name, protocol in (protocols or {}).items()},
        **(settings or {}),
    }
    return {"id": signature_id({k: v for k, v in deciding.items() if k not in NAMED}), **deciding}


def given_signature(
    system: System,
    *,
    form: str,
    hypothesis_checksum: str,
    text: str,
    corpus: str,
    corpus_checksum: str,
    seed: int,
    protocols: Mapping[str, Protocol],
) -> dict[str, Any]:
    """The signature of word times that were given as files: with the keys of :func:`run_signature`.

    The system stands for the model, and the checksum of its words for the model's.
    """
    settings = {
        "model": system.source,
        "systems": [[system.source, system.align]],
        "form": form,
        "text": text,
        **dict.fromkeys(("context", "device", "dtype"), system.align),
        "seed": seed,
        "model_checksum": hypothesis_checksum,
        "corpus": corpus,
        "corpus_checksum": corpus_checksum,
        "packages": {name: package_version(name) for name in GIVEN_PACKAGES},
        "protocols": {name: protocol.hash for name, protocol in protocols.items()},
    }
    return {"id": signature_id({k: v for k, v in settings.items() if k not in NAMED}), **settings}


def signature_id(settings: dict[str, Any]) -> str:
    """First 12 hexadecimal digits of the SHA-256 of the settings as canonical JSON."""
    canonical = json.dumps(settings, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]


def run_environment() -> dict[str, Any]:
    """Where the run took place: informative, never compared."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
    }


def package_version(name: str) -> str:
    """Installed version of a package, ``absent`` where it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"
