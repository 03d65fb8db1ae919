"""JSON of openai-whisper and the systems built on it: a list of segments, each with its text and its words.

The systems differ in the keys that hold the segments, in the keys of a word and in what they omit; :data:`LAYOUTS`
lists the differences. Words may begin with a space. If they do, marks without one belong to their neighbour: ``" 20"``
and ``"%"`` are ``20%``, with the times of ``" 20"``. Other keys may hold anything.

openai-whisper
    A table with ``text``, ``segments`` and ``language``, written by its command line with ``--word_timestamps True
    --output_format json`` or by ``json.dump`` of the result of ``transcribe``. Apple's MLX Whisper and
    whisper-ctranslate2 use the same writer.
faster-whisper
    faster-whisper writes no file. Users save its segments by ``json.dump([asdict(s) for s in segments], file)``, as a
    list, in a table without ``text``, or as JSON Lines with one segment per line. The list or the lines may also be the
    words themselves.
whisper-timestamped
    Written by its command line as ``NAME.words.json``, or by ``json.dump`` of the result of ``transcribe``. ``[*]``
    marks a disfluency, which is no word (:mod:`align_eval.text`).
stable-ts
    Written by ``result.save_as_json``. The words of ``segments`` are read: they include its regrouping and adjusting.
    ``ori_dict`` holds the words before that.
whisperX
    Written after its alignment as ``NAME.json``, or by ``json.dump`` of the result of ``align``. A word with letters
    that its aligner lacks has no times, and a segment that it could not align has no words: both are read as words
    without times. ``word_segments`` repeats the words of all segments, and is not read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from align_eval.errors import InputError
from align_eval.formats.hypothesis.document import Document
from align_eval.formats.hypothesis.word import fits, has_words, hypothesis_word, is_combining
from align_eval.formats.textgrids import Tiers
from align_eval.records import HypothesisWord, Transcript
from align_eval.text import is_spoken

STABLE_TS_KEYS = frozenset(("ori_dict", "regroup_history", "nonspeech_sections"))
"""Keys that only stable-ts writes."""

API_KEYS = frozenset(("words", "task", "duration"))
"""Keys that the web API of OpenAI writes, and openai-whisper does not."""

Keys = Collection[str]


@dataclass(frozen=True, slots=True)
class Layout:
    """JSON layout of one system.

    Attributes
    ----------
    has : callable
        Decides by the keys of the table, and the keys of all its words, whether the table has this layout.
    description : str
        Line of ``align-eval list formats``.
    text, confidence : str
        Keys of a word.
    untimed : bool
        True if the system writes words without times.
    lines : bool
        True if the document may be the list of segments itself, as JSON or JSON Lines.
    remedy : str
        Advice to the user of a file without words.
    """

    has: Callable[[Keys, Keys], bool]
    description: str
    text: str = "word"
    confidence: str = "probability"
    untimed: bool = False
    lines: bool = False
    remedy: str = "transcribe with word_timestamps=True"

    def claims(self, document: Document) -> bool:
        """Tell whether the document has this layout."""
        segments = self._segments(document.json)
        if segments is None or not all(map(_is_segment, segments if "segments" not in document.json else ())):
            return False
        table_keys = document.json if "segments" in document.json else ()
        return self.has(table_keys, keys_of_words(segments))

    def read(self, document: Document, _tier: Tiers = None) -> tuple[Transcript, ...]:
        """Read the one recording of the document."""
        segments = self._segments(document.json)
        if segments is None:
            raise InputError(document.path, "has no list of segments", self.remedy)
        words = tuple(_words(document.path, segments, self))
        table = document.json if isinstance(document.json, dict) else {}
        if not words and has_words(table.get("text")):
            raise InputError(document.path, "has text but no words", self.remedy)
        return (Transcript(words, language=stated_language(table)),)

    def _segments(self, content: Any) -> list[Any] | None:
        """The segments of a file. A segment alone is a list of one; words alone are the words of one segment."""
        segments = content.get("segments") if isinstance(content, dict) else None
        if isinstance(segments, list) or not self.lines:
            return segments if isinstance(segments, list) else None
        entries = content if isinstance(content, list) else [content]
        if entries and all(map(_is_word, entries)):
            return [{"text": "", "start": 0.0, "words": entries}]
        return entries if isinstance(content, list) or _is_segment(content) else None


def _has_openai_whisper(table: Keys, word: Keys) -> bool:
    if "text" not in table or "word_segments" in table or STABLE_TS_KEYS & set(table):
        return False
    return ("word" in word and not {"score", "t_dtw"} & set(word)) if word else not API_KEYS & set(table)


def _has_faster_whisper(table: Keys, word: Keys) -> bool:
    if "text" in table or "word_segments" in table:
        return False
    return not word or ("word" in word and "score" not in word)


def _has_whisper_timestamped(table: Keys, word: Keys) -> bool:
    if "text" not in table or "word_segments" in table:
        return False
    if word:
        return "text" in word and "word" not in word
    return not (STABLE_TS_KEYS | API_KEYS) & set(table)


def _has_stable_ts(table: Keys, _word: Keys) -> bool:
    return bool(STABLE_TS_KEYS & set(table))


def _has_whisperx(table: Keys, word: Keys) -> bool:
    if STABLE_TS_KEYS & set(table):
        return False
    if "word_segments" in table or "score" in word:
        return True
    return "text" not in table and "probability" not in word and "text" not in word


LAYOUTS = {
    "openai-whisper": Layout(_has_openai_whisper, "JSON of openai-whisper with word_timestamps"),
    "faster-whisper": Layout(_has_faster_whisper, "JSON of faster-whisper's segments with word_timestamps", lines=True),
    "whisper-timestamped": Layout(
        _has_whisper_timestamped,
        "JSON of whisper-timestamped",
        text="text",
        confidence="confidence",
        remedy="give the file NAME.words.json, which has the words",
    ),
    "stable-ts": Layout(_has_stable_ts, "JSON of stable-ts"),
    "whisperx": Layout(
        _has_whisperx,
        "JSON of whisperX after its alignment",
        confidence="score",
        untimed=True,
        remedy="give whisperX's output after its alignment (not --no_align)",
    ),
}
"""Layout of each system, by the name of its format."""


def _is_segment(value: Any) -> bool:
    """Tell a segment in a bare list from a supervision of Lhotse or a chunk of a pipeline."""
    if not isinstance(value, dict) or "text" not in value or "start" not in value:
        return False
    return "recording_id" not in value and "timestamp" not in value


def _is_word(value: Any) -> bool:
    """Tell a word in a bare list from a segment."""
    return isinstance(value, dict) and {"word", "start", "end"} <= set(value) and "words" not in value


def keys_of_words(segments: list[Any]) -> set[str]:
    """Keys of all words of all segments together."""
    keys: set[str] = set()
    for segment in segments:
        words = segment.get("words") if isinstance(segment, dict) else None
        for word in words if isinstance(words, list) else ():
            if isinstance(word, dict):
                keys.update(word)
    return keys


def _words(file: object, segments: list[Any], layout: Layout) -> Iterator[HypothesisWord]:
    """Yield the words in the order of the file.

    A segment with text and an empty list of words yields the words of its text, without times.
    """
    spaced = any(text.startswith(" ") for text in _texts(segments, layout.text))
    for i, segment in enumerate(segments, 1):
        place = f"segment {i}"
        where = f"{file}, {place}"
        if not isinstance(segment, dict):
            raise InputError(where, "is not a table in JSON", "write each segment as a table with its words")
        text, words = segment.get("text", ""), segment.get("words")
        if not isinstance(text, str):
            raise InputError(where, "its text is not a string", "write the file again")
        if words is None and not text.strip():
            continue
        if not isinstance(words, list):
            raise InputError(where, "has no list of words", layout.remedy)
        if not words:
            yield from _untimed_words(file, place, text)
        parts = [(entry, _word(file, f"{place}, word {j}", entry, layout)) for j, entry in enumerate(words, 1)]
        found = [(word, not entry[layout.text].startswith(" ")) for entry, word in parts if word]
        yield from _with_marks(found) if spaced else (word for word, _ in found)


def _texts(segments: list[Any], key: str) -> Iterator[str]:
    """Yield the texts of all words."""
    for segment in segments:
        words = segment.get("words") if isinstance(segment, dict) else None
        for word in words if isinstance(words, list) else ():
            if isinstance(word, dict) and isinstance(word.get(key), str):
                yield word[key]


def _with_marks(words: Iterable[tuple[HypothesisWord, bool]]) -> list[HypothesisWord]:
    """Join marks to the word that they touch, in the text alone. ``True``: no space is between a word and the last."""
    joined: list[HypothesisWord] = []
    for word, touches in words:
        if joined and touches and not fits(joined[-1].text, word.text):
            joined.append(word)
        elif joined and touches and _is_marks(word.text):
            joined[-1] = replace(joined[-1], text=joined[-1].text + word.text)
        elif joined and touches and _is_marks(joined[-1].text):
            joined[-1] = replace(word, text=joined[-1].text + word.text)
        else:
            joined.append(word)
    return joined


def _is_marks(text: str) -> bool:
    """Tell whether a text is marks alone. A combining mark is part of a letter, and a bracket may be of a label."""
    return not is_spoken(text) and not is_combining(text) and text[0] not in "[]<>{}()"


def _word(file: object, place: str, entry: Any, layout: Layout) -> HypothesisWord | None:
    where = f"{file}, {place}"
    if not isinstance(entry, dict):
        raise InputError(where, "is not a table in JSON", "write each word as a table with its times")
    required = (layout.text,) if layout.untimed else (layout.text, "start", "end")
    for key in required:
        if key not in entry or entry[layout.text] is None:
            remedy = "write the file again, or name the system that wrote it with --format"
            raise InputError(where, f"has no {key!r}", remedy)
    start, end, confidence = (entry.get(key) for key in ("start", "end", layout.confidence))
    return hypothesis_word(file, place, entry[layout.text], start, end, confidence)


def _untimed_words(file: object, place: str, text: str) -> Iterator[HypothesisWord]:
    for j, token in enumerate(text.split(), 1):
        word = hypothesis_word(file, f"{place}, word {j} of its text", token, None, None)
        if word and is_spoken(token):
            yield word


def stated_language(table: Mapping[str, Any]) -> str | None:
    """The language as a table with the key ``language`` names it."""
    language = table.get("language")
    return language if isinstance(language, str) and language.strip() else None
