"""Transcripts beside the audio: text files of the same name, with natural spelling and punctuation."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from align_eval.corpus.checksums import FileChecksums
from align_eval.corpus.disk_names import on_disk
from align_eval.errors import InputError
from align_eval.reading import MAX_RECORDING_BYTES, read_bytes
from align_eval.records import Utterance
from align_eval.text import is_spoken

SUFFIX = ".txt"


def transcript_path(utterance: Utterance) -> Path:
    """Path of the transcript of an utterance."""
    return on_disk(utterance.audio.path.with_suffix(SUFFIX))


def read_transcript(utterance: Utterance) -> str:
    """Read the transcript of an utterance.

    Raises
    ------
    InputError
        If there is no such file, it cannot be read, is not UTF-8, or holds no word.
    """
    path = transcript_path(utterance)
    if not os.path.lexists(path):
        raise InputError(path, "there is no such file", "put the spoken text there, or use another --text")
    try:
        text = read_bytes(path, MAX_RECORDING_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(path, f"cannot be read as text in UTF-8 ({error})", "save it as UTF-8") from error
    if not is_spoken(text):
        raise InputError(path, "holds no word", "put the spoken text there")
    return text


def transcripts_checksum(utterances: Iterable[Utterance], checksums: FileChecksums) -> str:
    """SHA-256 over the existing transcripts of utterances, in the order of ids."""
    digest = hashlib.sha256()
    for utterance in sorted(utterances, key=lambda u: u.id):
        path = transcript_path(utterance)
        if os.path.lexists(path):
            digest.update(repr((utterance.id, checksums.of(path))).encode())
    return digest.hexdigest()
