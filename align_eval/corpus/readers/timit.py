"""Reader of TIMIT (Garofolo et al. 1993): ``.WRD`` files beside SPHERE audio, as the LDC distributes it.

A line of ``.WRD`` is ``first last word``, in samples of the audio. The folder of a sentence is its speaker. Times were
corrected by hand. Two words that share a sound overlap; they are parted in the middle of the overlap. The audio is
uncompressed SPHERE with the suffix ``.WAV``, which libsndfile reads.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from align_eval.corpus.audio import audio_duration_s, open_sound
from align_eval.corpus.failing import failure_of
from align_eval.corpus.file_search import Files, audio_by_identity, head, identity, read_lines, the_one, with_suffix
from align_eval.corpus.folder import Corpus, check_inside
from align_eval.corpus.readers.utterances import make_corpus, make_word, whole_file, without_overlaps
from align_eval.errors import InputError
from align_eval.records import Failure, Utterance, Word

SUFFIX = ".wrd"

_LINE = re.compile(r"(\d{1,18})\s+(\d{1,18})\s+(\S+)", re.ASCII)


def detect(files: Files) -> Path | None:
    """Find a file that only TIMIT has."""
    return next((path for path in with_suffix(files, SUFFIX) if _LINE.match(head(path).strip())), None)


def load(path: Path, files: Files) -> Corpus:
    """Load every sentence with a ``.WRD`` file; it is English and has manual times."""
    audio = audio_by_identity(files, path)
    utterances: list[Utterance] = []
    failures: list[Failure] = []
    for wrd in with_suffix(files, SUFFIX):
        id_ = identity(wrd, path)
        try:
            utterances.append(_utterance(id_, wrd, the_one(audio.get(id_, []), wrd, "audio of the same name")))
        except Exception as error:
            failures.append(failure_of(id_, error))
    return make_corpus(path, "timit", utterances, failures, Counter())


def read_wrd(path: Path, rate: int) -> tuple[Word, ...]:
    """Read a ``.WRD`` file.

    Parameters
    ----------
    rate
        Sample rate of the audio in Hz, by which samples are converted to seconds.
    """
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
    words = read_wrd(wrd, open_sound(audio).rate)
    check_inside(words, audio_duration_s(audio), wrd)
    return whole_file(id_, audio, words, speaker=wrd.parent.name, reference="manual", language="en")
