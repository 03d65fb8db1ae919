"""Kept relevance maps: one safetensors file an utterance, from which findings are made without running a model again.

A tensor a source, by its spec without preparation: float32 ``(map, row, frame)``, one map a head where heads were kept,
else their mean; rows are those of the text and its end, as the source gives them (they sum to one over the frames that
hold audio, but for attention with ``softmax=full``). Beside them
``word_of_token:UNIT`` and ``energy``. Evidence of the sources and the time axis stand in the header as JSON.

Reference: the safetensors format, a JSON header and raw arrays; reading executes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from align_eval.errors import InputError
from align_eval.formats.atomic import cannot_write, write_bytes
from align_eval.records import IntVector

FOLDER = "maps"
SUFFIX = ".safetensors"
SCHEMA_VERSION = 1
MADE_OF_MAPS = ("agree.json", "budget.json", "budget.png", "report.html")

_STACK = "stack:"
_WORDS = "word_of_token:"
_ENERGY = "energy"


@dataclass(frozen=True, slots=True)
class KeptMaps:
    """What a run kept of an utterance.

    Attributes
    ----------
    stacks : mapping
        From the spec of a source without preparation to float32 ``(map, row, frame)``.
    word_of_token : mapping
        From a token unit to the word of each row, the last one's being the end of the text.
    energy : float64[n_frames]
        Loudness at each column.
    frame_s, start_s : float
        Column ``j`` covers ``[start_s + j * frame_s, + frame_s)``.
    details : mapping
        The evidence of each source, by spec without preparation.
    """

    stacks: Mapping[str, npt.NDArray[np.float32]]
    word_of_token: Mapping[str, IntVector]
    energy: npt.NDArray[np.float64]
    frame_s: float
    start_s: float
    details: Mapping[str, Mapping[str, Any]]


def write_maps(path: Path, kept: KeptMaps) -> None:
    """Write the maps of an utterance, whole or not at all.

    Raises
    ------
    InputError
        Where the file cannot be written.
    """
    tensors: dict[str, npt.NDArray[Any]] = {_ENERGY: kept.energy}
    tensors |= {_STACK + spec: np.ascontiguousarray(values) for spec, values in kept.stacks.items()}
    tensors |= {_WORDS + unit: np.ascontiguousarray(words) for unit, words in kept.word_of_token.items()}
    header = {
        "schema": SCHEMA_VERSION,
        "frame_s": kept.frame_s,
        "start_s": kept.start_s,
        "details": {spec: dict(details) for spec, details in kept.details.items()},
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        metadata = {"align_eval": json.dumps(header, sort_keys=True, allow_nan=False)}
        write_bytes(path, save(tensors, metadata=metadata))
    except OSError as error:
        raise cannot_write(path, error, "choose another --out") from error
    except SafetensorError as error:
        raise InputError(path, f"cannot be written ({error})", "choose another --out") from error


def maps_path(out: Path, id_: str) -> Path:
    """Where a run folder has the maps of an utterance."""
    return out / FOLDER / f"{id_}{SUFFIX}"


def has_maps(out: Path) -> bool:
    """Whether a run folder has any."""
    return any((out / FOLDER).rglob(f"*{SUFFIX}"))


def drop_maps(out: Path) -> None:
    """Remove the maps that an earlier run left in its folder, and what was found from them: they must not mix.

    A folder without a run is left alone.

    Raises
    ------
    InputError
        Where a file cannot be removed.
    """
    if not (out / "run.json").is_file():
        return
    stale = [*(out / FOLDER).rglob(f"*{SUFFIX}"), *(out / name for name in MADE_OF_MAPS)]
    for path in stale:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise InputError(path, f"cannot be removed ({error.strerror})", "choose another --out") from error


def read_maps(path: Path) -> KeptMaps:
    """Read the maps of an utterance.

    Raises
    ------
    InputError
        Where the file cannot be read, or is not of this version.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            header = json.loads((file.metadata() or {})["align_eval"])
            if header["schema"] != SCHEMA_VERSION:
                raise ValueError(f"schema {header['schema']}")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # it is no mapping
        return KeptMaps(
            stacks=_named(tensors, _STACK),
            word_of_token=_named(tensors, _WORDS),
            energy=tensors[_ENERGY],
            frame_s=header["frame_s"],
            start_s=header["start_s"],
            details=header["details"],
        )
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise InputError(path, f"holds no maps of this version ({error})", "run again with --keep") from error


def _named(tensors: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {name.removeprefix(prefix): array for name, array in sorted(tensors.items()) if name.startswith(prefix)}
