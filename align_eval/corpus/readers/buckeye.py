"""Reader of the Buckeye corpus (Pitt et al. 2007): ``.words`` files beside ten-minute recordings of interviews.

The header of a ``.words`` file ends with a line ``#``. An entry is ``end colour label; ...`` and starts where the entry
before it ends. Marks are written ``<...>`` or ``{...}``:

- silence and noises (``<SIL>``, ``<VOCNOISE>``, ``<NOISE>``, ``<LAUGH>``) are not words;
- ``<EXT-word>``, ``<HES-word>`` and ``<LAUGH-word>`` (lengthened, hesitated or laughed) are the word in the mark;
- all other marks are speech with unknown words, or speech of someone else: ``<IVER>``, ``<UNKNOWN>``,
  ``<CUTOFF-th=the>``, ``<ERROR-a=b>``, ``<EXCLUDE-name>``, several words in one mark, and the stretches outside the
  transcription. Recordings are cut around them.

Everything else is cut at silences into utterances of at most 30 s.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from align_eval.corpus.failing import failure_of
from align_eval.corpus.file_search import Files, audio_by_stem, head, read_lines, the_one, with_suffix
from align_eval.corpus.folder import Corpus, check_inside
from align_eval.corpus.readers.segmentation import Span
from align_eval.corpus.readers.utterances import cut_recording, make_corpus, make_word, whole_file
from align_eval.errors import InputError
from align_eval.records import Failure, Utterance, Word
from align_eval.text import clean_label, composed, label_kind, shown

SUFFIX = ".words"
SPEAKER_CHARACTERS = 3
"""Length of the speaker in the name of a recording: ``s0101a`` is by ``s01``."""

HEADER_END = "#"
NOISES = ("SIL", "NOISE", "VOCNOISE", "LAUGH")
SPOKEN_MARKS = ("EXT", "HES", "LAUGH")

_ENTRY = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s+\d+\s+([^;]+)(?:;.*)?", re.ASCII)
_SPOKEN = re.compile(rf"<(?:{'|'.join(SPOKEN_MARKS)})[-_]([^<>_\s-]+)>")


@dataclass(slots=True)
class WordsFile:
    """Content of a ``.words`` file: words, spans of other speech, counts of marks, words with impossible times."""

    words: list[Word] = field(default_factory=list)
    barriers: list[Span] = field(default_factory=list)
    marks: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)


def detect(files: Files) -> Path | None:
    """Find a file that only a Buckeye corpus has."""
    candidates = with_suffix(files, SUFFIX)
    return next((path for path in candidates if re.search(r"^#\s*$", head(path), re.MULTILINE)), None)


def load(path: Path, files: Files) -> Corpus:
    """Load every recording with a ``.words`` file, cut at silences; times are manual."""
    audio = audio_by_stem(files)
    utterances: list[Utterance] = []
    failures: list[Failure] = []
    marks: Counter[str] = Counter()
    for file in with_suffix(files, SUFFIX):
        recording = composed(file.stem)
        try:
            content = read_buckeye_words(file)
            marks += content.marks
            sound = the_one(audio.get(recording.lower(), []), file, "audio of the same name")
            template = whole_file(
                recording, sound, (), speaker=recording[:SPEAKER_CHARACTERS], reference="manual", language="en"
            )
            check_inside(content.words, template.duration_s, file)
            recording_utterances, too_long = cut_recording(template, content.words, content.barriers)
        except Exception as error:
            failures.append(failure_of(recording, error))
            continue
        utterances += recording_utterances
        failures += [*too_long, *(Failure(recording, problem) for problem in content.problems)]
    return make_corpus(path, "buckeye", utterances, failures, marks)


def read_buckeye_words(path: Path) -> WordsFile:
    """Read a ``.words`` file.

    A word that ends before it starts, or has no length, is listed among the problems, and its span is a barrier.

    Raises
    ------
    InputError
        If the file has no header, or a line is not an entry.
    """
    lines = iter(read_lines(path))
    if not any(line == HEADER_END for _, line in lines):
        raise InputError(
            path, f"has no line {HEADER_END!r} that ends its header", "give a .words file of the Buckeye corpus"
        )
    content = WordsFile()
    start_s = 0.0
    for place, line in lines:
        match = _ENTRY.fullmatch(line)
        if match is None:
            raise InputError(place, f"{line[:40]!r} is not `end colour label; ...`", "correct the line")
        end_s, label = float(match[1]), match[2].strip()
        _add(content, label, start_s, end_s, place)
        start_s = max(start_s, end_s)
    return content


def _add(content: WordsFile, label: str, start_s: float, end_s: float, place: str) -> None:
    match = _SPOKEN.fullmatch(label)
    text = clean_label(match[1] if match else label)
    is_word = label_kind(text) == "word"
    if match or not is_word:
        content.marks[_mark(label)] += 1
    if is_word:
        try:
            content.words.append(make_word(text, start_s, end_s, place))
        except InputError as error:
            content.problems.append(str(error))
            content.barriers.append((start_s, max(start_s, end_s)))
    elif label.strip("<>") not in NOISES:
        content.barriers.append((start_s, max(start_s, end_s)))


def _mark(label: str) -> str:
    """The mark without its content: ``<CUTOFF>`` for ``<CUTOFF-th=the>``."""
    label = shown(label)
    return re.sub(r"[-=\s][^<>{}]*", "", label)
