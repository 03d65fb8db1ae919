"""Corpora that come with the package, by name."""

from __future__ import annotations

from pathlib import Path

from align_eval.corpus.folder import Corpus, load_folder
from align_eval.corpus.kinds import load_kind

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
) -> Corpus:
    """Load a bundled corpus by its name, or a corpus of any kind by its path.

    Parameters
    ----------
    name_or_path
        A string that is a bundled name means the bundled corpus. Write ``./demo`` for a folder of that name.
    kind
        One of :data:`align_eval.corpus.kinds.KINDS` or ``folder``; detected from the files if None.
    tier, language, speaker_characters
        As for :func:`~align_eval.corpus.folder.load_folder`.
    """
    is_bundled = isinstance(name_or_path, str) and name_or_path in BUNDLED  # a Path is never a bundled name
    path = bundled_path(str(name_or_path)) if is_bundled else Path(name_or_path)
    if is_bundled:
        return load_folder(path, tier=tier, language=language, speaker_characters=speaker_characters)
    return load_kind(path, kind=kind, tier=tier, language=language, speaker_characters=speaker_characters)
