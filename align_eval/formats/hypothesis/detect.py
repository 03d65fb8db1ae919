"""Any system's output, read by its own form: the table of forms, and how a file's form is found.

A form claims a file by what stands in it, never by its name. Where several claim it, or none, the file is refused and
they are named: ``--format`` then says which. In a folder the files that only one form claims settle those that several
do, as an empty result, of which every system writes the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from align_eval.errors import InputError
from align_eval.formats.hypothesis import (
    ctm,
    faster_whisper,
    lhotse,
    openai_whisper,
    srt,
    stable_ts,
    transformers_chunks,
    webvtt,
    whisper_timestamped,
    whisperx,
)
from align_eval.formats.hypothesis import textgrid as textgrid_words
from align_eval.formats.hypothesis.document import Document, read_document
from align_eval.records import Transcript


@dataclass(frozen=True, slots=True)
class Format:
    """A form of file: whether a document has it, its reader, and the suffixes that its files have."""

    claims: Callable[[Document], bool]
    read: Callable[[Document, str | None], tuple[Transcript, ...]]
    suffixes: tuple[str, ...]
    description: str


FORMATS = {
    "textgrid": Format(
        textgrid_words.claims, textgrid_words.read, (".textgrid",), "Praat TextGrid: the intervals of a word tier"
    ),
    "ctm": Format(ctm.claims, ctm.read, (".ctm",), "NIST CTM: recording channel start duration word [confidence ...]"),
    "srt": Format(srt.claims, srt.read, (".srt",), "SRT with word cues"),
    "webvtt": Format(webvtt.claims, webvtt.read, (".vtt",), "WebVTT with word cues"),
    "openai-whisper": Format(
        openai_whisper.claims, openai_whisper.read, (".json",), "JSON of openai-whisper with word_timestamps"
    ),
    "faster-whisper": Format(
        faster_whisper.claims, faster_whisper.read, (".json",), "JSON of faster-whisper's segments with word_timestamps"
    ),
    "whisper-timestamped": Format(
        whisper_timestamped.claims, whisper_timestamped.read, (".json",), "JSON of whisper-timestamped"
    ),
    "stable-ts": Format(stable_ts.claims, stable_ts.read, (".json",), "JSON of stable-ts"),
    "whisperx": Format(whisperx.claims, whisperx.read, (".json",), "JSON of whisperX after its alignment"),
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
    """Refuse a form that is not in the table.

    Raises
    ------
    InputError
        With the forms that are.
    """
    if name is not None and name not in FORMATS:
        raise InputError(f"--format {name}", "there is no such form", f"known: {', '.join(FORMATS)}")


def claimants(document: Document) -> tuple[str, ...]:
    """Names of the forms that a document may have.

    Raises
    ------
    InputError
        Where it has none.
    """
    names = tuple(name for name, form in FORMATS.items() if form.claims(document))
    if not names:
        known = ", ".join(FORMATS)
        raise InputError(document.path, "has none of the forms that are read", f"see docs/formats.md; known: {known}")
    return names


def read_transcripts(
    path: Path, form: str | None = None, tier: str | None = None
) -> tuple[str, tuple[Transcript, ...]]:
    """Read a file.

    Parameters
    ----------
    form
        Its form, a name of :data:`FORMATS`; found by its content where None.
    tier
        The tier of a TextGrid, or the kind of Lhotse's alignments.

    Returns
    -------
    form, transcripts
        The form that it has, and what it holds: most forms hold one recording.

    Raises
    ------
    InputError
        Where the form is unknown or cannot be told, or the file is malformed.
    """
    check_format(form)
    document = read_document(path)
    name = form or the_one(document, claimants(document))
    return name, FORMATS[name].read(document, tier)


def the_one(document: Document, names: tuple[str, ...]) -> str:
    """The form of a document that has only one.

    Raises
    ------
    InputError
        Where there are several.
    """
    if len(names) > 1:
        raise InputError(document.path, f"may be {' or '.join(names)}", f"say which with --format {names[0]}")
    return names[0]
