"""The Buckeye corpus (Pitt et al. 2007): ``.words`` beside ten-minute recordings of interviews.

A ``.words`` file has a header that a line ``#`` ends. An entry is ``end colour label; ...``; it starts where the one
before ends. Marks stand in ``<...>`` and ``{...}``:

- silence and noises (``<SIL>``, ``<VOCNOISE>``, ``<NOISE>``, ``<LAUGH>``) are no words;
- ``<EXT-word>``, ``<HES-word>`` and ``<LAUGH-word>``, a word lengthened, hesitated or laughed, are that word;
- everything else is speech whose words are not known, or not the speaker's: ``<IVER>``, ``<UNKNOWN>``,
  ``<CUTOFF-th=the>``, ``<ERROR-a=b>``, ``<EXCLUDE-name>``, several words in one mark, what lies outside the
  transcription. It is cut around.

The rest is cut at silences into utterances of at most 30 s.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from align_eval.corpus.audio import AUDIO_SUFFIXES
from align_eval.corpus.file_search import Files, by_stem, head, read_lines, the_one, with_suffix
from align_eval.corpus.folder import Corpus, check_inside
from align_eval.corpus.readers.segmentation import Span
from align_eval.corpus.readers.utterances import cut_recording, make_corpus, make_word, whole_file
from align_eval.errors import InputError
from align_eval.records import Failure, Utterance, Word
from align_eval.text import label_kind

SUFFIX = ".words"
SPEAKER_CHARACTERS = 3
"""``s0101a`` is a recording of ``s01``."""

HEADER_END = "#"
NOISES = ("SIL", "NOISE", "VOCNOISE", "LAUGH")
SPOKEN_MARKS = ("EXT", "HES", "LAUGH")

_ENTRY = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s+\d+\s+([^;]+?)\s*(?:;.*)?", re.ASCII)
_SPOKEN = re.compile(rf"<(?:{'|'.join(SPOKEN_MARKS)})[-_]([^<>_\s-]+)>")


@dataclass(slots=True)
class WordsFile:
    """What a ``.words`` file says: words, spans of other speech, marks, and entries that cannot be right."""

    words: list[Word] = field(default_factory=list)
    barriers: list[Span] = field(default_factory=list)
    marks: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)


def detect(files: Files) -> Path | None:
    """A file that says that this is Buckeye."""
    named = with_suffix(files, SUFFIX)
    return next((path for path in named if re.search(r"^#\s*$", head(path), re.MULTILINE)), None)


def load(path: Path, files: Files) -> Corpus:
    """Every recording with a ``.words`` file, cut at silences; times are manual."""
    audio = by_stem(files, *AUDIO_SUFFIXES)
    utterances: list[Utterance] = []
    failures: list[Failure] = []
    marks: Counter[str] = Counter()
    for file in with_suffix(files, SUFFIX):
        recording = file.stem
        try:
            found = read_buckeye_words(file)
            marks += found.marks
            sound = the_one(audio.get(recording.lower(), []), file, "audio of the same name")
            template = whole_file(
                recording, sound, (), speaker=recording[:SPEAKER_CHARACTERS], reference="manual", language="en"
            )
            check_inside(found.words, template.duration_s, file)
            of_recording, too_long = cut_recording(template, found.words, found.barriers)
        except InputError as error:
            failures.append(Failure(recording, str(error)))
            continue
        utterances += of_recording
        failures += [*too_long, *(Failure(recording, problem) for problem in found.problems)]
    return make_corpus(path, "buckeye", utterances, failures, marks)


def read_buckeye_words(path: Path) -> WordsFile:
    """Read a ``.words`` file; an entry that ends before it starts, or has no length, is listed and cut around."""
    lines = iter(read_lines(path))
    if not any(line == HEADER_END for _, line in lines):
        raise InputError(path, f"has no line {HEADER_END!r} that ends its header", "give Buckeye's .words file")
    found = WordsFile()
    start_s = 0.0
    for place, line in lines:
        match = _ENTRY.fullmatch(line)
        if match is None:
            raise InputError(place, f"{line[:40]!r} is not `end colour label; ...`", "correct the line")
        end_s, label = float(match[1]), match[2].strip()
        _add(found, label, start_s, end_s, place)
        start_s = max(start_s, end_s)
    return found


def _add(found: WordsFile, label: str, start_s: float, end_s: float, place: str) -> None:
    spoken = _SPOKEN.fullmatch(label)
    text = spoken[1] if spoken else label
    is_word = label_kind(text) == "word"
    if text != label or not is_word:
        found.marks[_mark(label)] += 1
    if is_word:
        try:
            found.words.append(make_word(text, start_s, end_s, place))
        except InputError as error:
            found.problems.append(str(error))
            found.barriers.append((start_s, max(start_s, end_s)))
    elif label.strip("<>") not in NOISES:
        found.barriers.append((start_s, max(start_s, end_s)))


def _mark(label: str) -> str:
    """The mark without what it holds, as ``<CUTOFF>`` of ``<CUTOFF-th=the>``."""
    return re.sub(r"[-=\s][^<>{}]*", "", label)
