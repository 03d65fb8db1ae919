"""Reader of Lhotse manifests (Żelasko et al. 2021): cuts, or recordings with supervisions, as JSONL, plain or gzipped.

The package lhotse reads the manifests (``pip install 'align-eval[lhotse]'``). It does not read the audio: audio sources
must be files. Commands, addresses, audio in memory, mixed cuts and recordings with transforms are refused by name. The
words are those of the alignment ``word`` of a supervision. A supervision longer than 30 s is cut at pauses.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from align_eval.corpus.audio import audio_duration_s
from align_eval.corpus.failing import failure_of
from align_eval.corpus.file_search import Files, find_audio, with_suffix
from align_eval.corpus.folder import Corpus, check_inside
from align_eval.corpus.readers.utterances import (
    cut_recording,
    holds_words,
    make_corpus,
    make_word,
    span_utterance,
    whole_file,
    without_overlaps,
)
from align_eval.errors import InputError, listed, reason, shorten
from align_eval.formats.hypothesis.word import number
from align_eval.language_names import check_language
from align_eval.reading import MAX_BYTES, read_bytes, read_head
from align_eval.records import Failure, Utterance, Word
from align_eval.text import clean_label, composed, label_kind, refuse_unknown, restore_unknown, shown
from align_eval.units import WINDOW_S

SUFFIXES = (".jsonl", ".jsonl.gz")
ALIGNMENT = "word"
KINDS = ("recordings", "cuts", "supervisions")
LONGEST_LINE = 1 << 20
"""Most bytes of the first line that are read to detect the kind."""


def detect(files: Files) -> Path | None:
    """Find a Lhotse manifest."""
    return next((path for path in with_suffix(files, *SUFFIXES) if manifest_kind(path) is not None), None)


def manifest_kind(path: Path) -> str | None:
    """Detect from its first line whether a manifest holds ``cuts``, ``recordings`` or ``supervisions``, else None."""
    try:
        first = json.loads(read_head(path, LONGEST_LINE, unpack=True).partition(b"\n")[0])
    except (ValueError, RecursionError):  # InputError is a ValueError
        return None
    if not isinstance(first, dict):
        return None
    if str(first.get("type", "")).endswith("Cut"):
        return "cuts"
    if {"sources", "sampling_rate", "num_samples"} <= set(first):
        return "recordings"
    return "supervisions" if {"recording_id", "start", "duration"} <= set(first) else None


def load(path: Path, files: Files) -> Corpus:
    """Load every supervision; the kind of its reference is unstated.

    Raises
    ------
    InputError
        If lhotse is not installed or refuses a manifest, or if there are both cuts and supervisions.
    """
    by_kind: dict[str, list[Path]] = {}
    failures: list[Failure] = []
    for file in with_suffix(files, *SUFFIXES):
        try:
            read_head(file, 1)
            by_kind.setdefault(manifest_kind(file) or "none", []).append(file)
        except Exception as error:
            failures.append(failure_of(file.name, error))
    if "cuts" in by_kind and "supervisions" in by_kind:
        names = listed((*by_kind["cuts"], *by_kind["supervisions"]))
        raise InputError(path, f"holds cuts and supervisions: {names}", "name one manifest of cuts")
    manifests: dict[Path, list[Any]] = {}
    errors: dict[Path, Exception] = {}
    for file in (file for kind in KINDS for file in by_kind.get(kind, ())):
        try:
            manifests[file] = _read(file)
        except Exception as error:
            errors[file] = error
    if errors and not manifests:
        raise next(iter(errors.values()))
    failures += [failure_of(file.name, error) for file, error in errors.items()]
    recordings: dict[str, Any] = {}
    for file in by_kind.get("recordings", ()):
        for i, recording in enumerate(manifests.get(file, ()), 1):
            try:
                check_types(recording, f"{file}, recording {i}", id=str)
                recordings[composed(recording.id)] = recording
            except InputError as error:
                failures.append(failure_of(f"recording {i}", error))
    utterances: list[Utterance] = []
    marks: Counter[str] = Counter()
    for kind, file in ((name, file) for name in KINDS[1:] for file in by_kind.get(name, ())):
        for id_, recording, supervision, offset_s in _supervisions(manifests.get(file, ()), kind, recordings):
            try:
                new, too_long = _utterances(id_, recording, supervision, offset_s, file, marks)
            except Exception as error:
                failures.append(failure_of(id_, error))
                continue
            utterances += new
            failures += too_long
    return make_corpus(path, "lhotse", utterances, failures, marks)


def _read(path: Path) -> list[Any]:
    if find_spec("lhotse") is None:
        raise InputError(
            path, "is a manifest of Lhotse, and lhotse is not installed", "pip install 'align-eval[lhotse]'"
        )
    read_bytes(path, MAX_BYTES, unpack=True)  # lhotse reads a file of any size
    from lhotse import load_manifest

    try:
        return list(load_manifest(path))
    except Exception as error:  # lhotse checks little, so a damaged manifest may raise anything
        problem = f"lhotse cannot read it ({type(error).__name__}: {reason(error)})"
        raise InputError(path, problem, "write the manifest again") from error


def _supervisions(items: Iterable[Any], kind: str, recordings: dict[str, Any]) -> Iterator[tuple[str, Any, Any, float]]:
    """Yield (id, recording or None, supervision or None, offset of the supervision's start in seconds)."""
    for i, item in enumerate(items, 1):
        id_ = item.id if isinstance(getattr(item, "id", None), str) else f"item {i}"
        if kind == "supervisions":
            yield id_, recordings.get(composed(str(getattr(item, "recording_id", "")))), item, 0.0
            continue
        supervisions = getattr(item, "supervisions", [])
        recording = getattr(item, "recording", None)
        if recording is None or not supervisions:
            yield id_, recording, None, 0.0
        for supervision in supervisions if recording is not None else ():
            yield (id_ if len(supervisions) == 1 else f"{id_}/{supervision.id}"), recording, supervision, item.start


def _utterances(
    id_: str, recording: Any, supervision: Any, offset_s: float, file: Path, marks: Counter[str]
) -> tuple[list[Utterance], list[Failure]]:
    """Utterances of one supervision: one, or several where it is longer than 30 s."""
    place = f"{file}, {id_}"
    if recording is None:
        raise InputError(
            place, "has no recording: it is mixed, padding, or its recording is in no manifest", "add the recording"
        )
    if supervision is not None:
        _check_supervision(recording, supervision, place)
    if supervision is None or ALIGNMENT not in (supervision.alignment or {}):
        raise InputError(
            place, f"has no alignment {ALIGNMENT!r}", "align it, as `lhotse workflows align-with-torchaudio`"
        )
    if recording.transforms:
        raise InputError(
            place, "its recording has transforms, which are not applied", "save the transformed audio and name it"
        )
    for name in (recording.id, supervision.speaker or ""):
        if not isinstance(name, str):
            raise InputError(
                place, f"{shorten(repr(name))} is not a name", "write names of recording and speaker as texts"
            )
    language = check_language(supervision.language, place)
    sound, channel = _source(recording, supervision.channel, file, place)
    spoken = _words(supervision, place, marks)
    duration_s = audio_duration_s(sound)
    words = without_overlaps(spoken, place)
    check_inside(words, duration_s, place)
    template = whole_file(
        id_, sound, words, speaker=supervision.speaker, reference="unstated", language=language,
        recording=recording.id, channel=channel, duration_s=duration_s,
    )  # fmt: skip
    starts_s = number(place, "start", supervision.start), number(place, "start of its cut", offset_s)
    start_s = max(sum(starts_s), 0.0)
    end_s = min(start_s + number(place, "duration", supervision.duration), duration_s)
    if not holds_words(start_s, end_s, words):
        raise InputError(
            place, f"lasts from {start_s:.10g} to {end_s:.10g} s and does not hold its words", "correct its times"
        )
    if end_s - start_s > WINDOW_S:
        return cut_recording(template, words, [(0.0, start_s), (end_s, max(end_s, duration_s))])
    return [span_utterance(template, words, start_s, end_s)], []


def check_types(record: Any, place: str, **types: type | tuple[type, ...]) -> None:
    """Refuse a record of lhotse, which checks no types, with an attribute of another type.

    Raises
    ------
    InputError
        Names the first such attribute with its value.
    """
    for name, kind in types.items():
        value = getattr(record, name, None)
        if not isinstance(value, kind):
            raise InputError(place, f"its {name} is {shorten(repr(value))}", "write the manifest again")


def _check_supervision(recording: Any, supervision: Any, place: str) -> None:
    maybe_text = (str, type(None))
    check_types(supervision, place, id=str, recording_id=str, channel=(int, list), alignment=(dict, type(None)))
    check_types(supervision, place, text=maybe_text, language=maybe_text, speaker=maybe_text)
    check_types(recording, place, id=str, sources=list)
    for source in recording.sources:
        check_types(source, f"{place}, source", type=str, channels=list)
    for item in (supervision.alignment or {}).get(ALIGNMENT, ()):
        check_types(item, f"{place}, alignment", symbol=str)
    channels = [supervision.channel, *(source.channels for source in recording.sources)]
    flat = [channel for held in channels for channel in (held if isinstance(held, list) else [held])]
    if not all(isinstance(channel, int) for channel in flat):
        raise InputError(place, f"its channels are {shorten(repr(channels))}", "write channels as whole numbers")


def _words(supervision: Any, place: str, marks: Counter[str]) -> list[Word]:
    """Words of a supervision with times in its recording, unknown ones restored from its text."""
    words = []
    for item in supervision.alignment[ALIGNMENT]:
        label = clean_label(item.symbol)
        if label_kind(label) in ("word", "unknown"):
            start_s = number(place, "start", item.start)  # on the clock of the recording, not of the cut or supervision
            words.append(make_word(label, start_s, start_s + number(place, "duration", item.duration), place))
        if label and label_kind(label) != "word":
            marks[shown(label)] += 1
    if not words:
        raise InputError(place, "its alignment holds no words", "remove it, or align it again")
    texts = restore_unknown([w.text for w in words], (supervision.text or "").split(), place)
    refuse_unknown(texts, place)
    return [make_word(text, w.start_s, w.end_s, place) for text, w in zip(texts, words, strict=True)]


def _source(recording: Any, channels: int | list[int], file: Path, place: str) -> tuple[Path, int | None]:
    """File with the channels of a supervision, and the index of the channel; None for the mean of all channels."""
    wanted = [channels] if isinstance(channels, int) else list(channels)
    holding = [source for source in recording.sources if set(wanted) <= set(source.channels)]
    if len(holding) != 1:
        raise InputError(place, f"no one source of its recording holds the channels {wanted}", "name one channel")
    (source,) = holding
    if source.type != "file" or not isinstance(source.source, str):
        raise InputError(
            place, f"its audio is a {source.type}, and only files are read", "save the audio to a file and name it"
        )
    file_channels = list(source.channels)
    if len(wanted) > 1 and len(wanted) < len(file_channels):
        raise InputError(place, f"takes the channels {wanted} of {file_channels}", "name one channel, or all")
    channel = None if len(wanted) == len(file_channels) else file_channels.index(wanted[0])
    return find_audio(source.source, file.parent, place), channel
