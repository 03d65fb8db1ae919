"""Saved relevance maps: one safetensors file per utterance, from which findings are computed without the model.

Each source has one tensor ``float32[n_maps, n_rows, n_frames]``, named by its spec without preparation. It holds one
map per head if heads were saved, else their mean. Rows are the tokens of the text and its end, before preparation: each
sums to one over the frames with audio, except for attention with ``softmax=full``. Other tensors are
``word_of_token:UNIT``, ``letters:UNIT`` and ``energy``. The header holds the sources' details and the time axis as
JSON.

Reference: the safetensors format, a JSON header and raw arrays; reading executes nothing.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from align_eval.errors import InputError, reason
from align_eval.formats.atomic import cannot_write, inside, write_bytes
from align_eval.reading import refuse_special
from align_eval.records import IntVector, check_word_of_token

FOLDER = "maps"
SUFFIX = ".safetensors"
SCHEMA_VERSION = 2

MAX_MAPS_BYTES = 2**32
"""Largest file of one utterance: the maps of all heads of large-v3, 640 of 448 by 1500 values, are 1.7 GB."""

MOST = 1.01
"""Largest value of a stack on reading: a share of its row, with room for the rounding of half precision."""

_STACK = "stack:"
_WORDS = "word_of_token:"
_LETTERS = "letters:"
_ENERGY = "energy"


@dataclass(frozen=True, slots=True)
class SavedMaps:
    """Saved maps of one utterance.

    Attributes
    ----------
    stacks : mapping
        From the spec of a source without preparation to ``float32[n_maps, n_rows, n_frames]``.
    word_of_token : mapping
        From a token unit to the word index of each row; the last row is the end of the text.
    energy : float64[n_frames]
        Loudness at each column.
    frame_s, start_s : float
        Column ``j`` covers ``[start_s + j * frame_s, start_s + (j + 1) * frame_s)``, in seconds.
    details : mapping
        Details of each source (such as its mass on padding), by spec without preparation.
    letters : mapping
        From a token unit to the number of letters of each row.
    """

    stacks: Mapping[str, npt.NDArray[np.float32]]
    word_of_token: Mapping[str, IntVector]
    energy: npt.NDArray[np.float64]
    frame_s: float
    start_s: float
    details: Mapping[str, Mapping[str, Any]]
    letters: Mapping[str, IntVector] = field(default_factory=dict)


def write_maps(path: Path, maps: SavedMaps) -> str:
    """Write the maps of an utterance.

    Returns
    -------
    str
        SHA-256 of the file.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    tensors: dict[str, npt.NDArray[Any]] = {_ENERGY: maps.energy}
    tensors |= {_STACK + spec: np.ascontiguousarray(values) for spec, values in maps.stacks.items()}
    for prefix, by_unit in ((_WORDS, maps.word_of_token), (_LETTERS, maps.letters)):
        tensors |= {prefix + unit: np.ascontiguousarray(rows) for unit, rows in by_unit.items()}
    header = {
        "schema": SCHEMA_VERSION,
        "frame_s": maps.frame_s,
        "start_s": maps.start_s,
        "details": {spec: dict(details) for spec, details in maps.details.items()},
    }
    try:
        metadata = {"align_eval": json.dumps(header, sort_keys=True, allow_nan=False)}
        content = save(tensors, metadata=metadata)
        write_bytes(path, content)
        return hashlib.sha256(content).hexdigest()
    except OSError as error:
        raise cannot_write(path, error, "choose another --out") from error
    except SafetensorError as error:
        raise InputError(path, f"cannot be written ({error})", "choose another --out") from error


def maps_path(out: Path, id_: str) -> Path:
    """Path of the maps of an utterance in a run folder.

    Raises
    ------
    InputError
        If it would be outside of the run folder.
    """
    return inside(out, f"{FOLDER}/{id_}{SUFFIX}")


def has_maps(out: Path) -> bool:
    """Tell whether a run folder has maps."""
    return any((out / FOLDER).rglob(f"*{SUFFIX}"))


