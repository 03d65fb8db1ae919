"""Utterances made by hand: no audio stands behind them unless ``audio`` names it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from align_eval.records import AudioSpan, Utterance, Word

THREE_WORDS = (Word("w0", 0.1, 0.37), Word("w1", 0.37, 0.9), Word("w2", 1.23, 1.7))


def utterance(
    id_: str,
    words: tuple[Word, ...] = THREE_WORDS,
    speaker: str | None = None,
    *,
    audio: Path = Path("a.wav"),
    **fields: Any,
) -> Utterance:
    """An English utterance of two seconds with manual word times; its recording bears its own id."""
    plain: dict[str, Any] = {
        "text": " ".join(word.text for word in words), "language": "en", "recording": id_, "duration_s": 2.0,
        "reference": "manual",
    }  # fmt: skip
    return Utterance(id_, AudioSpan(audio), words, speaker=speaker, **plain | fields)
