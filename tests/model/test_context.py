"""Short context: encoded frames, and the signature."""

from __future__ import annotations

import numpy as np
import torch

from align_eval.api import evaluate
from align_eval.corpus.audio import read_audio
from align_eval.corpus.folder import Corpus
from align_eval.model.forward import shared_pass
from align_eval.model.text import force_words


def test_the_audio_and_a_second_of_silence_are_encoded(tiny_en, clip, clip_pass):
    """59 frames of audio and 50 of silence, two mel frames each; the log-mel is the full one, cropped."""
    forced = force_words(tiny_en, [w.text for w in clip.words], "en")
    fit = shared_pass(tiny_en, read_audio(clip.audio), forced, "fit")
    assert fit.n_frames == clip_pass.n_frames == 59
    assert fit.taps[0].shape[-1] == 2 * (59 + 50)
    assert fit.taps[-1].shape[1] == fit.cross.shape[-1] == 59 + 50
    assert torch.equal(fit.taps[0], clip_pass.taps[0][..., : 2 * (59 + 50)])


def test_a_clip_of_thirty_seconds_is_encoded_whole(tiny_en):
    samples = np.zeros(30 * 16000, np.float32)
    fit = shared_pass(tiny_en, samples, force_words(tiny_en, ["word"], "en"), "fit")
    assert fit.taps[-1].shape[1] == 1500


def test_the_context_stands_in_the_signature(tiny_en, clip):
    corpus = Corpus("one", (clip,), ())
    full, fit = (
        evaluate(corpus, tiny_en, sources=["attention"], aligns=["dtw"], presets=[], context=c).run.signature
        for c in ("full", "fit")
    )
    assert (full["context"], fit["context"]) == ("full", "fit")
    assert full["id"] != fit["id"]


def test_what_a_source_says_of_itself_comes_with_the_evaluation(tiny_en, clip):
    found = evaluate(
        Corpus("one", (clip,), ()),
        tiny_en,
        sources=["spes:at=encoder-output,masks=60", "attention"],
        aligns=["dtw"],
        presets=[],
        context="fit",
    )
    (sources,) = found.details.values()
    details, attention = (sources[spec] for spec in sorted(sources, reverse=True))
    assert 0 < attention["mass_on_padding"] < 1
    assert details["masks"] == 60
    assert len(details["token_reliability"]) == 6
