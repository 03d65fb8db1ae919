"""Transcripts beside the audio: text files of the same name, with natural spelling and punctuation."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from align_eval.corpus.disk_names import on_disk
from align_eval.errors import InputError
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
        If there is no such file, it is not UTF-8, or it holds no word.
    """
    path = transcript_path(utterance)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise InputError(path, "there is no such file", "put the spoken text there, or use another --text") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(path, f"cannot be read as text in UTF-8 ({error})", "save it as UTF-8") from error
    if not is_spoken(text):
        raise InputError(path, "holds no word", "put the spoken text there")
    return text


def transcripts_checksum(utterances: Iterable[Utterance]) -> str:
    """SHA-256 over the existing transcripts of utterances, in the order of ids."""
    digest = hashlib.sha256()
    for utterance in sorted(utterances, key=lambda u: u.id):
        path = transcript_path(utterance)
        if path.is_file():
            digest.update(repr((utterance.id, hashlib.sha256(path.read_bytes()).hexdigest())).encode())
    return digest.hexdigest()
