"""``maps.json`` of a run folder: the SHA-256 of the saved maps, by utterance id."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from align_eval.formats.json_file import Kind
from align_eval.formats.run.json_lines import entries_writer, read_entries

NAME = "maps.json"

CHECKSUMS_JSON = Kind("holds no checksums of maps", "run again with --keep heads")


def write_checksums(folder: Path, checksums: Mapping[str, str]) -> None:
    """Write the checksums of the saved maps; no file where there are none.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    if checksums:
        with entries_writer(folder / NAME) as put:
            put(dict(sorted(checksums.items())))


def read_checksums(folder: Path) -> dict[str, str]:
    """Read the checksums of the saved maps; empty where the run saved none.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    return dict(read_entries(folder / NAME, str, CHECKSUMS_JSON))
