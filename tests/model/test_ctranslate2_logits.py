"""Converted weights against CTranslate2 in float32: equal logits within 1e-3."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
import whisper

from align_eval.corpus.audio import read_audio
from align_eval.model.ctranslate2 import read_variables
from align_eval.model.load import load_model
from align_eval.model.text import tokenizer_of
from align_eval.weights import WEIGHT_PACKAGES

pytestmark = pytest.mark.peers

TOLERANCE = 1e-3


def package_folder(name: str, into: Path) -> Path:
    """The CTranslate2 folder of a weight package, with its parts joined."""
    package = WEIGHT_PACKAGES[name]

    def find(file):
        return Path(find_spec(file.package).submodule_search_locations[0]) / file.path

    (into / "model.bin").write_bytes(b"".join(find(part).read_bytes() for part in package.parts))
    for config in [find(package.config), *find(package.config).parent.glob("[tv]o*.*")]:  # tokenizer and vocabulary
        (into / config.name).write_bytes(config.read_bytes())
    return into


def quantised_folder(folder: Path, into: Path, quantization: str) -> Path:
    """The same model, quantised by the converter code of CTranslate2."""
    from ctranslate2.specs.whisper_spec import WhisperSpec

    variables = read_variables((folder / "model.bin").read_bytes(), folder)
    n_layers = {
        side: len({n.split("/")[1] for n in variables if n.startswith(f"{side}/layer_")} - {"layer_norm"})
        for side in ("encoder", "decoder")
    }
    heads = {side: int(variables[f"{side}/num_heads"]) for side in n_layers}
    spec = WhisperSpec(n_layers["encoder"], heads["encoder"], n_layers["decoder"], heads["decoder"])
    for name, array in variables.items():
        if array.ndim == 0 or name == "decoder/projection/weight":
            continue  # settings that the specification makes itself; the projection is the embedding
        *scopes, last = name.split("/")
        scope = spec
        for part in scopes:
            scope = descend(scope, part)
        setattr(scope, last, array.astype(np.float32))
    spec.decoder.projection.weight = spec.decoder.embeddings.weight
    vocabulary = (folder / "vocabulary.txt").read_text(encoding="utf-8").split("\n")
    spec.register_vocabulary(vocabulary[: len(spec.decoder.embeddings.weight)])
    spec.validate()
    spec.optimize(quantization)
    config = json.loads((folder / "config.json").read_text())
    spec.save(str(into))
    (into / "config.json").write_text(json.dumps(config))
    (into / "tokenizer.json").write_bytes((folder / "tokenizer.json").read_bytes())
    return into


def descend(scope, part):
    """An attribute of a specification, or an entry of one of its lists, as in `layer_2`."""
    name, _, index = part.rpartition("_")
    return getattr(scope, part) if hasattr(scope, part) else getattr(scope, name)[int(index)]


def largest_difference(folder: Path, utterance, language: str) -> float:
    """Largest difference of logits over the greedy text of CTranslate2 in float32."""
    import ctranslate2

    model = load_model(folder)
    tokenizer = tokenizer_of(model, language)
    samples = torch.from_numpy(read_audio(utterance.audio))
    mel = whisper.log_mel_spectrogram(whisper.pad_or_trim(samples), n_mels=model.dims.n_mels)[None]
    theirs = ctranslate2.models.Whisper(str(folder), device="cpu", compute_type="float32", intra_threads=2)
    prompt = [*tokenizer.sot_sequence, tokenizer.no_timestamps]
    result = theirs.generate(
        ctranslate2.StorageView.from_array(mel.numpy()),
        [prompt],
        beam_size=1,
        suppress_blank=False,
        suppress_tokens=[],
        return_logits_vocab=True,
    )[0]
    tokens = result.sequences_ids[0]
    logits = np.stack([np.array(step) for step in result.logits[0]])[: len(tokens)]
    with torch.no_grad():
        ours = model(mel, torch.tensor([[*prompt, *tokens]]))[0, len(prompt) - 1 : -1].numpy()
    assert len(tokens) > 3
    # Tokens that CTranslate2 never lets through (such as timestamps after the prompt's <|notimestamps|>) are -inf.
    allowed = np.isfinite(logits) & (np.abs(logits) < 1e4)
    assert allowed.mean() > 0.9
    return float(np.abs(ours - logits)[allowed].max())


def test_float16_weights(clip, tmp_path):
    assert largest_difference(package_folder("tiny.en", tmp_path), clip, "en") < TOLERANCE


@pytest.mark.parametrize(
    ("quantization", "bytes_a_weight"),
    [("float32", 4), ("int8", 1), ("int8_float16", 1), ("int16", 2), ("bfloat16", 2)],
)
def test_other_types_of_weights(clip, tmp_path, quantization, bytes_a_weight):
    (tmp_path / "from").mkdir()
    (tmp_path / "to").mkdir()
    folder = quantised_folder(package_folder("tiny.en", tmp_path / "from"), tmp_path / "to", quantization)
    assert (folder / "model.bin").stat().st_size == pytest.approx(37.7e6 * bytes_a_weight, rel=0.1)
    assert largest_difference(folder, clip, "en") < TOLERANCE


@pytest.mark.slow
def test_the_multilingual_weights_of_base(tmp_path):
    from align_eval.corpus.bundled import load_corpus

    utterance = load_corpus("demo-ru").utterances[0]
    assert largest_difference(package_folder("base", tmp_path), utterance, "ru") < TOLERANCE
