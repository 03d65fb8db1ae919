"""Finished runs in the folder of a new one: one of the same plan is used again, one of another plan is not replaced.

The plan is the signature. A run of the same signature has the same words and scores, so that the model need not go
through the corpus again. Its code must be the same too: the version in a signature says nothing about edited modules.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from align_eval.errors import NO_MEMORY, InputError, listed
from align_eval.formats.run.folder import NOTE_NAME, read_run
from align_eval.formats.run.languages import Languages, read_languages
from align_eval.formats.run.map_checksums import read_checksums
from align_eval.formats.run.staging import RUN_NAME, settle
from align_eval.formats.run.tracebacks import FOLDER as TRACEBACKS
from align_eval.run_record import Run
from align_eval.signature import own_modules_checksum

if TYPE_CHECKING:
    from align_eval.engine.job import Job
    from align_eval.options import Keep
    from align_eval.records import Failure
    from align_eval.scoring.protocols import Protocol

FORCE = "add --force to replace it, or choose another --out"
"""Remedy of commands that have the option."""


def finished_run(out: Path, remedy: str = FORCE) -> Run | None:
    """Read the finished run of a folder that a new run shall go to; None where it holds none.

    Raises
    ------
    InputError
        If the folder holds an accepted baseline, or a run that was changed or cannot be read.
    """
    settle(out)
    if not (out / RUN_NAME).is_file():
        return None
    if (out / NOTE_NAME).is_file():
        raise InputError(out, "holds an accepted baseline", remedy)
    try:
        return read_run(out)
    except InputError as error:
        raise InputError(error.place, error.problem, remedy) from error


def finished_signature(out: Path) -> dict[str, Any] | None:
    """Signature of the finished run of a folder, or None where it holds none that can be read."""
    try:
        run = finished_run(out)
    except InputError:
        return None  # refused with its reason later
    return run.signature if run else None


def finished_job(
    out: Path, job: Job, protocols: Mapping[str, Protocol] | None = None, remedy: str = FORCE
) -> tuple[Run, Languages] | None:
    """The run of a job and its detected languages, if a folder holds them already; the model is not asked.

    None also where the folder holds no finished run, or where a bug or a lack of memory failed utterances: they are
    worth another try.

    Raises
    ------
    InputError
        If the folder holds the finished run of another plan.
    """
    from align_eval.engine.job import with_languages
    from align_eval.engine.run import signature_of

    run = finished_run(out, remedy)
    if run is None:
        return None
    languages = read_languages(out)
    job = with_languages(job, languages)
    refuse_other_plan(out, run, signature_of(job, protocols), remedy)
    missing = _missing(out, job.plan.options.keep)
    if missing:
        raise InputError(out, f"holds a finished run without {missing}", remedy)
    again = (out / TRACEBACKS).is_dir() or any(NO_MEMORY in failure.message for failure in run.failures)
    return None if again or not _same_failures(job, run) else (run, languages)


def refuse_other_plan(out: Path, run: Run, signature: Mapping[str, Any], remedy: str = FORCE) -> None:
    """Refuse a folder whose finished run has another signature, or was made by other code.

    Raises
    ------
    InputError
        Names the settings that differ.
    """
    others = _differences(run.signature, signature)
    if not others and run.environment.get("code", own_modules_checksum()) != own_modules_checksum():
        others = ["other code of align-eval"]
    if others:
        raise InputError(out, f"holds a finished run of {listed(others, most=4)}", remedy)


def _differences(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> list[str]:
    """Settings of a finished run that the new one does not have, in words."""
    if ("form" in theirs) != ("form" in ours):  # scores of files have it
        return [f"word times of files ({theirs['form']})" if "form" in theirs else f"model {theirs['model']}"]
    others = []
    for name in [*theirs, *(name for name in ours if name not in theirs)]:
        if name in ("id", "model", "corpus") or theirs.get(name) == ours.get(name):
            continue
        if name == "model_checksum":
            same = f"other {'word times' if 'form' in ours else 'weights'} of {ours['model']}"
            others.append(same if theirs["model"] == ours["model"] else f"model {theirs['model']}")
        elif name == "corpus_checksum":
            same = f"another state of corpus {ours['corpus']} (audio, words, languages or speakers)"
            others.append(same if theirs["corpus"] == ours["corpus"] else f"corpus {theirs['corpus']}")
        elif name == "packages":
            versions = {**dict.fromkeys(ours[name], "absent"), **theirs[name]}
            others += [f"{package} {v}" for package, v in versions.items() if ours[name].get(package) != v]
        elif name in ("systems", "protocols"):
            others.append(f"other {name}")
        elif name not in theirs:
            others.append(f"no {name}")
        else:
            value = theirs[name]
            others.append(f"{name} {'/'.join(map(str, value)) if isinstance(value, list) else value}")
    return others


def _missing(out: Path, keep: Keep) -> str | None:
    """The files that a run would write and that are not there, in words."""
    if not (out / "textgrids").is_dir():
        return "its TextGrids"
    if keep == "nothing":
        return None
    from align_eval.formats.run.maps import (  # scores of files have no maps, and need no safetensors
        maps_path,
        read_maps,
    )

    paths = [maps_path(out, id_) for id_ in read_checksums(out)]
    if not paths or not all(path.is_file() for path in paths):
        return "its maps"
    if keep == "heads":
        maps = read_maps(paths[0])
        if any(len(stack) < len(maps.details.get(spec, {}).get("heads", ())) for spec, stack in maps.stacks.items()):
            return "the maps of single heads"
    return None


def _same_failures(job: Job, run: Run) -> bool:
    """Tell whether files failed before, if any, that fail now: one that was removed or mended is listed no more."""

    def places(failures: tuple[Failure, ...]) -> set[tuple[str, str | None, str]]:
        return {(failure.id, failure.system, failure.message) for failure in failures}

    second = job.second_reference.failures if job.second_reference else ()
    processed = {u.id for u in job.utterances}
    read_before = places(tuple(failure for failure in run.failures if failure.id not in processed))
    read_now = places((*job.corpus.failures, *second))
    return read_before <= read_now <= places(run.failures)
