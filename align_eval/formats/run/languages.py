"""``languages.json`` of a run folder: the languages that the model detected, by utterance id."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from align_eval.formats.atomic import check_name, write_bytes, writing
from align_eval.formats.json_file import Kind, read_json

NAME = "languages.json"

Languages = Mapping[str, Mapping[str, Any]]
"""Detected language and its probability, by utterance id."""


def write_languages(out: Path, languages: Languages) -> None:
    """Write the detected languages and their probabilities.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    with writing(out):
        write_bytes(out / NAME, json.dumps(languages, ensure_ascii=False, indent=1).encode() + b"\n")


@dataclass(frozen=True, slots=True)
class _Detected:
    detected: str
    probability: float


def read_languages(run: Path) -> dict[str, dict[str, Any]]:
    """Read the detected languages; empty where none was detected.

    Raises
    ------
    InputError
        If the file is damaged.
    """
    path = run / NAME
    if not path.is_file():
        return {}
    kind = Kind("has no detected languages", "make the run again")
    languages = read_json(path, dict[str, _Detected], kind)
    return {check_name(path, id_): asdict(detected) for id_, detected in languages.items()}
