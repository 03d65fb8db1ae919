"""Corpora that come with the package, by name."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from align_eval.corpus.audio import check_channel
from align_eval.corpus.folder import Corpus
from align_eval.corpus.kinds import FOLDER, load_kind
from align_eval.errors import InputError, did_you_mean
from align_eval.formats.textgrids import Tiers
from align_eval.reading import near_files
from align_eval.text import DEFAULT_POLICY, LabelPolicy

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
    tier: Tiers = None,
    language: str | None = None,
    speaker_characters: int | None = None,
    labels: LabelPolicy = DEFAULT_POLICY,
    to_score: bool = False,
    channel: int | None = None,
) -> Corpus:
    """Load a bundled corpus by its name, or a corpus of any kind by its path.

    Parameters
    ----------
    name_or_path : str or Path
        A string that is a bundled name means the bundled corpus. Write ``./demo`` for a folder of that name.
    kind : str, optional
        One of :data:`align_eval.corpus.kinds.KINDS` or ``folder``; detected from the files if None.
    tier : str or sequence of str, optional
        Word tier of TextGrids by name or number, if it is not ``words``; several are merged, or are the speakers'.
    language : str, optional
        Name or code where the corpus states none; ``auto`` detects it later.
    speaker_characters : int, optional
        Number of leading characters of the file name that are the speaker.
    labels : LabelPolicy
        Labels to keep or to drop, in a folder of audio with TextGrids (:func:`~align_eval.text.label_policy`).
    to_score : bool
        Read such a folder to score its words, not to align them (:func:`~align_eval.corpus.folder.load_folder`).
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
    if not os.path.lexists(path):
        near = did_you_mean(path.name, [*BUNDLED, *near_files(path)])
        remedy = "give a folder of audio with TextGrids, or a bundled name"
        raise InputError(path, "there is no such folder", near + remedy)
    if is_bundled and kind not in (None, FOLDER):
        raise InputError(f"kind {kind!r}", f"the bundled corpus {name_or_path} is of kind {FOLDER}", "leave --kind out")
    corpus = load_kind(
        path,
        kind=FOLDER if is_bundled else kind,
        tier=tier,
        language=language,
        speaker_characters=speaker_characters,
        labels=labels,
        to_score=to_score,
    )
    return of_channel(corpus, channel)


def of_channel(corpus: Corpus, channel: int | None) -> Corpus:
    """Choose the channel of the utterances for which the corpus states none; None leaves the mean of all channels.

    Raises
    ------
    InputError
        If the number is negative.
    """
    check_channel(channel)
    if channel is None:
        return corpus
    utterances = tuple(
        replace(u, audio=replace(u.audio, channel=channel)) if u.audio.channel is None else u for u in corpus.utterances
    )
    return replace(corpus, utterances=utterances)
