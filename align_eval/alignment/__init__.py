"""Alignments: from a relevance map to the times of its words. Any alignment takes any map. Torch-free."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from align_eval.alignment.dtw import dtw_offset_s, dtw_token_frames
from align_eval.alignment.options import ALIGN_OPTIONS, DtwOptions
from align_eval.alignment.pauses import quiet_stretches, split_pauses, suppress_silence
from align_eval.alignment.punctuation import piece_word_times, word_texts
from align_eval.alignment.viterbi import viterbi_token_frames
from align_eval.errors import InputError
from align_eval.records import EOT_WORD, Alignment, IntVector, RelevanceMap
from align_eval.spec import format_spec, parse_spec


def canonical_align(spec: str, *, full: bool = False) -> str:
    """The canonical spec of an alignment; ``full`` writes its defaults out."""
    return format_spec(*parse_spec(spec, ALIGN_OPTIONS, "align"), full=full)


def align_map(
    relevance: RelevanceMap,
    energy: npt.NDArray[np.float64],
    spec: str,
    samples: npt.NDArray[np.float32] | None = None,
) -> Alignment:
    """Word times by a path through a map.

    Parameters
    ----------
    energy : float64[n_frames]
        Loudness at each column (see :func:`~align_eval.alignment.energy.energy_at_columns`).
    samples : float32[n_samples], optional
        At 16 kHz; what suppresses silence needs them.

    Raises
    ------
    InputError
        Where the spec is unknown, the text does not fit into the audio, or a heuristic asks for what is not there: the
        token before the text, the pieces of the text, the samples.
    """
    name, options = parse_spec(spec, ALIGN_OPTIONS, "align")
    if isinstance(options, DtwOptions):
        frames, cost = dtw_token_frames(relevance.values, options.rows, relevance.lead)
        words = _dtw_words(relevance, frames, options, samples)
    else:
        frames, cost = viterbi_token_frames(relevance.values, relevance.word_of_token, energy, options)
        words = word_times(frames, relevance.word_of_token, relevance.frame_s, relevance.start_s, options.end)
        words = split_pauses(words, options.pause_s)
    return Alignment(words=words, token_frames=frames, cost=cost, spec=format_spec(name, options))


def _dtw_words(
    relevance: RelevanceMap, frames: IntVector, options: DtwOptions, samples: npt.NDArray[np.float32] | None
) -> tuple[tuple[float, float], ...]:
    """Times of words after the heuristics that the options switch on."""
    offset_s = dtw_offset_s(options, relevance.start_s)
    if (options.durations, options.punctuation) == ("free", "kept"):
        words = word_times(frames, relevance.word_of_token, relevance.frame_s, offset_s, "next")
    else:
        _require(options, bool(relevance.pieces), "the pieces of the text", "durations=free,punctuation=kept")
        token_starts_s = np.maximum(frames[:, 0] / (1 / relevance.frame_s) + offset_s, 0.0)
        words = piece_word_times(
            token_starts_s,
            relevance.pieces,
            relevance.word_of_token,
            capped=options.durations == "capped",
            trimmed=options.punctuation == "trimmed",
        )
    if options.silence == "suppressed":
        _require(options, bool(relevance.pieces), "the pieces of the text", "silence=kept")
        if samples is None:
            _require(options, False, "samples", "silence=kept")
        else:
            texts = word_texts(relevance.pieces, relevance.word_of_token)
            words = suppress_silence(words, texts, *quiet_stretches(samples))
    return words


def _require(options: DtwOptions, there: bool, what: str, otherwise: str) -> None:
    if not there:
        place = f"alignment {format_spec('dtw', options)}"
        raise InputError(place, f"needs {what}, which are not there", f"run the model, or use {otherwise}")


def word_times(
    token_frames: IntVector, word_of_token: IntVector, frame_s: float, start_s: float, end: str
) -> tuple[tuple[float, float], ...]:
    """Times of words from the columns of their tokens, never before zero.

    A word starts with its first token; it ends with its last one (``own``) or where the row after it starts (``next``).
    """
    n_words = int(word_of_token.max()) + 1
    first = np.searchsorted(word_of_token[:-1], np.arange(n_words), side="left")
    after = np.searchsorted(word_of_token[:-1], np.arange(n_words), side="right")
    assert word_of_token[-1] == EOT_WORD
    starts = token_frames[first, 0]
    ends = token_frames[after - 1, 1] if end == "own" else token_frames[after, 0]
    # divided by the rate, not multiplied by the step: column 35 is then 0.7 s, not 0.7000000000000001
    seconds = [np.maximum(columns / (1 / frame_s) + start_s, 0.0).tolist() for columns in (starts, ends)]
    return tuple(zip(*seconds, strict=True))
