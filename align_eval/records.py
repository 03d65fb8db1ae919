"""Records of words, utterances, maps and alignments. Frozen; arrays are read-only; non-finite numbers are refused.

The record that holds tensors, the pass, is in :mod:`align_eval.model.forward`; scores are in
:mod:`align_eval.run_record`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from align_eval.errors import InputError, listed, printable

FloatMatrix = npt.NDArray[np.float32]
IntVector = npt.NDArray[np.int32]

AUTO = "auto"
"""``language`` of an utterance whose language the model detects."""

EOT_WORD = -1
"""``word_of_token`` of the row for the end of the text, which belongs to no word."""


@dataclass(frozen=True, slots=True)
class FileState:
    """State of a file. It differs once other bytes are written to the file, or another file takes its name."""

    modified_ns: int
    n_bytes: int
    inode: int
    device: int

    @classmethod
    def of(cls, path: Path) -> FileState:
        """The present state of a file; an OSError if it is not there."""
        found = path.stat()
        return cls(found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev)


@dataclass(frozen=True, slots=True)
class Word:
    """A word with its times in seconds; ``start_s == end_s`` is allowed, because some systems write it."""

    text: str
    start_s: float
    end_s: float
    confidence: float | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.start_s) and math.isfinite(self.end_s)):
            raise ValueError(f"word {self.text!r}: times are not finite ({self.start_s}, {self.end_s})")
        if self.confidence is not None and not math.isfinite(self.confidence):
            raise ValueError(f"word {self.text!r}: confidence is not finite ({self.confidence})")
        if self.end_s < self.start_s:
            raise ValueError(f"word {self.text!r}: ends ({self.end_s:.10g} s) before it starts ({self.start_s:.10g} s)")


@dataclass(frozen=True, slots=True)
class HypothesisWord:
    """A word of another system, as its file has it.

    A time is None where the file has none. ``place`` is the place in the file, for messages. Times are finite, not
    negative and in order. A word with other times in its file has none here, and ``problem`` has the reason
    (:mod:`align_eval.formats.hypothesis.word`). ``no_word``: the file says itself that this label is no word, whatever
    its text (the type of a CTM line).
    """

    text: str
    start_s: float | None
    end_s: float | None
    confidence: float | None = None
    place: str = ""
    no_word: bool = False
    problem: str = ""

    @property
    def timed(self) -> bool:
        """True if both its times are known."""
        return self.start_s is not None and self.end_s is not None


@dataclass(frozen=True, slots=True)
class Transcript:
    """The words of one recording in a file, in the order of the file.

    ``id`` is None where the file holds one recording, which then has the name of the file. ``end_s`` is the end of the
    recording, if the file has it. ``language`` is the name or code in the file. ``dropped`` are the labels that are no
    words (:mod:`align_eval.text`).
    """

    words: tuple[HypothesisWord, ...]
    id: str | None = None
    speaker: str | None = None
    language: str | None = None
    end_s: float | None = None
    dropped: tuple[HypothesisWord, ...] = ()


@dataclass(frozen=True, slots=True)
class AudioSpan:
    """Span of an audio file with the samples of an utterance; ``channel`` None means the mean of all channels."""

    path: Path
    channel: int | None = None
    start_s: float = 0.0
    end_s: float | None = None

    def __post_init__(self) -> None:
        end_s = math.inf if self.end_s is None else self.end_s
        if not 0 <= self.start_s < end_s or (self.channel is not None and self.channel < 0):
            raise ValueError(f"{self.path}: no span from {self.start_s} to {self.end_s} s of channel {self.channel}")


@dataclass(frozen=True, slots=True)
class Utterance:
    """One stretch of speech with its reference words.

    ``reference`` is the origin of the reference times: ``manual``, ``automatic`` or ``unstated``; scores of different
    kinds are never pooled. ``speaker`` is None where it is unknown. ``recording`` is always known; intervals resample
    recordings where speakers are unknown. Times of words count from the start of the span in ``audio``. ``part_of`` is
    the id of the longer utterance of which this one is a window. ``spoken`` is for scoring alone: all words of the
    reference, if some have no usable times and are not in ``words``.
    """

    id: str
    audio: AudioSpan
    words: tuple[Word, ...]
    text: str
    language: str | None
    speaker: str | None
    recording: str
    duration_s: float
    reference: str = "unstated"
    part_of: str | None = None
    spoken: tuple[HypothesisWord, ...] = ()


SECOND_REFERENCE = "second reference"


@dataclass(frozen=True, slots=True)
class SystemName:
    """Name under which tables hold words and scores: their columns ``source`` and ``align``.

    Of a system that runs here, the canonical specs of its source and aligner. Of files, the name of the program, and
    ``given``. Of a second reference, :data:`SECOND_REFERENCE` and its name: it is scored like a system.
    """

    source: str
    align: str

    def __str__(self) -> str:
        return f"{self.source} | {self.align}"


@dataclass(frozen=True, slots=True)
class Unit:
    """Reference words and their hypothesis words, as indices, which are timed as one.

    Mostly one word with one word; several where the two texts divide the same speech differently ("can not" and
    "cannot", "twenty one" and "21"). ``same``: both sides are the same text after normalisation; otherwise they are a
    substitution.
    """

    reference: tuple[int, ...]
    hypothesis: tuple[int, ...]
    same: bool


@dataclass(frozen=True, slots=True)
class Pairing:
    """Reference words paired with hypothesis words; every word of either text is in exactly one tuple.

    Attributes
    ----------
    units : tuple of Unit
        In the order of both texts.
    deleted : tuple of int
        Reference words without a partner.
    inserted : tuple of int
        Hypothesis words without a partner.
    ignored : tuple of int
        Hypothesis "words" without a letter or digit, as a lone dash: neither paired nor counted as insertions.
    """

    units: tuple[Unit, ...]
    deleted: tuple[int, ...]
    inserted: tuple[int, ...]
    ignored: tuple[int, ...]
    n_reference: int
    n_hypothesis: int

    def __post_init__(self) -> None:
        reference = [i for unit in self.units for i in unit.reference]
        hypothesis = [i for unit in self.units for i in unit.hypothesis]
        if sorted([*reference, *self.deleted]) != list(range(self.n_reference)):
            raise ValueError(f"reference words 0 to {self.n_reference - 1} are not each in one place")
        if sorted([*hypothesis, *self.inserted, *self.ignored]) != list(range(self.n_hypothesis)):
            raise ValueError(f"hypothesis words 0 to {self.n_hypothesis - 1} are not each in one place")
        if reference != sorted(reference) or hypothesis != sorted(hypothesis):
            raise ValueError("units are not in the order of both texts")


@dataclass(frozen=True, slots=True)
class RelevanceMap:
    """A relevance map: one value per token and column of time.

    Attributes
    ----------
    values : float32[n_tokens, n_frames]
        One row per token of the text and a last row for its end; greater is more relevant.
        Column ``j`` covers ``[start_s + j * frame_s, start_s + (j + 1) * frame_s)``.
    word_of_token : int32[n_tokens]
        Word of each row, ascending; :data:`EOT_WORD` for the last row.
    spec : str
        Spec of its source.
    details : mapping
        Evidence that the source gives about itself: plain numbers, strings and lists.
    lead : float32[1, n_frames], optional
        Row of the last token of the prompt, prepared with the others, if the source has it.
    pieces : tuple of (str, int)
        The text in pieces, each with its number of tokens; a punctuation mark is a piece. Empty if unknown.
    letters : int32[n_tokens], optional
        Number of letters and digits of each row, if known.
    """

    values: FloatMatrix
    frame_s: float
    start_s: float
    word_of_token: IntVector
    spec: str
    details: Mapping[str, Any] = field(default_factory=dict)
    lead: FloatMatrix | None = None
    pieces: tuple[tuple[str, int], ...] = ()
    letters: IntVector | None = None

    def __post_init__(self) -> None:
        values = np.array(self.values, dtype=np.float32, order="C")  # copies: the caller's arrays stay writable
        words = np.array(self.word_of_token, dtype=np.int32)
        if values.ndim != 2 or values.shape[0] != words.shape[0] or 0 in values.shape:
            raise ValueError(
                f"{self.spec}: map {values.shape} does not fit its {words.shape[0]} tokens and at least one frame"
            )
        if self.lead is not None and self.lead.shape != (1, values.shape[1]):
            raise ValueError(
                f"{self.spec}: the row before the text {self.lead.shape} does not fit a map {values.shape}"
            )
        if self.pieces and sum(n for _, n in self.pieces) != len(words) - 1:
            raise ValueError(
                f"{self.spec}: the pieces hold {sum(n for _, n in self.pieces)} tokens, not {len(words) - 1}"
            )
        letters = None if self.letters is None else np.array(self.letters, dtype=np.int32)
        if letters is not None and (letters.shape != words.shape or letters.min() < 0):
            raise ValueError(f"{self.spec}: letters {letters.tolist()} do not fit {len(words)} tokens")
        bad = np.argwhere(~np.isfinite(values))
        if len(bad):
            row, column = (int(i) for i in bad[0])
            raise InputError(
                f"source {self.spec}, token row {row}, frame {column}",
                f"the map is not finite there ({values[row, column]}; {len(bad)} such values)",
                "check the model's weights, or compute in float32 (--dtype float32)",
            )
        check_word_of_token(words, self.spec)
        if not (math.isfinite(self.start_s) and 0 < self.frame_s < math.inf):
            raise ValueError(f"{self.spec}: no time axis from {self.start_s} s in steps of {self.frame_s} s")
        for name, array in (("values", values), ("word_of_token", words), ("letters", letters)):
            if array is not None:
                array.flags.writeable = False
            object.__setattr__(self, name, array)


def check_word_of_token(words: IntVector, place: str) -> None:
    """Check the word of each row of a map.

    Raises
    ------
    ValueError
        If the words do not rise from 0 in steps of 1 and end with :data:`EOT_WORD`.
    """
    steps = np.diff(words[:-1], prepend=0)
    if words[-1] != EOT_WORD or np.any(steps < 0) or np.any(steps > 1) or (len(words) > 1 and words[0] != 0):
        raise ValueError(f"{place}: word_of_token must rise from 0 in steps of 1 and end with {EOT_WORD}")


@dataclass(frozen=True, slots=True)
class Alignment:
    """Word times read off a map.

    Attributes
    ----------
    words : tuple of (start_s, end_s)
        One pair per word.
    token_frames : int32[n_tokens, 2]
        First column of each row and the one after its last on the best path; equal where a row has no column. Medians
        over all paths (``boundary=median``) can give words that differ from it.
    cost : float
        Sum of the negative map along the best path, in the terms of that path.
    spec : str
        Spec of its aligner.
    """

    words: tuple[tuple[float, float], ...]
    token_frames: IntVector
    cost: float
    spec: str


@dataclass(frozen=True, slots=True)
class Failure:
    """An utterance or file that could not be used, with the reason; or a system that failed on an utterance.

    ``system`` names the system, or the source of several, where other systems timed the utterance; otherwise it is
    None, and JSON files leave it out. The message is escaped (:func:`~align_eval.errors.printable`).
    ``traceback`` is the text of the traceback of an unexpected error, which is a bug in align-eval. JSON files name the
    file that holds it (:mod:`align_eval.formats.run.tracebacks`); a failure that is read from a JSON file has none.
    Bytes of file names that are no UTF-8 are escaped in its texts, since no file of text can hold them.
    """

    id: str
    message: str
    traceback: str | None = None
    system: str | None = None

    def __post_init__(self) -> None:
        for name in ("id", "traceback", "system"):
            text = getattr(self, name)
            if isinstance(text, str) and not text.isascii():  # a file name may hold bytes that are no UTF-8
                object.__setattr__(self, name, text.encode("utf-8", "backslashreplace").decode())
        object.__setattr__(self, "message", printable(self.message))


def listed_failures(failures: Iterable[Failure]) -> str:
    """List the messages of the first failures, for the message of an error."""
    return listed((failure.message for failure in failures), "; ", most=3, width=500)


@dataclass(frozen=True, slots=True)
class FlatRows:
    """Rows of a source's maps over all utterances, and those of them in which it found nothing, so that they are flat.

    A row belongs to a token or to the end of the text.
    """

    source: str
    n_flat: int
    n_rows: int


def sum_flat_rows(parts: Iterable[FlatRows]) -> tuple[FlatRows, ...]:
    """Add up the rows of each source; sorted by source."""
    sums: dict[str, FlatRows] = {}
    for part in parts:
        so_far = sums.get(part.source, FlatRows(part.source, 0, 0))
        sums[part.source] = FlatRows(part.source, so_far.n_flat + part.n_flat, so_far.n_rows + part.n_rows)
    return tuple(sums[source] for source in sorted(sums))
