"""The language of each utterance, where it is to be detected."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from align_eval.corpus.audio import read_audio
from align_eval.corpus.folder import Corpus
from align_eval.records import AudioSpan, Utterance
from align_eval.units import WINDOW_S

if TYPE_CHECKING:
    from whisper.model import Whisper


def with_languages(corpus: Corpus, model: Whisper) -> tuple[Corpus, dict[str, dict[str, Any]]]:
    """The corpus with every language ``auto`` replaced by the one that the model detects, and what it found, by id.

    What decides the result is the language, not who said it: a run has the same signature either way. An utterance
    whose detection fails keeps ``auto``; it is detected again, and fails and is listed, where it is processed.
    """
    from align_eval.model.language import AUTO, detect_language

    found: dict[str, dict[str, Any]] = {}
    utterances: list[Utterance] = []
    for u in corpus.utterances:
        spoken = u
        if u.language == AUTO:
            with suppress(Exception):  # raised again where it is processed
                language, probability = detect_language(model, read_audio(_beginning(u.audio)))
                found[u.id] = {"detected": language, "probability": probability}
                spoken = replace(u, language=language)
        utterances.append(spoken)
    return (replace(corpus, utterances=tuple(utterances)) if found else corpus), found


def _beginning(span: AudioSpan) -> AudioSpan:
    """The first window of a span."""
    end_s = span.start_s + WINDOW_S
    return replace(span, end_s=end_s if span.end_s is None else min(span.end_s, end_s))
