"""TIMIT (Garofolo et al. 1993): ``.WRD`` beside SPHERE audio, as the LDC distributes it.

A line of ``.WRD`` is ``first last word``, in samples of the audio; the folder above the sentence is the speaker, and
the corpus's transcriptions were corrected by hand. Two words that share a sound overlap in it: the middle of what they
share parts them. LDC's audio is plain SPHERE (``.WAV`` by name), which libsndfile reads.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import soundfile

from align_eval.corpus.audio import AUDIO_SUFFIXES, audio_duration_s
from align_eval.corpus.file_search import Files, head, identity, read_lines, the_one, with_suffix
from align_eval.corpus.folder import Corpus, check_inside
from align_eval.corpus.readers.utterances import make_corpus, make_word, whole_file, without_overlaps
from align_eval.errors import InputError
from align_eval.records import Failure, Utterance, Word

SUFFIX = ".wrd"

_LINE = re.compile(r"(\d{1,18})\s+(\d{1,18})\s+(\S+)", re.ASCII)


def detect(files: Files) -> Path | None:
    """A file that says that this is TIMIT."""
    return next((path for path in with_suffix(files, SUFFIX) if _LINE.match(head(path).strip())), None)


def load(path: Path, files: Files) -> Corpus:
    """Every sentence with a ``.WRD``, as an utterance of English with manual times."""
    audio: dict[str, list[Path]] = {}
    for file in with_suffix(files, *AUDIO_SUFFIXES):
        audio.setdefault(identity(file, path), []).append(file)
    utterances: list[Utterance] = []
    failures: list[Failure] = []
    for wrd in with_suffix(files, SUFFIX):
        id_ = identity(wrd, path)
        try:
            utterances.append(_utterance(id_, wrd, the_one(audio.get(id_, []), wrd, "audio of the same name")))
        except InputError as error:
            failures.append(Failure(id_, str(error)))
    return make_corpus(path, "timit", utterances, failures, Counter())


def read_wrd(path: Path, rate: int) -> tuple[Word, ...]:
    """Words of a ``.WRD`` file, times in seconds by the audio's sample rate."""
    words = []
    for place, line in read_lines(path):
        match = _LINE.fullmatch(line)
        if match is None:
            raise InputError(place, f"{line[:40]!r} is not `first last word`", "give two sample numbers and a word")
        words.append(make_word(match[3], int(match[1]) / rate, int(match[2]) / rate, place))
    if not words:
        raise InputError(path, "holds no words", "remove the file")
    return without_overlaps(words, path)


def _utterance(id_: str, wrd: Path, audio: Path) -> Utterance:
    duration_s = audio_duration_s(audio)  # refuses what is no audio before its rate is asked for
    words = read_wrd(wrd, int(soundfile.info(audio).samplerate))
    check_inside(words, duration_s, wrd)
    return whole_file(id_, audio, words, speaker=wrd.parent.name, reference="manual", language="en")
