"""Table of the hypothesis formats, and detection of a file's format.

The content of a file decides its format, never its name. A file that fits several formats, or none, is refused with
their names, and ``--format`` names the right one. In a folder, the files that fit only one format decide for files that
fit several, such as an empty result, which every system writes alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from align_eval.errors import InputError, did_you_mean
from align_eval.formats.hypothesis import (
    ctm,
    lhotse,
    mfa_json,
    srt,
    textgrid,
    transformers_chunks,
    webvtt,
    whisper_cpp_json,
)
from align_eval.formats.hypothesis.document import Document, read_document
from align_eval.formats.hypothesis.whisper_json import LAYOUTS, Layout
from align_eval.formats.hypothesis.word import split_labels
from align_eval.formats.hypothesis.word_list_json import WORD_LISTS, WordList
from align_eval.formats.textgrids import Tiers
from align_eval.records import Transcript
from align_eval.text import DEFAULT_POLICY, LabelPolicy


@dataclass(frozen=True, slots=True)
class Format:
    """A file format: whether a document has it, its reader, and the suffixes of its files."""

    claims: Callable[[Document], bool]
    read: Callable[[Document, Tiers], tuple[Transcript, ...]]
    suffixes: tuple[str, ...]
    description: str


def _json_format(layout: Layout | WordList) -> Format:
    suffixes = (".json", ".jsonl") if layout.lines else (".json",)
    return Format(layout.claims, layout.read, suffixes, layout.description)


FORMATS = {
    "textgrid": Format(textgrid.claims, textgrid.read, (".textgrid",), "Praat TextGrid: the intervals of a word tier"),
    "ctm": Format(ctm.claims, ctm.read, (".ctm",), "NIST CTM: recording channel start duration word [confidence ...]"),
    "srt": Format(srt.claims, srt.read, (".srt",), "SRT with word cues"),
    "webvtt": Format(webvtt.claims, webvtt.read, (".vtt",), "WebVTT with word cues"),
    **{name: _json_format(layout) for name, layout in LAYOUTS.items()},
    **{name: _json_format(layout) for name, layout in WORD_LISTS.items()},
    "whisper.cpp": Format(
        whisper_cpp_json.claims, whisper_cpp_json.read, (".json",), "whisper.cpp's --output-json-full, or --max-len 1"
    ),
    "mfa": Format(mfa_json.claims, mfa_json.read, (".json",), "MFA's --output_format json"),
    "transformers": Format(
        transformers_chunks.claims,
        transformers_chunks.read,
        (".json",),
        'JSON of a transformers pipeline with return_timestamps="word"',
    ),
    "lhotse": Format(
        lhotse.claims, lhotse.read, (".json", ".jsonl", ".json.gz", ".jsonl.gz"), "Lhotse supervisions with alignments"
    ),
}


def check_format(name: str | None) -> None:
    """Refuse the name of an unknown format.

    Raises
    ------
    InputError
        Names the known formats.
    """
    if name is not None and name not in FORMATS:
        raise InputError(
            f"--format {name}", "there is no such format", f"{did_you_mean(name, FORMATS)}known: {', '.join(FORMATS)}"
        )


def claimants(document: Document) -> tuple[str, ...]:
    """Names of the formats that fit a document.

    Raises
    ------
    InputError
        If none fits.
    """
    names = tuple(name for name, format_ in FORMATS.items() if format_.claims(document))
    if not names:
        known = ", ".join(FORMATS)
        raise InputError(document.path, "has no known format", f"see docs/formats.md; known: {known}")
    return names


def read_transcripts(
    path: Path, format_name: str | None = None, tier: Tiers = None, labels: LabelPolicy = DEFAULT_POLICY
) -> tuple[str, tuple[Transcript, ...]]:
    """Read a file.

    Parameters
    ----------
    format_name
        A name of :data:`FORMATS`. None detects the format from the content.
    tier
        Tiers of a TextGrid, or the kind of Lhotse's alignments.
    labels
        Labels to keep or to drop.

    Returns
    -------
    format_name : str
    transcripts : tuple of Transcript
        One per recording; most formats hold one recording.

    Raises
    ------
    InputError
        If the format is unknown or cannot be decided, or the file is malformed.
    """
    check_format(format_name)
    document = read_document(path, may_be_empty=format_name in ("srt", "webvtt"))
    name = format_name or the_one(document, claimants(document))
    return name, words_of(document, name, tier, labels)


def words_of(document: Document, format_name: str, tier: Tiers, labels: LabelPolicy) -> tuple[Transcript, ...]:
    """Read a document of known format: its words, cleaned, and the labels that are no words apart."""
    transcripts = FORMATS[format_name].read(document, tier)
    split = (split_labels(transcript.words, labels) for transcript in transcripts)
    return tuple(replace(t, words=w, dropped=d) for t, (w, d) in zip(transcripts, split, strict=True))


def the_one(document: Document, names: tuple[str, ...]) -> str:
    """The single format that fits a document.

    Raises
    ------
    InputError
        If several fit; or if none of them can read it, the error of the first, with the remedies of all.
    """
    if len(names) == 1:
        return names[0]
    errors = [error for name in names if (error := _error_of(document, name))]
    if len(errors) == len(names):
        remedies = dict.fromkeys(error.remedy for error in errors)
        raise InputError(errors[0].place, errors[0].problem, " or ".join(remedies))
    raise InputError(document.path, f"may be {' or '.join(names)}", f"name its format with --format {names[0]}")


def _error_of(document: Document, name: str) -> InputError | None:
    try:
        FORMATS[name].read(document, None)
    except InputError as error:
        return error
    return None
