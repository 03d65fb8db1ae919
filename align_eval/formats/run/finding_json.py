"""JSON file of a finding: one frozen record."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from align_eval.formats.atomic import write_together, writing
from align_eval.formats.json_file import Kind, decode_json, read_limited
from align_eval.formats.run.tracebacks import (
    as_json,
    drop_tracebacks,
    folder_of_finding,
    without_tracebacks,
    write_tracebacks,
)
from align_eval.run_record import RunSignature

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")


def write_finding(
    path: Path,
    finding: DataclassInstance,
    remedy: str = "choose another --out",
    beside: Mapping[Path, bytes] | None = None,
) -> None:
    """Write a finding, and before it its other files and the tracebacks that it names.

    Parameters
    ----------
    beside
        Content of the files that are made of the finding, such as a picture. Where the finding is there, they are its.

    Raises
    ------
    InputError
        If the file cannot be written.
    ValueError
        If a number is not finite, which is a bug.
    """
    tracebacks = folder_of_finding(path)
    text = json.dumps(as_json(finding, tracebacks.name), ensure_ascii=False, indent=1, allow_nan=False)
    failures = getattr(finding, "failures", ())
    with writing(path, remedy):
        if tracebacks.exists() or any(failure.traceback for failure in failures):
            path.unlink(missing_ok=True)  # it names the earlier ones
            drop_tracebacks(tracebacks)
            write_tracebacks(tracebacks, failures)
        write_together({**(beside or {}), path: f"{text}\n".encode(errors="backslashreplace")})


@dataclass(frozen=True, slots=True)
class FindingSignature:
    """Settings that the signature of every finding has: its kind, its id, the id of the run, and its seed."""

    finding: str
    id: str
    run: str
    seed: int


@dataclass(frozen=True, slots=True)
class _Signatures:
    finding: FindingSignature
    signature: RunSignature


@dataclass(frozen=True, slots=True)
class FindingFile:
    """A file of a finding, before the record of its kind is known: its bytes, its signature and that of the run."""

    path: Path
    data: bytes
    finding: FindingSignature
    signature: RunSignature


def read_finding(path: Path) -> FindingFile:
    """Read the signatures of a finding.

    Raises
    ------
    InputError
        If the file cannot be read or is not a finding.
    """
    kind = Kind("is no finding", "give a file that align-eval wrote")
    data = read_limited(path, kind)
    signatures = decode_json(data, _Signatures, path, kind, partial=True)
    return FindingFile(path, data, signatures.finding, signatures.signature)


def finding_of(file: FindingFile, record: type[T], schema: int) -> T:
    """Read the record of a finding.

    Raises
    ------
    InputError
        If the file has another schema version, or does not fit the record.
    """
    problem = f"is no {file.finding.finding!a} of this version"
    kind = Kind(problem, "make the finding again with this version", schema)
    return without_tracebacks(decode_json(file.data, record, file.path, kind))
