"""Saved maps of an utterance, read and checked against the sources that name them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from align_eval.errors import InputError
from align_eval.formats.checksum import check_file
from align_eval.formats.run.maps import SavedMaps, maps_path, read_maps
from align_eval.relevance.source import parse_source

REMEDY = "run again with --keep heads"
_HEAD = re.compile(r"\d{1,3}\.\d{1,3}", re.ASCII)


def read_fitting_maps(path: Path) -> SavedMaps:
    """Read the maps of an utterance (:func:`~align_eval.formats.run.maps.read_maps`).

    Raises
    ------
    InputError
        If a stack is of no known source, has other rows than the token unit of its source, or names heads that are
        none.
    """
    maps = read_maps(path)
    for spec, stack in maps.stacks.items():
        try:
            unit = parse_source(spec).tokens.unit
        except InputError as error:
            raise InputError(path, f"holds maps of {spec!r}: {error.problem}", REMEDY) from error
        n_rows = len(maps.word_of_token.get(unit, ()))
        if stack.shape[1] != n_rows:
            raise InputError(path, f"{spec}: {stack.shape[1]} rows, but {n_rows} of the unit {unit}", REMEDY)
        details = maps.details.get(spec, {})
        if not isinstance(details.get("reliability"), float | int | None):
            raise InputError(path, f"{spec}: its reliability is {details['reliability']!r:.40}", REMEDY)
        heads = details.get("heads", [])
        if not isinstance(heads, list) or not all(isinstance(head, str) and _HEAD.fullmatch(head) for head in heads):
            raise InputError(path, f"{spec}: its heads are {heads!r:.80}, not `layer.head`", REMEDY)
    return maps


MapsOf = Callable[[str], SavedMaps | None]
"""Reads the maps of an utterance by its id; None where the run saved none."""


def maps_reader(folder: Path, checksums: Mapping[str, str] | None) -> MapsOf:
    """Make the function that reads the maps of a run.

    Parameters
    ----------
    checksums
        SHA-256 of the maps by utterance id; None to accept maps that were changed.

    Raises
    ------
    InputError
        By the function: where the maps cannot be read, or are not those that the run wrote.
    """

    def maps_of(id_: str) -> SavedMaps | None:
        path = maps_path(folder, id_)
        if checksums is None:
            return read_fitting_maps(path) if path.is_file() else None
        if path.is_file() or id_ in checksums:
            check_file(path, checksums.get(id_))
            return read_fitting_maps(path)
        return None

    return maps_of
