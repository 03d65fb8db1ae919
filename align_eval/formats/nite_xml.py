"""Words in the XML of the NITE toolkit, as the AMI corpus has them.

Files are read without document types: no entity is ever declared, so none can be expanded, and nothing outside the file
is looked at (defusedxml).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from align_eval.errors import InputError
from align_eval.text import clean_label

EntryKind = Literal["word", "punctuation", "noise", "gap"]

NOISE_ELEMENTS = ("vocalsound", "nonvocalsound", "pause")
SILENT_ELEMENTS = ("comment", "transformerror", "disfmarker")
"""Notes on the transcription: nothing is heard."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A timed element; times are None where the corpus gives none."""

    kind: EntryKind
    text: str
    start_s: float | None
    end_s: float | None
    place: str


def parse_xml(data: bytes, place: object) -> Element:
    """The root of an XML document.

    Raises
    ------
    InputError
        Where it is not well-formed, in an unknown encoding, or has a document type.
    """
    try:
        root: Element = fromstring(data, forbid_dtd=True)
    except DefusedXmlException as error:
        raise InputError(place, "has a document type or entities", "remove its <!DOCTYPE ...>") from error
    except (ParseError, LookupError, ValueError) as error:
        raise InputError(place, f"is not well-formed XML ({error})", "copy the file again") from error
    return root


def read_xml(path: Path) -> Element:
    """The root of an XML file."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})", "check the path and its permissions") from error
    return parse_xml(data, path)


def attribute(element: Element, name: str) -> str | None:
    """An attribute by its local name, whatever namespace it is in."""
    return next((value for key, value in element.attrib.items() if local(key) == name), None)


def local(name: str) -> str:
    """A name without its namespace."""
    return name.rpartition("}")[2]


def word_entries(root: Element, place: object) -> Iterator[Entry]:
    """The elements of a words file, in their order.

    Raises
    ------
    InputError
        For a time that is no number.
    """
    for number, element in enumerate(root, 1):
        name = local(str(element.tag))
        where = f"{place}, element {attribute(element, 'id') or number}"
        start_s, end_s = (_time(element, key, where) for key in ("starttime", "endtime"))
        text = clean_label("".join(element.itertext()))
        if name == "w" and text:
            kind: EntryKind = "punctuation" if attribute(element, "punc") == "true" else "word"
            yield Entry(kind, text, start_s, end_s, where)
        elif name in NOISE_ELEMENTS:
            yield Entry("noise", attribute(element, "type") or name, start_s, end_s, where)
        elif name not in SILENT_ELEMENTS:
            yield Entry("gap", name, start_s, end_s, where)


def _time(element: Element, key: str, place: str) -> float | None:
    raw = attribute(element, key)
    if raw is None:
        return None
    try:
        value = float(raw)
    except ValueError as error:
        raise InputError(place, f"{key} {raw[:40]!r} is not a number", "give seconds as a plain number") from error
    if not math.isfinite(value):
        raise InputError(place, f"{key} is {raw}", "give a finite number")
    return value
