"""transformers folders: equal weights in every form, equal logits to transformers, and refused input."""

from __future__ import annotations

import json
import pickle

import pytest
import torch
import whisper
from safetensors.torch import load_file, save_file
from whisper.model import Whisper

from align_eval.corpus.audio import read_audio
from align_eval.errors import InputError, InputWarning
from align_eval.model.cross_attention import alignment_heads
from align_eval.model.load import load_model, model_checksum
from tests.helpers.models import random_whisper
from tests.helpers.transformers_folder import state_of, write_folder
from tests.model.test_load import Malicious

SIZES = {
    "fewer decoder layers (distilled)": {"n_vocab": 51865, "n_audio_layer": 4, "n_text_layer": 2},
    "128 bins and 51,866 tokens (large-v3, turbo)": {"n_vocab": 51866, "n_mels": 128},
    "one decoder layer, English": {"n_vocab": 51864, "n_text_layer": 1},
}


def small_model(**sizes: int) -> Whisper:
    """Random weights, large enough that logits differ by more than rounding."""
    return random_whisper(0.3, seed=1, **{"n_vocab": 51865, **sizes})


@pytest.fixture
def folder(random_model, tmp_path):
    return write_folder(random_model, tmp_path / "folder")


def test_real_weights_survive_the_way_through_a_folder(tiny_en, tmp_path):
    """Alignment heads too, from generation_config.json."""
    assert model_checksum(load_model(write_folder(tiny_en, tmp_path))) == model_checksum(tiny_en)


@pytest.mark.parametrize("form", ["three shards", "pytorch_model.bin", "no prefix", "float16", "tied projection"])
def test_the_form_of_the_weights_makes_no_difference(random_model, tmp_path, form):
    whole = write_folder(random_model, tmp_path / "whole")
    expected = {name: tensor.float() for name, tensor in random_model.state_dict().items()}
    folder = write_folder(random_model, tmp_path / "form", n_shards=3 if form == "three shards" else 1)
    state = load_file(whole / "model.safetensors")
    if form == "pytorch_model.bin":
        (folder / "model.safetensors").unlink()
        torch.save(state, folder / "pytorch_model.bin")
    elif form == "no prefix":
        save_file({name.removeprefix("model."): t for name, t in state.items()}, folder / "model.safetensors")
    elif form == "float16":
        save_file({name: t.half() for name, t in state.items()}, folder / "model.safetensors")
        expected = {name: tensor.half().float() for name, tensor in expected.items()}
    elif form == "tied projection":
        embedding = state["model.decoder.embed_tokens.weight"].clone()
        save_file(state | {"proj_out.weight": embedding}, folder / "model.safetensors")
    found = load_model(folder).state_dict()
    assert set(found) == set(expected)
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


@pytest.mark.parametrize("size", SIZES)
def test_dimensions_are_those_of_the_weights(tmp_path, size):
    model = small_model(**SIZES[size])
    loaded = load_model(write_folder(model, tmp_path))
    assert loaded.dims == model.dims
    assert loaded.is_multilingual == (model.dims.n_vocab > 51864)


def test_alignment_heads_of_a_fine_tuned_folder_are_its_own(random_model, tmp_path):
    assert alignment_heads(load_model(write_folder(random_model, tmp_path, heads=[[0, 1], [1, 0]]))) == [(0, 1), (1, 0)]


def test_a_folder_that_names_no_heads_gets_the_upper_half_and_says_so(random_model, tmp_path):
    with pytest.warns(InputWarning, match="names no alignment heads: heads=alignment is all heads of the upper half"):
        model = load_model(write_folder(random_model, tmp_path, heads=None))
    assert alignment_heads(model) == [(1, 0), (1, 1)]  # of two layers and two heads


def test_an_older_folder_names_its_heads_in_config_json(folder):
    (folder / "generation_config.json").unlink()
    config = json.loads((folder / "config.json").read_text()) | {"alignment_heads": [[1, 1]]}
    (folder / "config.json").write_text(json.dumps(config))
    assert alignment_heads(load_model(folder)) == [(1, 1)]


CONFIGS = {
    "another kind": ({"model_type": "wav2vec2"}, r"config\.json: model_type is 'wav2vec2', not 'whisper'"),
    "activation": ({"activation_function": "relu"}, r"activation_function is 'relu'; use a model with 'gelu'"),
    "scaled": ({"scale_embedding": True}, r"scale_embedding is True; use a model with False"),
    "no heads": (
        {"decoder_attention_heads": None},
        r"config\.json, \$\.decoder_attention_heads: .*expected `int`, got `null`",
    ),
}


@pytest.mark.parametrize(("change", "message"), CONFIGS.values(), ids=CONFIGS)
def test_a_config_that_is_not_whispers_is_refused(folder, change, message):
    config = json.loads((folder / "config.json").read_text()) | change
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=message):
        load_model(folder)


