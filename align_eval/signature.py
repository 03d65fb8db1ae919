"""The signature of a run, and the keys of its utterances.

A signature holds every setting that two runs must share, or differ in on purpose, to be compared.

A key is a checksum over everything that one utterance's result follows from. Equal keys mean equal results; with a
batch, equal up to rounding, which depends on the utterances beside it. A key covers the weights, the audio file's bytes
and the span in them, the text, the systems with their defaults written out, the modules of this package that compute
word times, the packages that they use, the device, and the processor's instructions and number of threads, which change
the last bits of sums. It leaves out names, seed, reference times, protocols, and the modules that score, report or
write: they change no word time.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from align_eval.corpus.checksums import UNREADABLE, FileChecksums
from align_eval.corpus.transcript_file import transcript_path
from align_eval.import_closure import import_closure
from align_eval.options import Plan
from align_eval.records import SystemName, Utterance
from align_eval.run_record import Run
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


COMPUTES = ("align_eval.engine.batch", "align_eval.model.load")
"""Modules that make word times from samples and texts, and the model from weights."""

NOT_OF_ONE_UTTERANCE = ("id", "seed", "corpus_checksum", *NAMED)


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
    return hashlib.sha256(canonical.encode(errors="backslashreplace")).hexdigest()


def run_environment() -> dict[str, Any]:
    """Python, platform, machine and code of the run: informative, never compared between two runs.

    The code decides whether a finished run is used again (:mod:`align_eval.engine.finished`).
    """
    return {
        "code": own_modules_checksum(),
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


def run_signature_line(run: Run) -> str:
    """Return the signature of a run: model, corpus, settings and package versions."""
    s = run.signature
    names = ("text", "context", "device", "dtype", "batch", "seed")  # scores of files have neither model nor device
    settings = " ".join(f"{name}={s[name]}" for name in names if name in s)
    packages = " ".join(f"{name}-{version}" for name, version in s["packages"].items() if version != "absent")
    return (
        f"signature {s['id']}: model {s['model']} {s['model_checksum'][:12]}, corpus {s['corpus']} "
        f"{s['corpus_checksum'][:12]}, {settings}, {packages}"
    )


def signature_line(finding: Mapping[str, Any], run: Mapping[str, Any]) -> str:
    """Return the signature of a finding and of the run that it was computed from."""
    context = f", context={run['context']}" if "context" in run else ""  # scores of files have none
    return (
        f"{finding['finding']} {finding['id']}, seed={finding['seed']}, from run {run['id']}: model {run['model']} "
        f"{run['model_checksum'][:12]}, corpus {run['corpus']} {run['corpus_checksum'][:12]}{context}"
    )


def plan_facts(plan: Plan, model_checksum: str) -> dict[str, Any]:
    """Everything that decides the result of every utterance of a run alike."""
    from align_eval.model.load import processor_facts

    without_seed = replace(plan, options=replace(plan.options, seed=0))
    signature = run_signature(without_seed, model_checksum=model_checksum, corpus="", corpus_checksum="")
    packages = {name: version for name, version in signature["packages"].items() if name != "align-eval"}
    return {name: value for name, value in signature.items() if name not in NOT_OF_ONE_UTTERANCE} | {
        "packages": packages,  # our version is left out: `code` covers it
        "code": _own_code(),
        "machine": platform.machine(),
        **processor_facts(),
    }


def utterance_keys(
    plan: Plan, facts: Mapping[str, Any], checksums: FileChecksums | None = None
) -> Callable[[Utterance], str | None]:
    """Make a function from an utterance to the key of its result; None where its audio or text cannot be read.

    ``facts`` are those of :func:`plan_facts`. A result has the key only if the files of the utterance are still in the
    states of ``checksums``.
    """
    shared = json_checksum({**facts, "keep": plan.options.keep})
    checksums = checksums or FileChecksums()

    def key(u: Utterance) -> str | None:
        audio = checksums.of(u.audio.path)
        text = checksums.of(transcript_path(u)) if plan.options.text == "transcript" else None
        if UNREADABLE in (audio, text):
            return None  # reported where the utterance is processed
        span = (u.audio.channel, u.audio.start_s, u.audio.end_s)
        texts = [word.text for word in u.words]
        return json_checksum([shared, u.id, u.language, texts, u.duration_s, audio, span, text])

    return key


@cache
def _own_code() -> str:
    return code_checksum(Path(__file__).parents[1])


@cache
def own_modules_checksum() -> str:
    """First 12 hexadecimal digits of the checksum of all modules of this package."""
    folder = Path(__file__).parent
    paths = sorted(folder.rglob("*.py"))
    modules = {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
    return json_checksum(modules)[:12]


def code_checksum(folder: Path) -> str:
    """SHA-256 over the modules that compute word times, of the package in a folder, with their comments."""
    modules = computing_modules(folder)
    return json_checksum({name: hashlib.sha256(source).hexdigest() for name, source in modules.items()})


def computing_modules(folder: Path) -> dict[str, bytes]:
    """Sources of the modules of a key: :data:`COMPUTES` and every module that they import, by full name, sorted."""
    sources = {name: source for root in COMPUTES for name, source in import_closure(root, folder).items()}
    return dict(sorted(sources.items()))
