"""The library as a user calls it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import align_eval
from align_eval import align
from align_eval.api import evaluate
from align_eval.corpus.audio import read_audio
from align_eval.errors import InputError
from align_eval.formats.textgrids import read_words
from align_eval.model.text import force_words
from align_eval.pipeline import Speech, align_speech
from align_eval.systems import PRESETS, make_systems
from tests.helpers import command_line


def test_align_gives_words_in_order_inside_the_audio(tiny_en, clip):
    words = align(tiny_en, clip.audio.path, clip.text, source="gradient:at=encoder-output", align="viterbi")
    assert [w.text for w in words] == ["bobby", "ripped", "the", "ledger"]
    times = [t for w in words for t in (w.start_s, w.end_s)]
    assert times == sorted(times)
    assert times[0] >= 0
    assert times[-1] <= clip.duration_s + 0.02
    assert all(0 < w.confidence <= 1 for w in words)


def test_align_takes_samples_as_well_as_a_file(tiny_en, clip):
    from_file = align(tiny_en, clip.audio.path, clip.text, source="attention", align="dtw")
    assert align(tiny_en, read_audio(clip.audio), clip.text, source="attention", align="dtw") == from_file


def test_align_finds_manual_word_times_better_than_equal_shares_would(tiny_en, clip):
    """A control that could fail: words spread evenly over the clip."""
    words = align(tiny_en, clip.audio.path, clip.text)
    edges = np.linspace(0, clip.duration_s, len(words) + 1)

    def error(pairs):
        return np.mean([abs(s - w.start_s) + abs(e - w.end_s) for (s, e), w in zip(pairs, clip.words, strict=True)]) / 2

    assert error([(w.start_s, w.end_s) for w in words]) < error(list(itertools.pairwise(edges)))


def test_text_is_cleaned_before_it_is_aligned(tiny_en, clip):
    """The same letters, decomposed and with marks of direction: other tokens, and 20 to 60 ms, if they were not."""
    written = align(tiny_en, clip.audio.path, "théorème été", source="attention:heads=all")
    typed = align(tiny_en, clip.audio.path, "\u200fthe\u0301ore\u0300me e\u0301te\u0301", source="attention:heads=all")
    assert typed == written


@pytest.mark.parametrize("preset", sorted(set(PRESETS) - {"best-base"}))
def test_marks_alone_have_a_time_in_every_preset(tiny_en, clip, preset):
    """A mark alone lost the run where a preset merges it with a word: it has the times of that word."""
    (system,) = make_systems([], [], [preset])
    texts = ("-", *clip.text.split(), "。", "¿", "...")
    words = align_speech(tiny_en, Speech(read_audio(clip.audio), texts, "en"), [system])[system]
    assert tuple(word.text for word in words) == texts
    if "punctuation=trimmed" in system.aligner.text:
        assert (words[0].start_s, words[0].end_s) == (words[1].start_s, words[1].end_s)


@pytest.mark.parametrize(
    ("text", "message"),
    [("", r"text: there are no words"), ("word " * 500, r"text: takes at least 500 tokens, the decoder holds 448")],
)
def test_align_refuses_text_that_cannot_be_forced(tiny_en, clip, text, message):
    with pytest.raises(InputError, match=message):
        align(tiny_en, clip.audio.path, text)


def test_align_refuses_samples_that_are_not_mono_and_finite(tiny_en):
    for samples in (np.zeros((2, 16000), np.float32), np.zeros(16000, np.int16)):
        with pytest.raises(InputError, match=r"audio: is an array of (float32|int16) of shape .*floats from -1 to 1"):
            align(tiny_en, samples, "word")
    with pytest.raises(InputError, match=r"audio: sample 3 is not finite"):
        align(tiny_en, np.array([0, 0, 0, np.nan] * 4000, np.float32), "word")


def test_align_takes_one_string(tiny_en, clip):
    with pytest.raises(InputError, match=r"text: is a list; give one string"):
        align(tiny_en, clip.audio.path, ["bobby"])


def test_a_model_of_another_precision_is_refused_not_mislabelled(random_model):
    with pytest.raises(InputError, match=r"model: its parameters are float16; give a float32 model"):
        evaluate("demo", random_model.half(), sources=["attention"], aligns=["dtw"])


def test_no_systems_are_refused(tiny_en):
    with pytest.raises(InputError, match=r"systems: there are none"):
        evaluate("demo", tiny_en, sources=[], aligns=[], presets=[])


def test_the_command_line_says_where_it_cannot_write(clip, tmp_path):
    (tmp_path / "file").write_text("mine")
    out = tmp_path / "file" / "x"
    done = command_line.align_eval("align", clip.audio.path, "--text", clip.text, "--source", "attention", "--out", out)
    assert done.returncode == 2
    assert "cannot be written" in done.stderr
    assert "Traceback" not in done.stderr


def test_more_tokens_than_frames_are_refused_by_viterbi_and_placed_by_dtw(tiny_en):
    samples = np.random.default_rng(0).standard_normal(16000).astype(np.float32) * 0.1
    with pytest.raises(InputError, match=r"100 tokens do not fit into 50 frames"):
        align(tiny_en, samples, "a " * 100, source="attention")
    words = align(tiny_en, samples, "a " * 100, source="attention", align="dtw")
    assert len(words) == 100


def test_a_word_that_gives_no_token_is_refused(tiny_en):
    with pytest.raises(InputError, match=r"word 2: ' ' gives no token"):
        force_words(tiny_en, ["one", " "], "en")


def test_what_looks_like_a_special_token_is_text(tiny_en):
    forced = force_words(tiny_en, ["<|endoftext|>"], "en")
    assert len(forced.tokens) > 2
    assert forced.tokens[:-1].count(forced.tokens[-1]) == 0


def test_every_token_belongs_to_the_word_it_came_from(tiny_en):
    forced = force_words(tiny_en, ["unbelievable", "a", "antidisestablishmentarianism"], "en")
    assert forced.word_of_token.tolist() == [*sorted(forced.word_of_token[:-1].tolist()), -1]
    assert len(forced.tokens) == len(forced.word_of_token) == len(forced.decoder_input) - forced.n_prefix - 1


def test_the_command_line_aligns_into_a_textgrid_or_prints(clip, tmp_path):
    command, out = ("align", clip.audio.path, "--text", clip.text), tmp_path / "words.TextGrid"
    assert command_line.align_eval(*command, "--out", out).returncode == 0
    printed = command_line.align_eval(*command).stdout.splitlines()
    words = read_words(out)
    assert [line.split("\t")[2] for line in printed] == [w.text for w in words] == clip.text.split()
    assert [line.split("\t")[0] for line in printed] == [f"{w.start_s:.3f}" for w in words]


def test_every_public_name_is_there():
    assert all(getattr(align_eval, name) is not None for name in align_eval.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        align_eval.nonsense  # noqa: B018
