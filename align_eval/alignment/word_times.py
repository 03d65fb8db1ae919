"""From a relevance map to the times of its words: an aligner's path, and the rules that turn columns into times."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from align_eval.alignment.aligner import Aligner, DtwOptions
from align_eval.alignment.dtw import dtw_offset_s, dtw_token_frames
from align_eval.alignment.pauses import quiet_stretches, split_pauses, suppress_silence
from align_eval.alignment.punctuation import piece_word_times, word_texts
from align_eval.alignment.viterbi import make_states, median_columns, token_frames_of
from align_eval.errors import InputError
from align_eval.records import EOT_WORD, Alignment, IntVector, RelevanceMap

Times = tuple[tuple[float, float], ...]

TIME_DECIMALS = 4
"""Digits of a median, in seconds: the last bits of exponentials differ between processors."""


def align_map(
    relevance: RelevanceMap,
    energy: npt.NDArray[np.float64],
    aligner: Aligner,
    samples: npt.NDArray[np.float32] | None = None,
) -> Alignment:
    """Word times by the aligner's path through a map.

    Parameters
    ----------
    relevance : RelevanceMap
    energy : float64[n_frames]
        Loudness at each column (:func:`~align_eval.alignment.energy.energy_at_columns`).
    aligner : Aligner
    samples : float32[n_samples], optional
        Mono at 16 kHz; needed by ``silence=suppressed``.

    Raises
    ------
    InputError
        Where the text does not fit into the audio, or an option needs something that is missing: the token before the
        text, the pieces of the text, the samples.
    """
    options = aligner.options
    if isinstance(options, DtwOptions):
        frames, cost = dtw_token_frames(relevance.values, options.rows, relevance.lead)
        times = _dtw_times(relevance, frames, aligner, options, samples)
    else:
        states = make_states(relevance.values, relevance.word_of_token, energy, options, relevance.letters)
        n_tokens = len(relevance.word_of_token)
        frames, cost = token_frames_of(states, n_tokens)
        columns = median_columns(states, n_tokens) if options.boundary == "median" else frames
        times = word_times(columns, relevance.word_of_token, relevance.frame_s, relevance.start_s, options.end)
        if options.pause_s:
            times = split_pauses(times, options.pause_s)
    return Alignment(words=times, token_frames=frames, cost=cost, spec=aligner.text)


def _dtw_times(
    relevance: RelevanceMap,
    frames: IntVector,
    aligner: Aligner,
    options: DtwOptions,
    samples: npt.NDArray[np.float32] | None,
) -> Times:
    """Word times after the heuristics that the options switch on."""

    def missing(name: str, remedy: str) -> InputError:
        place = f"alignment {aligner.text}"
        return InputError(place, f"needs {name}, which are missing", f"run the model, or {remedy}")

    offset_s = dtw_offset_s(options, relevance.start_s)
    if (options.durations, options.punctuation) == ("free", "kept"):
        times = word_times(frames, relevance.word_of_token, relevance.frame_s, offset_s, "next")
    elif relevance.pieces:
        times = piece_word_times(
            np.maximum(frames[:, 0] / (1 / relevance.frame_s) + offset_s, 0.0),
            relevance.pieces,
            relevance.word_of_token,
            capped=options.durations == "capped",
            trimmed=options.punctuation == "trimmed",
        )
    else:
        raise missing("the pieces of the text", "use durations=free,punctuation=kept")
    if options.silence == "suppressed":
        if not relevance.pieces or samples is None:
            raise missing("samples" if relevance.pieces else "the pieces of the text", "use silence=kept")
        texts = word_texts(relevance.pieces, relevance.word_of_token)
        times = suppress_silence(times, texts, *quiet_stretches(samples))
    return times


def word_times(
    columns: IntVector | npt.NDArray[np.float64], word_of_token: IntVector, frame_s: float, start_s: float, end: str
) -> Times:
    """Times of words in seconds from the columns of their tokens, never before zero.

    A word starts with its first token. It ends with its last token (``own``) or where the next row starts (``next``).
    Fractions of a column are rounded to 0.1 ms.

    Parameters
    ----------
    columns : int32 or float64[n_tokens, 2]
        First column of each row and the one after its last; fractions lie within a column.
    word_of_token : int32[n_tokens]
    frame_s, start_s : float
        Step between columns, and the time of the left edge of column 0.
    end : {"own", "next"}
    """
    n_words = int(word_of_token.max()) + 1
    first = np.searchsorted(word_of_token[:-1], np.arange(n_words), side="left")
    after = np.searchsorted(word_of_token[:-1], np.arange(n_words), side="right")
    assert word_of_token[-1] == EOT_WORD
    starts = columns[first, 0]
    ends = columns[after - 1, 1] if end == "own" else columns[after, 0]
    # divided by the rate, not multiplied by the step: column 35 is then 0.7 s, not 0.7000000000000001
    seconds = [np.maximum(edge / (1 / frame_s) + start_s, 0.0) for edge in (starts, ends)]
    if np.issubdtype(columns.dtype, np.floating):
        seconds = [np.round(edge, TIME_DECIMALS) for edge in seconds]
    return tuple(zip(*(edge.tolist() for edge in seconds), strict=True))
