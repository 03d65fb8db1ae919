"""Limits of the model: exactly 30 s, encoders whose positions were cut, and tokens that are not Whisper's."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import soundfile

from align_eval.api import align
from align_eval.corpus.audio import read_audio
from align_eval.errors import InputError
from align_eval.model.decode import recognise, recognise_long
from align_eval.model.forward import mel_of
from align_eval.model.language import detect_language
from align_eval.model.load import load_model
from align_eval.model.vocabulary import READERS, check_tokens
from align_eval.records import AudioSpan
from align_eval.weights import WEIGHT_PACKAGES
from tests.helpers.models import random_whisper
from tests.helpers.transformers_folder import write_folder


def noise(n_samples: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(n_samples).astype(np.float32) * 0.1


@pytest.mark.parametrize("rate", [8000, 11025, 12345, 16000, 44100, 48000])
def test_exactly_30_s_are_read_and_a_sample_more_is_refused_by_a_number_that_differs(tmp_path, rate):
    """At 44.1 kHz, the sample more is a third of a sample at 16 kHz, which rounds to 480,000."""
    path = tmp_path / "speech.wav"
    soundfile.write(path, noise(30 * rate), rate)
    assert len(read_audio(AudioSpan(path))) == 480_000
    soundfile.write(path, noise(30 * rate + 1), rate)
    with pytest.raises(InputError, match=r"lasts 30\.00\d+ s, more than Whisper's window of 30 s") as refused:
        read_audio(AudioSpan(path))
    shown_s = float(refused.value.problem.split()[1])
    assert shown_s - 30 == pytest.approx(1 / rate, rel=0.1)


def test_exactly_30_s_of_samples_are_aligned_and_one_more_is_refused():
    model = random_whisper()
    (word,) = align(model, noise(480_000), "two", source="attention:heads=all", align="dtw")
    assert 0 <= word.start_s <= word.end_s <= 30
    with pytest.raises(
        InputError, match=r"audio: 480001 samples are more than the 480000 that .* \(30 s at 16000 Hz\)"
    ):
        align(model, noise(480_001), "two", source="attention:heads=all", align="dtw")


@pytest.mark.parametrize("context", ["full", "fit"])
def test_an_encoder_whose_positions_were_cut_takes_what_they_hold(context):
    """500 positions of 20 ms are 10 s, 160,000 samples."""
    model = random_whisper(n_audio_ctx=500)
    mel, n_frames = mel_of(model, noise(160_000), context)
    assert (mel.shape[-1], n_frames) == (1000, 500)
    with pytest.raises(InputError, match=r"160001 samples are more than the 160000 .* \(10 s at 16000 Hz\)"):
        mel_of(model, noise(160_001), context)


def test_an_encoder_whose_positions_were_cut_recognises_short_audio_and_refuses_longer():
    model = random_whisper(n_audio_ctx=500, n_vocab=51865)
    assert isinstance(recognise(model, noise(16_000), "en"), str)
    assert detect_language(model, noise(480_000))[1] > 0
    with pytest.raises(InputError, match="160001 samples are more than the 160000"):
        recognise(model, noise(160_001), "en")
    with pytest.raises(InputError, match="encoder takes 500 frames, a window of Whisper has 1500"):
        list(recognise_long(model, noise(480_001), "en"))


@pytest.fixture(scope="module")
def real_tokens():
    """The list of tokens beside the real weights of tiny.en, a CTranslate2 folder."""
    config = WEIGHT_PACKAGES["tiny.en"].config
    return (Path(find_spec(config.package).origin).parent / config.path).parent


def test_the_real_files_of_tiny_en_are_whispers_tokens(real_tokens):
    assert {"tokenizer.json", "vocabulary.txt"} <= {path.name for path in real_tokens.iterdir()}
    check_tokens(real_tokens, random_whisper())


def write_tokens(folder, tokens: list[str], name: str) -> None:
    """Write tokens by their ids in the form of a file."""
    n_text = tokens.index("<|endoftext|>")
    ids = {token: id_ for id_, token in enumerate(tokens)}
    text, special = ({t: i for t, i in ids.items() if (i < n_text) == is_text} for is_text in (True, False))
    if name == "tokenizer.json":
        added = [{"id": id_, "content": token} for token, id_ in special.items()]
        content = json.dumps({"model": {"vocab": text}, "added_tokens": added})
    elif name == "vocab.json":
        content = json.dumps(text)
        (folder / "added_tokens.json").write_text(json.dumps(special))
    else:
        content = json.dumps(tokens) if name.endswith(".json") else "\n".join(tokens) + "\n"
    (folder / name).write_text(content, encoding="utf-8")


@pytest.fixture(scope="module")
def tokens(real_tokens):
    return (real_tokens / "vocabulary.txt").read_text(encoding="utf-8").removesuffix("\n").split("\n")


@pytest.mark.parametrize("name", READERS)
def test_other_tokens_in_a_folder_are_refused_with_the_first_and_their_number(tmp_path, tokens, name):
    """Ids 1000, 2000 and 50258 of tiny.en are " ways", "ivalent" and English."""
    write_tokens(tmp_path, tokens, name)
    model = random_whisper()
    check_tokens(tmp_path, model)
    changed = list(tokens)
    changed[1000], changed[2000], changed[50258] = "Ġxyz", "abcabc", "<|klingon|>"
    write_tokens(tmp_path, changed, name)
    expected = tokens[1000].replace("Ġ", " ")
    problem = f"{name}: token 1000 is ' xyz', Whisper's tokenizer has {expected!r} (3 of 51,864 tokens differ); use"
    with pytest.raises(InputError) as refused:
        check_tokens(tmp_path, model)
    assert problem in str(refused.value)
    write_tokens(tmp_path, tokens[:50000] + tokens[50256:], name)
    with pytest.raises(InputError, match=rf"{name}: token 50000 is "):
        check_tokens(tmp_path, model)


def test_a_folder_with_other_tokens_does_not_load(tmp_path, tokens):
    write_folder(random_whisper(), tmp_path)
    write_tokens(tmp_path, tokens, "vocab.json")
    load_model(tmp_path)
    (tmp_path / "added_tokens.json").write_text(json.dumps({"<|startoftranscript|>": 50300}))
    with pytest.raises(InputError, match=r"vocab\.json: token 50300 is '<\|startoftranscript\|>', .* \(1 of 51,864 "):
        load_model(tmp_path)
    (tmp_path / "vocab.json").write_text("[")
    with pytest.raises(InputError, match=r"vocab\.json: cannot be read as a list of tokens"):
        load_model(tmp_path)
