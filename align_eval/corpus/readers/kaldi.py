"""Reader of Kaldi data folders: ``wav.scp``, ``ctm``, and ``text``, ``segments`` and ``utt2spk`` if they exist.

``wav.scp`` may hold paths, absolute or relative to its folder or the working directory. Commands (``sox ... |``) and
offsets into archives are refused; nothing is executed.

The CTM names utterances, or the recordings from which ``segments`` cuts utterances. Recordings without segments that
are longer than 30 s are cut at pauses. Unknown words are restored from ``text``.
"""

from __future__ import annotations

import math
import re
import warnings
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from align_eval.corpus.audio import audio_duration_s, open_sound
from align_eval.corpus.failing import failure_of
from align_eval.corpus.file_search import Files, find_audio, read_lines, the_one
from align_eval.corpus.folder import Corpus, check_inside
from align_eval.corpus.readers.segmentation import Span
from align_eval.corpus.readers.utterances import (
    cut_recording,
    holds_words,
    make_corpus,
    make_word,
    span_utterance,
    whole_file,
    without_overlaps,
)
from align_eval.errors import InputError, InputWarning
from align_eval.formats.hypothesis.ctm import words_by_channel
from align_eval.formats.hypothesis.document import read_document
from align_eval.formats.hypothesis.word import split_labels
from align_eval.records import Failure, Utterance, Word
from align_eval.text import composed, label_kind, lower_capitals, refuse_unknown, restore_unknown
from align_eval.units import WINDOW_S

WAV_SCP = "wav.scp"
CHANNELS = {"1": 0, "A": 0, "2": 1, "B": 1}

_OFFSET = re.compile(r":\d+$|\[[\d:,]*\]$")


@dataclass(frozen=True, slots=True)
class DataFolder:
    """Tables of a data folder.

    Attributes
    ----------
    scripts : dict
        Place in ``wav.scp`` and entry, by recording.
    texts : dict
        Words of the transcript, by utterance.
    segments : dict
        Recording, start and end in seconds, by utterance.
    speakers : dict
        Speaker, by utterance.
    segments_of : dict
        Utterances that are cut from a recording, by recording.
    """

    folder: Path
    scripts: dict[str, tuple[str, str]]
    texts: dict[str, list[str]]
    segments: dict[str, tuple[str, float, float]]
    speakers: dict[str, str]
    segments_of: dict[str, list[str]]


def detect(files: Files) -> Path | None:
    """Find a file that only a Kaldi data folder has."""
    return next((path for path in files if path.name == WAV_SCP), None)


def load(path: Path, files: Files) -> Corpus:
    """Load every utterance of a data folder; the kind of its reference is unstated."""
    scp = the_one([file for file in files if file.name == WAV_SCP], path, WAV_SCP)
    data = _read_tables(scp.parent)
    ctm_files = [file for file in files if file.name == "ctm" or file.suffix.lower() == ".ctm"]
    ctm, marks, bad = read_ctm(the_one(ctm_files, path, "ctm"))
    utterances: list[Utterance] = []
    failures = [Failure(id_, error) for name, error in bad.items() for id_, *_ in _by_utterance(name, (), data)]
    seen = {failure.id for failure in failures}
    for (name, channel), all_words in ctm.items():
        for id_, span, words in _by_utterance(name, all_words, data):
            seen.add(id_)
            try:
                new, too_long = _utterances(id_, span, words, channel, data)
            except Exception as error:
                failures.append(failure_of(id_, error))
                continue
            utterances += new
            failures += too_long
    for id_ in sorted(set(data.texts) - seen):
        missing = InputError(scp.parent / "text", f"{id_} has no words in the ctm", "align it, or remove it from text")
        failures.append(Failure(id_, str(missing)))
    return make_corpus(path, "kaldi", utterances, failures, marks)


def read_ctm(path: Path) -> tuple[dict[tuple[str, str], list[Word]], Counter[str], dict[str, str]]:
    """Read the labels of a CTM.

    Returns
    -------
    spoken : dict
        Words and unknown words by recording and channel, in the order of their starts.
    marks : Counter
        Labels that are no words.
    bad : dict
        Message by recording, for those with a label that has impossible times.

    Raises
    ------
    InputError
        If the file is malformed or empty.
    """
    labels = words_by_channel(read_document(path))
    if not labels:
        raise InputError(path, "holds no words", "write the CTM again")
    bad = {
        name: str(InputError(f"{path}, {word.place}", f"{word.text!r} {word.problem}", "correct the times"))
        for (name, _), channel_labels in labels.items()
        for word in reversed(channel_labels)
        if word.problem
    }
    marks: Counter[str] = Counter()
    spoken: dict[tuple[str, str], list[Word]] = {}
    for key, channel_labels in labels.items():
        if key[0] in bad:
            continue
        words, dropped = split_labels(channel_labels)
        unknown = [label for label in dropped if label_kind(label.text) == "unknown"]
        marks.update(label.text for label in dropped)
        timed = (Word(w.text, w.start_s or 0.0, w.end_s or 0.0, w.confidence) for w in (*words, *unknown))
        spoken[key] = sorted(timed, key=lambda w: (w.start_s, w.end_s))
    return spoken, marks, bad


def audio_of_script(entry: str, place: str, folder: Path) -> Path:
    """Find the file that an entry of ``wav.scp`` names.

    Raises
    ------
    InputError
        If the entry is a command or an offset into an archive, or there is no such file.
    """
    if entry.startswith("|") or entry.endswith("|") or entry == "-":
        raise InputError(
            place, f"{entry[:60]!r} is a command, and none is run", "write the audio to files and name them"
        )
    if _OFFSET.search(entry):
        raise InputError(place, f"{entry[:60]!r} lies inside an archive", "write the audio to files and name them")
    return find_audio(entry, folder, place)