@pytest.mark.parametrize("damage", ["cut", "missing", "adapter", "shape", "untied", "not finite", "tokens", "json"])
def test_weights_that_do_not_make_a_whisper_are_refused(folder, damage):
    path = folder / "model.safetensors"
    state = load_file(path)
    name = "model.decoder.layer_norm.weight"
    message = "does not fit a Whisper model"
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-100])
        message = r"model\.safetensors: cannot be read as safetensors"
    elif damage == "missing":
        del state[name]
    elif damage == "adapter":
        state["model.decoder.layers.0.self_attn.q_proj.lora_A.weight"] = torch.zeros(2, 2)
        message = (
            "has a weight 'model.decoder.layers.0.self_attn.q_proj.lora_A.weight' that Whisper does not have; merge"
        )
    elif damage == "shape":
        state[name] = torch.ones(7)
    elif damage == "untied":
        state["proj_out.weight"] = state["model.decoder.embed_tokens.weight"] + 1
        message = "its output projection differs from its token embedding"
    elif damage == "not finite":
        state[name][0] = torch.inf
        message = "have values that are not finite"
    elif damage == "tokens":
        embedding = state["model.decoder.embed_tokens.weight"]
        state["model.decoder.embed_tokens.weight"] = torch.cat([embedding, embedding[:3]])
        message = "has 51867 tokens; Whisper has 51864, 51865, 51866; remove"
    else:
        (folder / "config.json").write_text("[1]")
        message = r"config\.json: is no config of a model \(expected `object`, got `array`\)"
    if damage not in ("cut", "json"):
        save_file(state, path)
    with pytest.raises(InputError, match=message):
        load_model(folder)


@pytest.mark.parametrize("damage", ["no map", "a shard is missing", "outside", "a weight is missing"])
def test_a_damaged_index_is_refused(random_model, tmp_path, damage):
    folder = write_folder(random_model, tmp_path / "folder", n_shards=2)
    path = folder / "model.safetensors.index.json"
    index = json.loads(path.read_text())
    if damage == "no map":
        del index["weight_map"]
        message = "has no weight_map"
    elif damage == "a weight is missing":
        index["weight_map"]["model.extra"] = next(iter(index["weight_map"].values()))
        message = "names 'model.extra', which is missing in its shard"
    else:
        file = "gone.safetensors" if damage == "a shard is missing" else "../model-00001-of-00002.safetensors"
        index["weight_map"][next(iter(index["weight_map"]))] = file
        message = "names the missing shard"
    path.write_text(json.dumps(index))
    with pytest.raises(InputError, match=message):
        load_model(folder)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_a_pickled_checkpoint_is_never_executed(folder, tmp_path):
    trace = tmp_path / "executed"
    (folder / "model.safetensors").unlink()
    for write in (
        lambda file: pickle.dump(Malicious(trace), file),
        lambda file: torch.save({"x": Malicious(trace)}, file),
    ):
        with (folder / "pytorch_model.bin").open("wb") as file:
            write(file)
        with pytest.raises(InputError, match=r"pytorch_model\.bin: has no weights, or other objects than weights"):
            load_model(folder)
    assert not trace.exists()


def logits_of_both(folder, mel, tokens):
    from transformers import WhisperForConditionalGeneration

    theirs = WhisperForConditionalGeneration.from_pretrained(folder).eval()
    with torch.no_grad():
        return load_model(folder)(mel, tokens), theirs(input_features=mel, decoder_input_ids=tokens).logits


@pytest.mark.peers
@pytest.mark.parametrize("size", SIZES)
def test_logits_are_those_of_transformers(tmp_path, size):
    model = small_model(**SIZES[size])
    mel = torch.randn(1, model.dims.n_mels, 3000, generator=torch.Generator().manual_seed(2))
    tokens = torch.tensor([[50258, 50259, 50359, 50363, 400, 500, 600]])
    ours, theirs = logits_of_both(write_folder(model, tmp_path), mel, tokens)
    assert theirs.std() > 0.1
    assert (ours - theirs).abs().max() < 1e-4


@pytest.mark.peers
def test_logits_of_real_weights_are_those_of_transformers(tiny_en, clip, tmp_path):
    mel = whisper.log_mel_spectrogram(whisper.pad_or_trim(torch.from_numpy(read_audio(clip.audio))))[None]
    tokens = torch.tensor([[50257, 50362, 47785, 29062, 262, 41142, 50256]])
    ours, theirs = logits_of_both(write_folder(tiny_en, tmp_path), mel, tokens)
    assert (ours - theirs).abs().max() < 1e-3


@pytest.mark.peers
def test_what_transformers_saves_in_shards_is_read(tmp_path):
    """Here transformers writes the names and the index."""
    from transformers import WhisperForConditionalGeneration

    model = small_model(n_vocab=51865)
    theirs = WhisperForConditionalGeneration.from_pretrained(write_folder(model, tmp_path / "ours"))
    theirs.generation_config.alignment_heads = [[1, 0]]
    theirs.save_pretrained(tmp_path / "theirs", max_shard_size="1MB")
    assert (tmp_path / "theirs" / "model.safetensors.index.json").is_file()
    loaded = load_model(tmp_path / "theirs")
    assert alignment_heads(loaded) == [(1, 0)]
    assert all(torch.equal(loaded.state_dict()[name], tensor) for name, tensor in model.state_dict().items())


def test_the_writer_of_these_tests_loses_no_weight(random_model):
    assert len(state_of(random_model)) == len(random_model.state_dict())
