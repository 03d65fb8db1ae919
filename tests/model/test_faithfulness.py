"""Masked audio, passes of the model over it, and a real map compared with chance."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
import whisper

from align_eval.corpus.audio import read_audio
from align_eval.corpus.folder import Corpus
from align_eval.errors import InputError
from align_eval.findings.faithfulness.deletion import curve_area, deletion_masks, frame_relevance, most_relevant_first
from align_eval.findings.faithfulness.masking import (
    against_reference,
    batch_size,
    fill_values,
    masked_mels,
    mean_log_probs,
    normalised,
    sample_cap,
)
from align_eval.findings.faithfulness.measure import measure_faithfulness, source_map, utterance_curves
from align_eval.findings.faithfulness.records import FaithfulnessOptions
from align_eval.formats.run.finding_json import write_finding
from align_eval.model.forward import shared_pass
from align_eval.model.text import force_words
from align_eval.records import Word
from align_eval.relevance.source import parse_source
from align_eval.signature import signature_id
from tests.helpers.maps import stacks_of
from tests.helpers.models import random_whisper

SOURCES = ("attention:heads=all", "gradient:at=encoder-output")


def relevance_of(model, shared, spec):
    return frame_relevance(source_map(stacks_of(model, shared), shared, spec))


@pytest.fixture(scope="module")
def small_model():
    """Random weights, large enough for the audio to affect the tokens."""
    return random_whisper(scale=0.5)


@pytest.fixture(scope="module")
def small_pass(small_model, clip):
    words = [word.text for word in clip.words]
    return shared_pass(small_model, read_audio(clip.audio), force_words(small_model, words, "en"))


@pytest.mark.parametrize("fill", ["mean", "floor"])
def test_a_mask_fills_the_two_mel_frames_of_its_encoder_frames_and_nothing_else(fill):
    n_frames = 5
    mel = torch.randn(1, 3, 30, generator=torch.Generator().manual_seed(0))
    mel[..., 11:] = -7.0  # padding, after an odd last frame of audio
    masks = torch.tensor([[False, True, False, False, True], [False] * 5, [True] * 5])
    filled = masked_mels(mel, masks, fill_values(mel, n_frames, fill))
    expected = mel[0, :, :10].mean(dim=1)
    for mask, copy in enumerate(filled):
        hidden = [2 * j + k for j in range(n_frames) if masks[mask, j] for k in (0, 1)]
        for m in range(30):
            if m not in hidden:
                assert torch.equal(copy[:, m], mel[0, :, m])
            elif fill == "mean":
                assert torch.equal(copy[:, m], expected)
            else:
                assert copy[:, m].tolist() == [-7.0] * 3


def test_the_floor_is_what_padding_holds_and_the_mean_is_of_audio_only(clip_pass):
    mel, n_frames = clip_pass.taps[0], clip_pass.n_frames
    floor = fill_values(mel, n_frames, "floor")
    assert (floor == mel[0, :, -1]).all()
    assert (fill_values(mel, n_frames, "mean") > floor).all()


def test_no_mask_is_the_clean_pass_and_batches_do_not_move_a_curve_beyond_rounding(small_model, small_pass):
    order = np.random.default_rng(0).permutation(small_pass.n_frames)
    masks = deletion_masks(order, 20)
    curves = [mean_log_probs(small_model, small_pass, masks, "mean", batch) for batch in (1, 4, 6)]
    assert curves[0][0] == pytest.approx(float(small_pass.log_prob[:-1].double().mean()), abs=1e-5)
    for curve in curves[1:]:
        assert curve == pytest.approx(curves[0], abs=1e-5)
    assert np.ptp(curves[0]) > 1e-3  # the masks do matter


def test_the_batch_is_bounded_by_memory_and_by_the_curve(small_model, tiny_en):
    assert batch_size(small_model) == 21
    # keys and values of 4 layers and 12 vectors inside a block, of 384 floats at 1500 frames: 46 MB a window
    assert batch_size(tiny_en) == 384 * 2**20 // (1500 * 384 * 20 * 4) == 8


@pytest.mark.parametrize("spec", SOURCES)
def test_relevance_is_one_value_a_frame_from_the_text_without_its_end(small_model, small_pass, spec):
    relevance = relevance_of(small_model, small_pass, spec)
    assert relevance.shape == (small_pass.n_frames,)
    assert relevance.mean() == pytest.approx(0, abs=1e-6)  # a mean of standardised rows


def test_relevance_is_the_same_whichever_rows_the_source_gives(small_model, small_pass):
    text, every = (relevance_of(small_model, small_pass, f"attention:heads=all,rows={r}") for r in ("text", "all"))
    assert every == pytest.approx(text, abs=1e-6)


@pytest.fixture(scope="module")
def small_finding(small_model, clip):
    options = FaithfulnessOptions(step_percent=50, n_random=2, n_infidelity=4, n_sensitivity=2)
    return measure_faithfulness(Corpus("one", (clip,), ()), small_model, sources=SOURCES, options=options)


def test_every_order_has_its_curves_and_all_share_their_ends(small_finding, small_pass):
    (utterance,) = small_finding.utterances
    # two sources, energy and two random orders; deletion and insertion; two fillings
    assert len(utterance.curves) == 5 * 2 * 2
    assert utterance.n_units == len(small_pass.text.tokens) - 1
    clean = float(small_pass.log_prob[:-1].double().mean())
    for curve in utterance.curves:
        first, last = curve.values[0], curve.values[-1]
        assert (first if curve.kind == "deletion" else last) == clean  # exactly: the clean pass is run once
    ends = {(c.fill, c.values[-1] if c.kind == "deletion" else c.values[0]) for c in utterance.curves}
    assert len(ends) == 2


def test_insertion_keeps_the_most_relevant_frames(small_finding, small_model, small_pass):
    """At half the frames, deletion masks the upper half of the ranking and insertion the lower half."""
    rng = np.random.default_rng(0)
    order = most_relevant_first(relevance_of(small_model, small_pass, SOURCES[1]), rng)
    upper = deletion_masks(order, 50)[1]
    lower = deletion_masks(order[::-1], 50)[1]
    expected = mean_log_probs(small_model, small_pass, np.stack([upper, lower]), "floor", 2)
    found = {
        c.kind: c.values[1] for c in small_finding.utterances[0].curves if (c.order, c.fill) == (SOURCES[1], "floor")
    }
    assert [found["deletion"], found["insertion"]] == pytest.approx(expected.tolist(), abs=1e-5)


def test_an_order_does_not_depend_on_what_is_measured_beside_it(small_finding, small_model, clip):
    options = FaithfulnessOptions(step_percent=50, n_random=2, n_infidelity=4, n_sensitivity=2)
    alone = utterance_curves(small_model, clip, [parse_source(source) for source in SOURCES[1:]], options)
    together = {(c.order, c.draw, c.fill, c.kind): c.values for c in small_finding.utterances[0].curves}
    assert len(alone.curves) == 4 * 2 * 2  # a source, energy and two random orders
    for c in alone.curves:
        assert c.values == pytest.approx(together[c.order, c.draw, c.fill, c.kind], abs=1e-5)


def test_the_signature_is_that_of_a_run_with_the_finding_in_it(small_finding, small_model, clip, tmp_path):
    signature = small_finding.signature
    assert signature["id"] == signature_id({key: value for key, value in signature.items() if key != "id"})
    assert signature["systems"] == []
    assert signature["packages"]["jiwer"] != "absent"
    assert signature["faithfulness"]["form"] == "log-prob"
    assert (
        signature["faithfulness"]["sources"][1]
        == "gradient:at=encoder-output,reduce=l2,prep=zscore-median,unit=subword"
    )
    options = FaithfulnessOptions(step_percent=50, n_random=1, n_infidelity=0, n_sensitivity=0)
    other = measure_faithfulness(Corpus("one", (clip,), ()), small_model, sources=SOURCES[1:], options=options)
    assert other.signature["id"] != signature["id"]
    write_finding(tmp_path / "f.json", small_finding)
    read = json.loads((tmp_path / "f.json").read_text())
    assert read["signature"] == signature
    measures = {(r["source"], r["metric"], r["fill"]) for r in read["map_rows"]}
    shares = {(s, "unexplained", fill) for s in (*SOURCES, "energy", "flat") for fill in ("mean", "floor")}
    assert measures == shares | {(s, "sensitivity", None) for s in SOURCES}


def test_map_measures_stand_in_the_signature_of_log_probabilities_only(small_finding, small_model, clip):
    settings = small_finding.signature["faithfulness"]
    assert (settings["n_infidelity"], settings["n_sensitivity"]) == (4, 2)
    assert (settings["frames_per_run"], settings["sensitivity_radius"]) == (5, 0.02)
    options = FaithfulnessOptions(form="wer", step_percent=50, n_random=1)
    errors = measure_faithfulness(Corpus("one", (clip,), ()), small_model, sources=SOURCES[:1], options=options)
    assert errors.map_rows == ()
    assert "n_infidelity" not in errors.signature["faithfulness"]


def test_failures_are_listed_and_an_error_is_raised_where_all_fail(small_model, clip, tmp_path):
    missing = replace(clip, id="gone", audio=replace(clip.audio, path=tmp_path / "gone.wav"))
    options = FaithfulnessOptions(step_percent=50, n_random=1, n_infidelity=0, n_sensitivity=0)
    finding = measure_faithfulness(
        Corpus("two", (clip, replace(clip, id="wordless", words=())), ()), small_model, sources=SOURCES[:1],
        options=options,
    )  # fmt: skip
    assert [(f.id, "there are no words" in f.message) for f in finding.failures] == [("wordless", True)]
    with pytest.raises(InputError, match=r"every utterance failed: .*gone\.wav"):
        measure_faithfulness(Corpus("none", (missing,), ()), small_model, sources=SOURCES[:1], options=options)


def test_errors_are_counted_by_hand_after_the_normaliser():
    reference = normalised("It's the colour, Mr. Smith!", "en")
    assert reference == "it is the color mister smith"
    decoded = against_reference(reference, normalised("It is the the colour of Mr.", None))
    # "the" inserted; "of mister" for "mister smith": two substitutions, or "of" inserted and "smith" missing
    assert decoded.errors == 3
    assert (against_reference("a b", "").errors, against_reference("a b", "").insertions) == (2, 0)
    assert normalised("Привет, Мир!", "ru").strip() == "привет мир"


def test_the_cap_is_twice_the_text_and_never_more_than_whispers(tiny_en):
    assert sample_cap(tiny_en, 8) == 32
    assert sample_cap(tiny_en, 400) == 224


@pytest.mark.slow
def test_deletion_of_nothing_has_the_clean_word_errors(tiny_en, clip, clip_pass):
    curves = utterance_curves(tiny_en, clip, (), FaithfulnessOptions(form="wer", step_percent=50, n_random=1))
    decoding = whisper.DecodingOptions(language="en", temperature=0, without_timestamps=True, fp16=False)
    clean = normalised(whisper.decode(tiny_en, clip_pass.taps[0][0], decoding).text, "en")
    errors = against_reference(normalised(clip.text, "en"), clean).errors
    assert curves.ends.clean_text == clean
    assert curves.n_units == len(normalised(clip.text, "en").split())
    for curve in curves.curves:
        in_order = curve.values if curve.kind == "deletion" else curve.values[::-1]
        assert in_order[0] == errors
        assert in_order[-1] == curves.ends.deleted_errors[curve.fill]


def test_text_that_the_normaliser_empties_is_refused_for_word_errors(tiny_en, clip):
    filler = replace(clip, words=(Word("uh", 0.1, 0.2),), text="uh")
    with pytest.raises(InputError, match="'uh' has no word after normalisation"):
        utterance_curves(tiny_en, filler, (), FaithfulnessOptions(form="wer", step_percent=50, n_random=1))


@pytest.mark.slow
def test_on_real_speech_the_gradient_finds_what_the_model_needs_better_than_chance(tiny_en, clip_pass):
    order = most_relevant_first(relevance_of(tiny_en, clip_pass, SOURCES[1]), np.random.default_rng(0))
    orders = [order, *(np.random.default_rng(seed).permutation(clip_pass.n_frames) for seed in range(3))]
    masks = np.concatenate([deletion_masks(frames, 25)[1:-1] for frames in orders])
    interior = mean_log_probs(tiny_en, clip_pass, masks, "mean").reshape(4, 3)
    # the ends are shared: a lower inside is a lower area
    assert interior[0].mean() < interior[1:].mean(axis=1).min()
    assert curve_area(interior)[0] < curve_area(interior)[1:].min()


def test_character_targets_are_refused_before_anything_is_measured(clip, small_model):
    with pytest.raises(InputError, match=r"source gradient:.*unit=character: .*; leave unit= out"):
        measure_faithfulness(Corpus("one", (clip,), ()), small_model, sources=["gradient:unit=character"])


def test_another_prompt_is_refused_before_anything_is_measured(clip, small_model):
    with pytest.raises(InputError, match=r"prompt=timestamp: faithfulness needs one prompt for all sources"):
        measure_faithfulness(Corpus("one", (clip,), ()), small_model, sources=["attention:prompt=timestamp"])