def _by_utterance(name: str, words: Sequence[Word], data: DataFolder) -> list[tuple[str, Span | None, list[Word]]]:
    """(utterance, its span in the recording or None for all of it, its words with times in the recording)."""
    if name in data.segments:
        _, start_s, end_s = data.segments[name]
        moved = [Word(w.text, w.start_s + start_s, w.end_s + start_s, w.confidence) for w in words]
        return [(name, (start_s, end_s), moved)]
    if name not in data.segments_of:
        return [(name, None, list(words))]
    parts: list[tuple[str, Span | None, list[Word]]] = []
    unassigned = set(range(len(words)))
    middles_s = sorted(((w.start_s + w.end_s) / 2, i) for i, w in enumerate(words))
    for id_ in data.segments_of[name]:
        _, start_s, end_s = data.segments[id_]
        first_inside, after = bisect_left(middles_s, (start_s,)), bisect_left(middles_s, (end_s,))
        inside = sorted(i for _, i in middles_s[first_inside:after])
        unassigned.difference_update(inside)
        parts.append((id_, (start_s, end_s), [words[i] for i in inside]))
    if unassigned:
        first = min((words[i] for i in unassigned), key=lambda w: w.start_s)
        count = f"{len(unassigned)} of {len(words)} words"
        message = f"{data.folder}, recording {name}: {count} lie in no segment and are left out"
        warnings.warn(f"{message}, the first is {first.text!r} at {first.start_s:.2f} s", InputWarning, stacklevel=2)
    return parts


def _utterances(
    id_: str, span: Span | None, words: Sequence[Word], channel: str, data: DataFolder
) -> tuple[list[Utterance], list[Failure]]:
    """One utterance, or several if a recording without segments is longer than 30 s."""
    recording = data.segments[id_][0] if id_ in data.segments else id_
    place = f"{data.folder}, utterance {id_}"
    if recording not in data.scripts:
        raise InputError(place, f"{recording} is not in {WAV_SCP}", f"add it to {WAV_SCP}")
    if not words:
        raise InputError(place, "has no words in the ctm", "remove it, or align it again")
    script_place, entry = data.scripts[recording]
    sound = audio_of_script(entry, script_place, data.folder)
    duration_s = audio_duration_s(sound)
    texts = restore_unknown([w.text for w in words], data.texts.get(id_, ()), place)
    refuse_unknown(texts, place)
    spoken = [
        replace(make_word(text, w.start_s, w.end_s, place), confidence=w.confidence)
        for text, w in zip(lower_capitals(texts), words, strict=True)
    ]
    parted = without_overlaps(spoken, place)
    check_inside(parted, duration_s, place)
    template = whole_file(
        id_, sound, parted, speaker=data.speakers.get(id_), reference="unstated", recording=recording,
        channel=_channel(channel, sound, place), duration_s=duration_s,
    )  # fmt: skip
    if span is None:
        return ([template], []) if duration_s <= WINDOW_S else cut_recording(template, parted)
    start_s, end_s = span[0], min(span[1], duration_s)
    if not holds_words(start_s, end_s, parted):
        raise InputError(
            place, f"its segment ({start_s:.10g} to {end_s:.10g} s) does not hold its words", "correct segments"
        )
    return [span_utterance(template, parted, start_s, end_s)], []


def _channel(name: str, sound: Path, place: str) -> int | None:
    """Index of the channel that the CTM names; None for mono audio."""
    n_channels = open_sound(sound).n_channels
    if n_channels == 1:
        return None
    if name.upper() not in CHANNELS or CHANNELS[name.upper()] >= n_channels:
        raise InputError(
            place,
            f"the audio has {n_channels} channels, no {name!r}",
            "name the channels 1 and 2, or A and B, in the ctm",
        )
    return CHANNELS[name.upper()]


def _read_tables(folder: Path) -> DataFolder:
    texts = {id_: rest.split() for id_, _, rest in _table(folder / "text")}
    speakers = {id_: rest for id_, _, rest in _table(folder / "utt2spk")}
    segments: dict[str, tuple[str, float, float]] = {}
    for id_, place, rest in _table(folder / "segments"):
        fields = rest.split()
        try:
            recording, start_s, end_s = composed(fields[0]), float(fields[1]), float(fields[2])
        except (IndexError, ValueError) as error:
            raise InputError(place, "is not `utterance recording start end`", "give seconds as numbers") from error
        if not (0 <= start_s < math.inf and (end_s > start_s or end_s == -1)):
            raise InputError(place, f"{id_} lasts from {start_s:.10g} to {end_s:.10g} s", "correct its times")
        segments[id_] = (recording, start_s, math.inf if end_s == -1 else end_s)
    scripts = {id_: (place, rest) for id_, place, rest in _table(folder / WAV_SCP)}
    segments_of: dict[str, list[str]] = {}
    for id_, (recording, _, _) in segments.items():
        segments_of.setdefault(recording, []).append(id_)
    return DataFolder(folder, scripts, texts, segments, speakers, segments_of)


def _table(path: Path) -> list[tuple[str, str, str]]:
    """(key in NFC, place, rest of the line) for each line; empty if there is no file.

    Raises
    ------
    InputError
        If a key occurs twice.
    """
    rows: dict[str, tuple[str, str, str]] = {}
    for place, line in read_lines(path) if path.is_file() else ():
        key, *rest = line.split(maxsplit=1)
        key = composed(key)
        if key in rows:
            raise InputError(place, f"{key!r} occurs twice", "keep one line per id")
        rows[key] = (key, place, rest[0] if rest else "")
    return list(rows.values())
