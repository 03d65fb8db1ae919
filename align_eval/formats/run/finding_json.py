"""JSON file of a finding: one frozen record."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from align_eval.errors import InputError
from align_eval.formats.atomic import cannot_write
from align_eval.formats.run.tracebacks import (
    as_json,
    drop_tracebacks,
    folder_of_finding,
    read_failure,
    write_tracebacks,
)
from align_eval.records import Failure

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")


def write_finding(path: Path, finding: DataclassInstance, remedy: str = "choose another --out") -> None:
    """Write a finding, and before it the tracebacks that it names.

    Raises
    ------
    InputError
        If the file cannot be written.
    ValueError
        If a number is not finite, which is a bug.
    """
    tracebacks = folder_of_finding(path)
    text = json.dumps(as_json(finding, tracebacks.name), ensure_ascii=False, indent=1, allow_nan=False)
    drop_tracebacks(tracebacks)
    write_tracebacks(tracebacks, getattr(finding, "failures", ()))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise cannot_write(path, error, remedy) from error


def read_finding(path: Path) -> dict[str, Any]:
    """Read the JSON of a finding.

    Raises
    ------
    InputError
        If the file cannot be read or is not a finding.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(path, f"is no finding ({error})", "give a file that align-eval wrote") from error
    if not (isinstance(data, dict) and isinstance(data.get("finding"), dict)):
        raise InputError(path, "is no finding", "give a file that align-eval wrote")
    return data


def finding_of(data: dict[str, Any], record: type[T], schema: int, path: Path) -> T:
    """Rebuild the record of a finding from its JSON.

    Raises
    ------
    InputError
        If the file has another schema version, or does not fit the record.
    """
    import dacite  # scoring and comparing read no findings and do not load it

    name = data["finding"].get("finding", "finding")
    try:
        if data.get("schema") != schema:
            raise ValueError(f"schema {data.get('schema')}")
        return dacite.from_dict(record, data, dacite.Config(cast=[tuple], type_hooks={Failure: read_failure}))
    except (dacite.DaciteError, ValueError, TypeError) as error:
        problem = f"is no {name} of this version ({error})"
        raise InputError(path, problem, "make the finding again with this version") from error