def read_maps(path: Path) -> SavedMaps:
    """Read the maps of an utterance.

    Raises
    ------
    InputError
        If the file cannot be read, has another schema version, or holds arrays or fields that do not fit each other.
    """
    try:
        refuse_special(path)
        if path.stat().st_size > MAX_MAPS_BYTES:
            raise InputError(path, f"is longer than {MAX_MAPS_BYTES} bytes", "run again with fewer sources")
        with safe_open(path, framework="numpy") as file:
            header = json.loads((file.metadata() or {})["align_eval"])
            if header["schema"] != SCHEMA_VERSION:
                raise ValueError(f"schema {header['schema']}")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a mapping
        maps = SavedMaps(
            stacks=_named(tensors, _STACK),
            word_of_token=_named(tensors, _WORDS),
            energy=tensors[_ENERGY],
            frame_s=header["frame_s"],
            start_s=header["start_s"],
            details=header["details"],
            letters=_named(tensors, _LETTERS),
        )
        _check_header(maps)
        _check_arrays(maps)
    except InputError:
        raise
    except (
        OSError, SafetensorError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError
    ) as error:  # fmt: skip
        problem = f"holds no maps of this version ({reason(error)})"
        raise InputError(path, problem, "run again with --keep heads") from error
    return maps


def n_words_of(maps: SavedMaps, unit: str) -> int:
    """Number of words in the rows of a token unit; 0 where the maps lack the unit."""
    return int(maps.word_of_token[unit].max()) + 1 if unit in maps.word_of_token else 0


def _check_header(maps: SavedMaps) -> None:
    if not all(type(number) in (int, float) and math.isfinite(number) for number in (maps.frame_s, maps.start_s)):
        raise ValueError(f"times of columns {maps.start_s!r:.40}, {maps.frame_s!r:.40}")
    if maps.frame_s <= 0:
        raise ValueError(f"columns of {maps.frame_s:g} s")
    json.dumps(maps.details, allow_nan=False)  # raises for numbers that are not finite
    if not all(isinstance(details, dict) for details in (maps.details, *maps.details.values())):
        raise ValueError("details that are no table")


def _check_arrays(maps: SavedMaps) -> None:
    """Check types, shapes that fit each other, finite numbers, and the words of rows."""
    if not maps.stacks or not maps.word_of_token:
        raise ValueError("no maps, or no words of their rows")
    _check_array(_ENERGY, maps.energy, np.float64, 1)
    for spec, stack in maps.stacks.items():
        _check_array(spec, stack, np.float32, 3)
        if stack.min() < 0 or stack.max() > MOST:
            raise ValueError(f"{spec}: values from {stack.min():g} to {stack.max():g} are no shares of rows")
    for by_unit in (maps.word_of_token, maps.letters):
        for unit, rows in by_unit.items():
            _check_array(unit, rows, np.int32, 1)
    n_rows = {unit: len(rows) for unit, rows in maps.word_of_token.items()}
    for spec, stack in maps.stacks.items():
        if stack.shape[1] not in n_rows.values() or stack.shape[2] != len(maps.energy):
            raise ValueError(f"{spec}: {list(stack.shape)} does not fit {n_rows} rows and {len(maps.energy)} columns")
    for unit, rows in maps.word_of_token.items():
        check_word_of_token(rows, unit)
    if len({n_words_of(maps, unit) for unit in n_rows}) > 1:
        raise ValueError("token units of different words")
    for unit, letters in maps.letters.items():
        if len(letters) != n_rows.get(unit) or letters.min() < 0:
            raise ValueError(f"letters of {unit} do not fit its rows")


def _check_array(name: str, array: npt.NDArray[Any], dtype: type[np.generic], n_axes: int) -> None:
    if array.dtype != dtype or array.ndim != n_axes or not array.size:
        raise ValueError(f"{name}: {array.dtype}{list(array.shape)}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name}: numbers that are not finite")


def _named(tensors: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {name.removeprefix(prefix): array for name, array in sorted(tensors.items()) if name.startswith(prefix)}
