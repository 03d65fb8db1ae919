"""Corpora that come with the package, by name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from align_eval.corpus.folder import Corpus, load_folder
from align_eval.corpus.kinds import load_kind
from align_eval.errors import InputError

BUNDLED = {
    "demo": "15 English clips, 191 words: 83 with manual times, 108 with automatic ones",
    "demo-ru": "6 Russian clips, 66 words with automatic times",
}

_PACKAGE = Path(__file__).resolve().parent.parent


def bundled_path(name: str) -> Path:
    """Folder of a bundled corpus: inside an installed package, or at the top of a source checkout."""
    installed = _PACKAGE / "corpora" / name
    return installed if installed.is_dir() else _PACKAGE.parent / "corpora" / name


def load_corpus(
    name_or_path: str | Path,
    *,
    kind: str | None = None,
    tier: str | None = None,
    language: str | None = None,
    speaker_characters: int | None = None,
    channel: int | None = None,
) -> Corpus:
    """Load a bundled corpus by its name, or a corpus of any kind by its path.

    Parameters
    ----------
    name_or_path : str or Path
        A string that is a bundled name means the bundled corpus. Write ``./demo`` for a folder of that name.
    kind : str, optional
        One of :data:`align_eval.corpus.kinds.KINDS` or ``folder``; detected from the files if None.
    tier : str, optional
        Name of the word tier of TextGrids, if it is not ``words``.
    language : str, optional
        Whisper's code where the corpus states none; ``auto`` detects it later.
    speaker_characters : int, optional
        Number of leading characters of the file name that are the speaker.
    channel : int, optional
        Channel of the audio, counted from 0, where the corpus states none; by default the mean of all channels.

    Returns
    -------
    Corpus
        Its utterances with reference words, times in seconds, and the files that cannot be used.

    Raises
    ------
    InputError
        If there is no such corpus, or its kind cannot be decided.
    """
    is_bundled = isinstance(name_or_path, str) and name_or_path in BUNDLED  # a Path is never a bundled name
    path = bundled_path(str(name_or_path)) if is_bundled else Path(name_or_path)
    if is_bundled:
        corpus = load_folder(path, tier=tier, language=language, speaker_characters=speaker_characters)
    else:
        corpus = load_kind(path, kind=kind, tier=tier, language=language, speaker_characters=speaker_characters)
    return of_channel(corpus, channel)


def of_channel(corpus: Corpus, channel: int | None) -> Corpus:
    """Choose the channel of the utterances for which the corpus states none; None leaves the mean of all channels.

    Raises
    ------
    InputError
        If the number is negative.
    """
    if channel is None:
        return corpus
    if channel < 0:
        raise InputError(f"channel {channel}", "there is no such channel", "count channels from 0")
    utterances = tuple(
        replace(u, audio=replace(u.audio, channel=channel)) if u.audio.channel is None else u for u in corpus.utterances
    )
    return replace(corpus, utterances=utterances)
