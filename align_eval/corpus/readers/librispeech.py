"""LibriSpeech (Panayotov et al. 2015) with alignments by the Montreal Forced Aligner.

Audio and ``.trans.txt`` as distributed; the alignments beside them or in a folder of their own under the same path:
TextGrids by utterance (Lugosch et al. 2019), or ``.alignment.txt`` lists by chapter, a line
``id ",A,WORD" "0.1,0.4,0.9"`` of words and their ends, empty ones silence. Capitals are lowered, and words that the
aligner's lexicon lacked (``<unk>``) are restored from the transcript.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from align_eval.corpus.audio import AUDIO_SUFFIXES
from align_eval.corpus.file_search import Files, by_stem, head, identity, read_lines, the_one, with_suffix
from align_eval.corpus.folder import TEXTGRID_SUFFIX, Corpus, check_inside
from align_eval.corpus.readers.utterances import make_corpus, make_word, whole_file
from align_eval.errors import InputError
from align_eval.formats.textgrids import read_word_tier
from align_eval.records import Failure, Utterance, Word
from align_eval.text import label_kind, lower_capitals, refuse_unknown, restore_unknown

TRANSCRIPT_SUFFIX = ".trans.txt"
LIST_SUFFIX = ".alignment.txt"

_ID = re.compile(r"\d+-\d+-\d+", re.ASCII)
_LIST = re.compile(r'(\S+)\s+"([^"]*)"\s+"([^"]*)"')


def detect(files: Files) -> Path | None:
    """A file that says that this is LibriSpeech."""
    named = with_suffix(files, TRANSCRIPT_SUFFIX, LIST_SUFFIX)
    return next((path for path in named if _ID.match(head(path).strip())), None)


def load(path: Path, files: Files, tier: str | None = None) -> Corpus:
    """Every aligned utterance, English, with automatic times; the first part of its id is its reader."""
    audio, grids = by_stem(files, *AUDIO_SUFFIXES), by_stem(files, TEXTGRID_SUFFIX)
    transcripts = {id_: text for file in with_suffix(files, TRANSCRIPT_SUFFIX) for id_, text in _transcripts(file)}
    utterances: list[Utterance] = []
    failures: list[Failure] = []
    marks: Counter[str] = Counter()
    lists: dict[str, tuple[str, str, str]] = {}
    for file in with_suffix(files, LIST_SUFFIX):
        for place, line in read_lines(file):
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
        except InputError as error:
            failures.append(Failure(id_, str(error)))
    return make_corpus(path, "librispeech", utterances, failures, marks)


def parse_alignment(words: str, ends: str, place: str) -> tuple[tuple[Word, ...], tuple[str, ...]]:
    """Words and marks of a line of an ``.alignment.txt``; an entry starts where the one before ends."""
    labels, numbers = words.split(","), ends.split(",")
    if len(labels) != len(numbers):
        raise InputError(place, f"has {len(labels)} words and {len(numbers)} ends", "give as many ends as words")
    found: list[Word] = []
    marks: list[str] = []
    start_s = 0.0
    for label, number in zip(labels, numbers, strict=True):
        try:
            end_s = float(number)
        except ValueError as error:
            raise InputError(place, f"{number[:40]!r} is not a number", "give seconds as plain numbers") from error
        kind = label_kind(label)
        if kind in ("word", "unknown"):
            found.append(make_word(label, start_s, end_s, place))
        if kind != "word" and label:
            marks.append(label)
        start_s = end_s
    if not found:
        raise InputError(place, "holds no words", "remove the line")
    return tuple(found), tuple(marks)


def _words(
    id_: str,
    sound: Path,
    grids: Sequence[Path],
    listed: tuple[str, str, str] | None,
    tier: str | None,
    marks: Counter[str],
) -> tuple[tuple[Word, ...], str]:
    if listed is not None and grids:
        raise InputError(grids[0], f"{id_} stands in {listed[0]} too", "leave one of the two alignments")
    if listed is not None:
        words, found = parse_alignment(listed[1], listed[2], listed[0])
        marks.update(found)
        return words, listed[0]
    grid = the_one(grids, sound, "alignment, neither a TextGrid nor a line of an .alignment.txt")
    tier_found = read_word_tier(grid, tier)
    marks.update(tier_found.marks)
    return tier_found.words, str(grid)


def _transcripts(file: Path) -> list[tuple[str, str]]:
    parted = (line.partition(" ") for _, line in read_lines(file))
    return [(id_.lower(), text.strip()) for id_, _, text in parted]
