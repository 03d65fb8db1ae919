"""Words files in the XML of the NITE toolkit, the format of the AMI corpus.

A document type is refused (defusedxml): a file then cannot declare entities to expand, and nothing outside it is read.
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

from align_eval.errors import InputError, reason
from align_eval.reading import MAX_RECORDING_BYTES, read_bytes
from align_eval.text import clean_label

EntryKind = Literal["word", "punctuation", "noise", "gap"]

NOISE_ELEMENTS = ("vocalsound", "nonvocalsound", "pause")
SILENT_ELEMENTS = ("comment", "transformerror", "disfmarker")
"""Notes on the transcription, without sound."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A timed element of a words file; a time is None if the corpus has none."""

    kind: EntryKind
    text: str
    start_s: float | None
    end_s: float | None
    place: str


def parse_xml(data: bytes, place: object) -> Element:
    """Parse an XML document and return its root.

    Raises
    ------
    InputError
        If the document is not well-formed, has an unknown encoding, or has a document type.
    """
    try:
        root: Element = fromstring(data, forbid_dtd=True)
    except DefusedXmlException as error:
        raise InputError(place, "has a document type or entities", "remove its <!DOCTYPE ...>") from error
    except (ParseError, LookupError, ValueError) as error:
        raise InputError(place, f"is not well-formed XML ({reason(error)})", "copy the file again") from error
    return root


def read_xml(path: Path) -> Element:
    """Parse an XML file and return its root (see :func:`parse_xml`)."""
    return parse_xml(read_bytes(path, MAX_RECORDING_BYTES), path)


def attribute(element: Element, name: str) -> str | None:
    """The attribute with this local name, in any namespace."""
    return next((value for key, value in element.attrib.items() if local(key) == name), None)


def local(name: str) -> str:
    """A name without its namespace."""
    return name.rpartition("}")[2]


def word_entries(root: Element, place: object) -> Iterator[Entry]:
    """Yield the elements of a words file, in order.

    Raises
    ------
    InputError
        If a time is not a finite number.
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
        raise InputError(place, f"{key} {raw[:40]!r} is not a number", "write seconds as a plain number") from error
    if not math.isfinite(value):
        raise InputError(place, f"{key} is {raw}", "write a finite number")
    return value
