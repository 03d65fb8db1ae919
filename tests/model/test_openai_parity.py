"""The street's parts put together as openai-whisper has them must give openai-whisper's own times."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
import whisper
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from whisper.timing import find_alignment

from align_eval.alignment.dtw import dtw_path
from align_eval.api import evaluate
from align_eval.corpus.audio import read_audio
from align_eval.corpus.bundled import load_corpus
from align_eval.model.forward import shared_pass
from align_eval.model.load import load_model
from align_eval.model.text import force_words, tokenizer_of
from align_eval.systems import make_systems
from tests.helpers.maps import align_map, relevance_maps

DEMO_IDS = [u.id for u in load_corpus("demo").utterances]
DEMO_RU_IDS = [u.id for u in load_corpus("demo-ru").utterances]


def times_of_both(model, utterance):
    """Start and end of each word by openai-whisper and by the preset, on the same samples and tokens."""
    samples = read_audio(utterance.audio)
    forced = force_words(model, [w.text for w in utterance.words], utterance.language)
    tokenizer = tokenizer_of(model, utterance.language)
    mel = whisper.log_mel_spectrogram(whisper.pad_or_trim(torch.from_numpy(samples)), n_mels=model.dims.n_mels)
    theirs = find_alignment(model, tokenizer, list(forced.tokens[:-1]), mel, len(samples) // whisper.audio.HOP_LENGTH)

    (system,) = make_systems(["attention:heads=alignment"], ["openai"])
    shared = shared_pass(model, samples, forced)
    relevance = relevance_maps(model, shared, [system.source.text])[system.source.text]
    ours = align_map(relevance, np.zeros(shared.n_frames), system.aligner.text)
    # openai-whisper splits words at spaces and punctuation, which need not be the reference's: compare by its tokens
    columns = ours.token_frames[:, 0]
    first = np.cumsum([0, *(len(timing.tokens) for timing in theirs)])
    times = [(columns[i] / 50, columns[j] / 50) for i, j in itertools.pairwise(first)]
    return [(timing.start, timing.end) for timing in theirs], times, ours.words


@pytest.mark.parametrize("id_", DEMO_IDS)
def test_word_times_are_openai_whispers_bit_for_bit(tiny_en, demo, id_):
    utterance = next(u for u in demo.utterances if u.id == id_)
    theirs, ours, words = times_of_both(tiny_en, utterance)
    assert ours == theirs
    assert list(words) == theirs  # both split these texts at the same places: the times that the library returns, too


MARKED = {
    "en_praatio_bobby": "Bobby ripped, the ledger.",
    "en_praatio_damon": '"Damon (and) well-known. Ledger"',
}
"""Texts with marks before, inside, behind and between words; the second is not what is said, which stretches words."""


@pytest.mark.parametrize("id_", MARKED)
def test_word_times_after_the_heuristics_are_openai_whispers_before_it_rounds(tiny_en, demo, id_, monkeypatch):
    """add_word_timestamps itself, its own rounding switched off, as a segment that spans the audio."""
    monkeypatch.setattr(whisper.timing, "round", lambda value, _: value, raising=False)
    utterance = next(u for u in demo.utterances if u.id == id_)
    samples = np.concatenate([np.zeros(24000, np.float32), read_audio(utterance.audio)])  # a pause to be cut off
    (system,) = make_systems([], [], ["openai-transcribe"])
    forced = force_words(tiny_en, MARKED[id_].split(), "en")
    shared = shared_pass(tiny_en, samples, forced)
    relevance = relevance_maps(tiny_en, shared, [system.source.text])[system.source.text]
    ours = align_map(relevance, np.zeros(shared.n_frames), system.aligner.text).words
    plain = align_map(relevance, np.zeros(shared.n_frames), "dtw:grid=index").words
    segment = {"seek": 0, "start": 0.0, "end": len(samples) / 16000, "tokens": list(forced.tokens[:-1])}
    whisper.timing.add_word_timestamps(
        segments=[segment],
        model=tiny_en,
        tokenizer=tokenizer_of(tiny_en, "en"),
        mel=whisper.log_mel_spectrogram(whisper.pad_or_trim(torch.from_numpy(samples))),
        num_frames=len(samples) // whisper.audio.HOP_LENGTH,
        last_speech_timestamp=0.0,
    )
    theirs = [(word["start"], word["end"]) for word in segment["words"]]
    if id_ == "en_praatio_damon":  # openai-whisper makes two words of "well-known."
        theirs[2:4] = [(theirs[2][0], theirs[3][1])]
    assert list(ours) == theirs
    assert ours != plain


@pytest.mark.slow
@pytest.mark.parametrize("id_", DEMO_RU_IDS)
def test_word_times_are_openai_whispers_in_russian_with_a_multilingual_model(id_):
    base = load_model("base")
    utterance = next(u for u in load_corpus("demo-ru").utterances if u.id == id_)
    theirs, ours, _ = times_of_both(base, utterance)
    assert ours == theirs


@settings(deadline=None)
@given(arrays(np.float64, array_shapes(min_dims=2, max_dims=2, max_side=8), elements=st.integers(-2, 2)))
def test_where_paths_tie_ours_costs_no_more_than_openai_whispers(cost):
    """Small integers tie all the time; there openai-whisper's branch may take the costlier path, ours may not."""
    rows, columns = whisper.timing.dtw_cpu(cost)
    assert dtw_path(cost)[2] <= cost[rows, columns].sum()


@pytest.mark.slow
def test_error_of_openais_own_times_is_what_an_independent_implementation_found(tiny_en):
    """129.8 ms on the 83 words with manual times, 132.1 ms on the 108 with automatic ones, to 3 ms."""
    run = evaluate("demo", tiny_en, sources=(), aligns=(), presets=["openai"]).run
    wbe = {
        row.reference: (row.value, row.n_words)
        for row in run.rows
        if (row.metric, row.boundaries, row.calibration) == ("wbe_mean", "all", "none")
    }
    assert wbe["manual"] == (pytest.approx(129.8, abs=3), 83)
    assert wbe["automatic"] == (pytest.approx(132.1, abs=3), 108)
