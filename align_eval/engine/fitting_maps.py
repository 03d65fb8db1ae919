"""Saved maps of an utterance, read and checked against the sources that name them."""

from __future__ import annotations

import re
from pathlib import Path

from align_eval.errors import InputError
from align_eval.formats.run.maps import SavedMaps, read_maps
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
