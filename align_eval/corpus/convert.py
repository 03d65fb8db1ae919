"""Conversion of any corpus to a folder of audio with TextGrids and ``corpus.csv``.

A whole file is copied byte for byte. A span of a file, or one of its channels, is cut at whole samples and written
without loss: as FLAC if FLAC holds its samples exactly, otherwise as WAV with the same sample format. Lossy audio that
is cut, and media that ffmpeg reads, are decoded to 32-bit floating point.
"""

from __future__ import annotations

import csv
import io
import os
import shutil
from pathlib import Path

import soundfile

from align_eval.corpus.audio import audio_duration_s, check_audio, decode, open_sound
from align_eval.corpus.failing import failure_of
from align_eval.corpus.folder import METADATA_COLUMNS, METADATA_NAME, Corpus
from align_eval.corpus.sound.suffixes import AUDIO_SUFFIXES
from align_eval.errors import InputError, reason
from align_eval.formats.atomic import TEMPORARY, cannot_write, flush_folder, inside, whole_file, write_text, writing
from align_eval.formats.textgrids import write_words
from align_eval.records import AudioSpan, Failure, Utterance

REMEDY = "choose another folder"

FLAC_SUBTYPES = ("PCM_S8", "PCM_16", "PCM_24")
WAV_SUBTYPES = ("PCM_U8", "PCM_32", "FLOAT", "DOUBLE")
"""Sample formats that are kept in WAV. Companded and lossy samples become ``FLOAT``, which holds all their values."""

_DTYPES = {"PCM_32": "int32", "DOUBLE": "float64", "FLOAT": "float32", "PCM_24": "int32", "PCM_U8": "int16"}
"""numpy types that hold each sample format exactly; ``int16`` for the others."""


def convert_corpus(corpus: Corpus, out: Path) -> tuple[Failure, ...]:
    """Write a corpus as a folder, which takes its place when all of it is written.

    Returns
    -------
    tuple of Failure
        Utterances that could not be loaded or written, in the order of ids.

    Raises
    ------
    InputError
        If the folder exists and is not empty, or cannot be written.
    """
    out = out.absolute()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(out, "exists and is not empty", "name a new folder: no file is overwritten")
    new = out.with_name(f".{out.name}{TEMPORARY}")
    failures = list(corpus.failures)
    written: list[Utterance] = []
    try:
        with writing(out, REMEDY):
            if new.exists():  # of a conversion that was interrupted
                shutil.rmtree(new)
            new.mkdir(parents=True)
        for u in corpus.utterances:
            try:
                _write_utterance(u, new)
                written.append(u)
            except Exception as error:
                failures.append(failure_of(u.id, error))
        if written:
            with writing(out, REMEDY):
                _write_metadata(new / METADATA_NAME, written)
                flush_folder(new)
                if out.exists():
                    out.rmdir()
                os.replace(new, out)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return tuple(sorted(failures, key=lambda f: f.id))


def _write_utterance(u: Utterance, folder: Path) -> None:
    check_audio(u.audio, u.duration_s)  # raises for a damaged file, which is then not copied
    audio = _write_audio(u.audio, inside(folder, u.id))
    try:
        write_words(inside(folder, f"{u.id}.TextGrid"), {"words": u.words}, audio_duration_s(audio))
    except BaseException:
        audio.unlink()
        raise


def _write_audio(span: AudioSpan, stem: Path) -> Path:
    try:
        if span == AudioSpan(span.path) and span.path.suffix.lower() in AUDIO_SUFFIXES:
            copy = stem.with_name(stem.name + span.path.suffix.lower())
            with span.path.open("rb") as original, whole_file(copy) as file:
                shutil.copyfileobj(original, file)
            return copy
        sound = open_sound(span.path)
        first = round(span.start_s * sound.rate)
        last = sound.n_samples if span.end_s is None else min(round(span.end_s * sound.rate), sound.n_samples)
        subtype = sound.subtype if sound.subtype in (*FLAC_SUBTYPES, *WAV_SUBTYPES) else "FLOAT"
        samples = decode(sound, first, last, _DTYPES.get(subtype, "int16"))
        channels = samples if span.channel is None else samples[:, span.channel]
        form = "FLAC" if subtype in FLAC_SUBTYPES else "WAV"
        cut = stem.with_name(f"{stem.name}.{form.lower()}")
        with whole_file(cut) as file:
            soundfile.write(file, channels, sound.rate, subtype=subtype, format=form)
    except OSError as error:
        raise cannot_write(stem, error, REMEDY) from error
    except InputError:
        raise
    except (RuntimeError, ValueError) as error:
        raise InputError(stem, f"cannot be written ({reason(error)})", REMEDY) from error
    return cut


def _write_metadata(path: Path, utterances: list[Utterance]) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(METADATA_COLUMNS)
    for u in utterances:
        writer.writerow([u.id, u.language or "", u.speaker or "", u.recording, u.reference])
    write_text(path, text.getvalue())
