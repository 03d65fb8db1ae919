"""The signature of a run: every setting that two runs must share, or differ in on purpose, to be compared."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from align_eval.options import Plan
from align_eval.records import SystemName
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

PACKAGES_OF_FILES = ("align-eval", "numpy", *PAIRING_PACKAGES)
"""Packages that decide the scores of files of word times: no model runs."""

NAMED = ("model", "corpus", "protocols")
"""Names and paths, which are left out of the id: checksums and score rows hold their content."""


def run_signature(
    plan: Plan,
    *,
    model_checksum: str,
    corpus: str,
    corpus_checksum: str,
    settings: Mapping[str, Any] | None = None,
    protocols: Mapping[str, Protocol] | None = None,
) -> dict[str, Any]:
    """The signature of a run of a model: all that decides the words' times, and a short id over it.

    Specs have their defaults written out. The batch is included where it holds more than one utterance, and the
    packages that pair words where words are recognised. The hashes of the protocols are beside the id and not in it:
    they decide how words are scored, and every score row has its own.

    Parameters
    ----------
    plan : Plan
    model_checksum, corpus_checksum : str
    corpus : str
        The corpus's name.
    settings : mapping, optional
        Settings that only some runs have: the checksum of transcripts, a second reference, the length of windows.
    protocols : mapping of str to Protocol, optional
    """
    options = plan.options
    packages = PACKAGES if options.text == "words" else (*PACKAGES, *PAIRING_PACKAGES)
    deciding: dict[str, Any] = {
        "model": plan.model,
        "systems": [[system.source.full_text, system.aligner.full_text] for system in plan.systems],
        "text": options.text,
        "context": options.context,
        "device": options.device,
        "dtype": options.dtype,
        **({"batch": options.batch} if options.batch > 1 else {}),
        "seed": options.seed,
        "model_checksum": model_checksum,
        "corpus": corpus,
        "corpus_checksum": corpus_checksum,
        "packages": {name: package_version(name) for name in packages},
        "protocols": {name: protocol.hash for name, protocol in (protocols or {}).items()},
        **(settings or {}),
    }
    return with_id(deciding)


def files_signature(
    system: SystemName,
    *,
    form: str,
    hypothesis_checksum: str,
    text: str,
    corpus: str,
    corpus_checksum: str,
    seed: int,
    protocols: Mapping[str, Protocol],
) -> dict[str, Any]:
    """The signature of scores of files of word times: no model, and none of the settings of one.

    The system's name takes the place of the model, and the checksum of its words that of the weights.
    """
    deciding = {
        "model": system.source,
        "systems": [[system.source, system.align]],
        "form": form,
        "text": text,
        "seed": seed,
        "model_checksum": hypothesis_checksum,
        "corpus": corpus,
        "corpus_checksum": corpus_checksum,
        "packages": {name: package_version(name) for name in PACKAGES_OF_FILES},
        "protocols": {name: protocol.hash for name, protocol in protocols.items()},
    }
    return with_id(deciding)


def with_id(deciding: Mapping[str, Any]) -> dict[str, Any]:
    """A signature: its settings, after the id over all of them but :data:`NAMED`."""
    return {"id": signature_id({name: value for name, value in deciding.items() if name not in NAMED}), **deciding}


def signature_id(settings: Mapping[str, Any]) -> str:
    """First 12 hexadecimal digits of the checksum of settings."""
    return json_checksum(settings)[:12]


def json_checksum(value: object) -> str:
    """SHA-256 of a value as canonical JSON, 64 hexadecimal digits."""
    canonical = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


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
