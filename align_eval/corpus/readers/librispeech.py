"""Reader of LibriSpeech (Panayotov et al. 2015) with alignments by the Montreal Forced Aligner.

Audio and ``.trans.txt`` files are as distributed. The alignments are anywhere under the same path: TextGrids per
utterance (Lugosch et al. 2019), or ``.alignment.txt`` lists per chapter. A line of a list is
``id ",A,WORD" "0.1,0.4,0.9"``, the words and their ends; an empty word is silence. Capitals are lowered. Words that
were not in the aligner's lexicon (``<unk>``) are restored from the transcript.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from align_eval.corpus.failing import failure_of
from align_eval.corpus.file_search import (
    Files,
    audio_by_stem,
    by_stem,
    head,
    identity,
    read_lines,
    the_one,
    with_suffix,
)
from align_eval.corpus.folder import TEXTGRID_SUFFIX, Corpus, check_inside
from align_eval.corpus.readers.utterances import make_corpus, make_word, whole_file
from align_eval.errors import InputError
from align_eval.formats.textgrids import Tiers, read_word_tier
from align_eval.records import Failure, Utterance, Word
from align_eval.text import clean_label, label_kind, lower_capitals, refuse_unknown, restore_unknown, shown

TRANSCRIPT_SUFFIX = ".trans.txt"
LIST_SUFFIX = ".alignment.txt"

_ID = re.compile(r"\d+-\d+-\d+", re.ASCII)
_LIST = re.compile(r'(\S+)\s+"([^"]*)"\s+"([^"]*)"')


def detect(files: Files) -> Path | None:
    """Find a file that only LibriSpeech has."""
    candidates = with_suffix(files, TRANSCRIPT_SUFFIX, LIST_SUFFIX)
    return next((path for path in candidates if _ID.match(head(path).strip())), None)


def load(path: Path, files: Files, tier: Tiers = None) -> Corpus:
    """Load every aligned utterance: English, automatic times; the first part of the id is the speaker."""
    audio, grids = audio_by_stem(files), by_stem(files, TEXTGRID_SUFFIX)
    utterances: list[Utterance] = []
    failures: list[Failure] = []
    transcripts: dict[str, str] = {}
    for file in with_suffix(files, TRANSCRIPT_SUFFIX):
        try:
            transcripts |= _transcripts(file)
        except Exception as error:
            failures.append(failure_of(identity(file, path), error))
    marks: Counter[str] = Counter()
    lists: dict[str, tuple[str, str, str]] = {}
    for file in with_suffix(files, LIST_SUFFIX):
        try:
            lines = list(read_lines(file))
        except Exception as error:
            failures.append(failure_of(identity(file, path), error))
            continue
        for place, line in lines:
            match = _LIST.fullmatch(line)
            if match is None:
                problem = f'{line[:40]!r} is not `id ",WORDS" "ENDS"`'
                failures.append(Failure(place, str(InputError(place, problem, "correct or remove the line"))))
            else:
                lists[match[1].lower()] = (place, match[2], match[3])
    for id_ in sorted({i for i in (*audio, *grids) if _ID.fullmatch(i)} | set(lists) | set(transcripts)):
        try:
            sound = the_one(audio.get(id_, []), id_, "audio")
            words, place = _words(id_, sound, grids.get(id_, []), lists.get(id_), tier, marks)
            transcript = lower_capitals(transcripts.get(id_, "").split())
            texts = restore_unknown(lower_capitals([w.text for w in words]), transcript, place)
            refuse_unknown(texts, place)
            words = tuple(replace(w, text=text) for w, text in zip(words, texts, strict=True))
            utterance = whole_file(
                identity(sound, path), sound, words, speaker=id_.split("-")[0], reference="automatic", language="en"
            )
            check_inside(words, utterance.duration_s, place)
            utterances.append(utterance)
        except Exception as error:
            failures.append(failure_of(id_, error))
    return make_corpus(path, "librispeech", utterances, failures, marks)


def parse_alignment(words: str, ends: str, place: str) -> tuple[tuple[Word, ...], tuple[str, ...]]:
    """Words and marks of a line of an ``.alignment.txt``; an entry starts where the one before it ends.

    Parameters
    ----------
    words, ends
        Lists of labels and of times in seconds, separated by commas.
    """
    labels, numbers = words.split(","), ends.split(",")
    if len(labels) != len(numbers):
        raise InputError(place, f"has {len(labels)} words and {len(numbers)} ends", "give as many ends as words")
    aligned: list[Word] = []
    marks: list[str] = []
    start_s = 0.0
    for label, number in zip(labels, numbers, strict=True):
        try:
            end_s = float(number)
        except ValueError as error:
            raise InputError(place, f"{number[:40]!r} is not a number", "give seconds as plain numbers") from error
        kind = label_kind(clean_label(label))
        if kind in ("word", "unknown"):
            aligned.append(make_word(label, start_s, end_s, place))
        if kind != "word" and label:
            marks.append(shown(label))
        start_s = end_s
    if not aligned:
        raise InputError(place, "holds no words", "remove the line")
    return tuple(aligned), tuple(marks)


def _words(
    id_: str,
    sound: Path,
    grids: Sequence[Path],
    listed: tuple[str, str, str] | None,
    tier: Tiers,
    marks: Counter[str],
) -> tuple[tuple[Word, ...], str]:
    """Words of an utterance from its line of a list or its TextGrid, and their place for messages."""
    if listed is not None and grids:
        raise InputError(grids[0], f"{id_} is in {listed[0]} too", "keep one of the two alignments")
    if listed is not None:
        words, line_marks = parse_alignment(listed[1], listed[2], listed[0])
        marks.update(line_marks)
        return words, listed[0]
    grid = the_one(grids, sound, "alignment, neither a TextGrid nor a line of an .alignment.txt")
    word_tier = read_word_tier(grid, tier)
    marks.update(word_tier.marks)
    return word_tier.words, str(grid)


def _transcripts(file: Path) -> list[tuple[str, str]]:
    """Ids in lower case and texts of a ``.trans.txt``."""
    parts = (line.partition(" ") for _, line in read_lines(file))
    return [(id_.lower(), text.strip()) for id_, _, text in parts]
