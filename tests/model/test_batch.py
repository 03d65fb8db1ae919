"""Utterances that go through the model together: each must get what it gets alone, and fail by itself."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace

import numpy as np
import pytest
import torch
from whisper.model import disable_sdpa

from align_eval.corpus.audio import read_audio
from align_eval.engine.batch import batched_passes, batches, process_many
from align_eval.engine.cache import MapCache
from align_eval.engine.cache_folder import CacheFolder
from align_eval.engine.utterance import process_each
from align_eval.errors import InputError, InputWarning
from align_eval.model import forward
from align_eval.model.forward import decoder_hidden, shared_pass
from align_eval.model.text import force_words
from align_eval.options import Plan, RunOptions
from align_eval.pipeline import Speech, passes_of
from align_eval.records import Failure
from align_eval.signature import run_signature
from align_eval.systems import make_systems
from tests.helpers.planted_logits import every_logit

SUBWORD, CHARACTER = ("subword", "no-timestamps"), ("character", "no-timestamps")
SYSTEMS = make_systems(["attention:heads=all,prep=log", "gradient:at=encoder-output"], ["viterbi"], ["openai"])


@pytest.fixture(scope="module")
def clips(demo):
    """Three of different lengths, from 1.2 s."""
    return sorted(demo.utterances, key=lambda u: u.duration_s)[:3]


def spoken(utterance, *more):
    words = [word.text for word in utterance.words]
    return Speech(read_audio(utterance.audio), (*words, *more), utterance.language)


def plan(batch, **others):
    return Plan("tiny.en", SYSTEMS, RunOptions(batch=batch, **others))


@pytest.fixture(scope="module")
def alone(tiny_en, clips):
    """Results of the clips, each alone."""
    return process_each(clips, plan(1), tiny_en)


def test_a_pass_in_a_batch_is_the_pass_alone(tiny_en, clips):
    """Text that is filled up stands behind the end of every shorter one, where the decoder's mask hides it."""
    _, together = batched_passes(tiny_en, [spoken(u) for u in clips])
    for utterance, pass_of in zip(clips, together, strict=True):
        alone, found = passes_of(tiny_en, spoken(utterance))(SUBWORD), pass_of(SUBWORD)
        assert found.text.decoder_input == alone.text.decoder_input
        assert found.n_frames == alone.n_frames
        assert [tap.shape for tap in found.taps] == [tap.shape for tap in alone.taps]
        torch.testing.assert_close(found.taps[-1], alone.taps[-1], rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(found.log_prob, alone.log_prob, rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(every_logit(found), every_logit(alone), rtol=1e-3, atol=1e-2)


def test_logits_are_what_the_unfused_attention_multiplies(tiny_en, clips):
    """openai-whisper returns them where its fused kernel is off."""
    shared = shared_pass(tiny_en, read_audio(clips[0].audio), force_words(tiny_en, ["one", "word"], "en"))
    theirs = []
    hooks = [
        block.cross_attn.register_forward_hook(lambda _module, _inputs, outputs: theirs.append(outputs[1][0]))
        for block in tiny_en.decoder.blocks
    ]
    with torch.no_grad(), disable_sdpa():
        decoder_hidden(tiny_en, torch.tensor([shared.text.decoder_input]), shared.taps[-1])
    for hook in hooks:
        hook.remove()
    torch.testing.assert_close(every_logit(shared), torch.stack(theirs), rtol=1e-3, atol=1e-3)
    (one,) = shared.cross.logits([(2, 5)], slice(1, 3))
    torch.testing.assert_close(one, torch.stack(theirs)[2, 5, 1:3], rtol=1e-3, atol=1e-3)


def test_the_encoder_runs_once_for_all_tokens_and_not_before_a_pass_is_asked_for(tiny_en, clips, monkeypatch):
    runs = []
    real = forward.encode
    monkeypatch.setattr(forward, "encode", lambda *args: runs.append(len(args[1])) or real(*args))
    pass_of = passes_of(tiny_en, spoken(clips[0]))
    assert runs == []
    subword, character = pass_of(SUBWORD), pass_of(CHARACTER)
    assert runs == [1]
    assert len(character.text.tokens) > len(subword.text.tokens)
    assert torch.equal(character.taps[-1], subword.taps[-1])


@pytest.mark.parametrize("batch", [2, 8])
def test_word_times_are_those_of_utterances_alone(tiny_en, clips, alone, batch):
    for by_itself, outcome in zip(alone, process_many(clips, plan(batch), tiny_en), strict=True):
        for system in SYSTEMS:
            times = [(word.start_s, word.end_s) for word in outcome.words[system]]
            assert times == [(word.start_s, word.end_s) for word in by_itself.words[system]]
            confidences = [word.confidence for word in outcome.words[system]]
            assert confidences == pytest.approx([word.confidence for word in by_itself.words[system]], abs=1e-4)


def test_an_utterance_fails_with_its_own_message_and_the_others_are_done(tiny_en, clips):
    """One whose file is gone, two with more tokens than the decoder holds, one too short.

    The first fails before any batch: batches are of the clip with a long one, and of the longer one alone.
    """
    gone = replace(clips[0], id="gone", audio=replace(clips[0].audio, path=clips[0].audio.path.with_name("gone.wav")))
    long, longer = (replace(clips[1], id=f"{n} times", words=clips[1].words * n) for n in (120, 130))
    found = process_many([gone, clips[0], long, longer], plan(2), tiny_en)
    assert [isinstance(outcome, Failure) for outcome in found] == [True, False, True, True]
    assert [found[0], *found[2:]] == process_each([gone, long, longer], plan(1), tiny_en)
    _, (short, _) = batched_passes(tiny_en, [of_length(100, 3), spoken(clips[0])])
    with pytest.raises(InputError, match="100 samples are less than one frame"):
        short(SUBWORD)
    assert "the decoder holds 448" in found[-1].message


@pytest.mark.parametrize(
    "error",
    [torch.cuda.OutOfMemoryError("out of memory"), RuntimeError("DefaultCPUAllocator: not enough memory")],
    ids=["device", "processor"],
)
def test_a_batch_that_the_device_cannot_hold_is_done_one_by_one(tiny_en, clips, alone, monkeypatch, error):
    real = forward.encode

    encoded = []

    def little_memory(model, mel):
        if len(mel) > 1:
            raise error
        gc.collect()
        assert not any(of_before() is not None for of_before in encoded)  # what was done is let go
        taps = real(model, mel)
        encoded.append(weakref.ref(taps[-1]))
        return taps

    monkeypatch.setattr(forward, "encode", little_memory)
    with pytest.warns(InputWarning, match="a batch of 3 utterances does not fit into the device's memory"):
        found = process_many(clips, plan(3), tiny_en)
    assert found == alone


def test_maps_that_are_known_need_no_pass_of_a_batch(tiny_en, clips, tmp_path, monkeypatch):
    cache = MapCache(CacheFolder(tmp_path, 10**9), {})
    first = process_many(clips, plan(2), tiny_en, cache)  # in a batch of two and one of one
    monkeypatch.setattr(forward, "encode", None)
    assert process_many(clips, plan(2), tiny_en, cache) == first


def of_length(n_samples, n_letters):
    return Speech(np.zeros(n_samples, np.float32), ("x" * n_letters,), "en")


def test_utterances_of_like_length_go_together():
    """By letters of their text, which the decoder is filled up to; with a fitted context by encoded frames first."""
    texts = {i: of_length(16000, n) for i, n in enumerate([9, 1, 8, 2, 7])}
    assert [list(batch) for batch in batches(texts, 2)] == [[1, 3], [4, 2], [0]]
    windows = {i: of_length(n, 1) for i, n in enumerate([32000, 16000, 32100, 16319, 16320])}
    assert [list(batch) for batch in batches(windows, 3, "fit")] == [[1, 3], [4], [0, 2]]


def test_a_batch_is_of_the_signature_and_none_is_not():
    signed = [run_signature(plan(batch), model_checksum="m", corpus="c", corpus_checksum="s") for batch in (1, 2)]
    assert "batch" not in signed[0]
    assert signed[1]["batch"] == 2
    assert signed[0]["id"] != signed[1]["id"]


def test_numbers_that_cannot_be_are_refused(tiny_en, demo):
    from align_eval.api import evaluate

    with pytest.raises(InputError, match="batch: is 0; use --batch 1"):
        evaluate(demo, tiny_en, batch=0)
    with pytest.raises(InputError, match="batch: 2 utterances cannot go through the model at once"):
        evaluate(demo, tiny_en, batch=2, text="hypothesis")
    with pytest.raises(InputError, match="dtype: there is no 'int8'; one of float32, float16, bfloat16"):
        evaluate(demo, tiny_en, dtype="int8")


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_formats_reach_the_encoder_and_leave_maps_in_float32(tiny_en, clips, dtype):
    """Of every source that says so in docs/performance.md; the encoder's states are in the format that was asked."""
    shared = shared_pass(tiny_en, read_audio(clips[0].audio), force_words(tiny_en, ["one"], "en"), "fit", dtype)
    assert shared.taps[-1].dtype == getattr(torch, dtype)
    assert every_logit(shared).dtype == torch.float32
    (found,) = process_each([clips[0]], plan(1, dtype=dtype, context="fit"), tiny_en)
    (whole,) = process_each([clips[0]], plan(1, context="fit"), tiny_en)
    for system in SYSTEMS:
        moved = [abs(a.start_s - b.start_s) for a, b in zip(found.words[system], whole.words[system], strict=True)]
        assert max(moved) <= 0.06
