"""Exported head sets read back by the installed systems from their own files: their times change as we predict."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
import torch

from align_eval.corpus.audio import read_audio
from align_eval.formats.heads_export import parse_heads, write_heads
from align_eval.model.forward import shared_pass
from align_eval.model.load import load_model
from align_eval.model.text import force_words
from align_eval.relevance.source import parse_source
from align_eval.systems import PRESETS
from tests.helpers.maps import align_map, canonical_source, relevance_maps
from tests.helpers.transformers_folder import write_folder
from tests.model.test_ctranslate2_logits import package_folder
from tests.model.test_peers import pytestmark, run_systems  # noqa: F401  # the same systems, and the same reason to skip

CHOSEN, SHAPE = "1.1+2.0+2.1+3.1+3.2", (4, 6)
CLIPS = ("en_praatio_bobby", "en_librivox_sense_0890")
SYSTEMS = {"faster-whisper": ("ctranslate2", "config.json"), "transformers": ("transformers", "generation_config.json")}


@pytest.fixture(scope="module")
def utterances(demo):
    return {u.id: u for u in demo.utterances if u.id in CLIPS}


@pytest.fixture(scope="module")
def folders(tiny_en, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    torch.save({"dims": asdict(tiny_en.dims), "model_state_dict": tiny_en.state_dict()}, folder / "tiny.en.pt")
    (folder / "ctranslate2").mkdir()
    package_folder("tiny.en", folder / "ctranslate2")
    write_folder(tiny_en, folder / "transformers")
    return folder


def times_of_systems(folder, utterances, tokens):
    """Times of either system with the head sets that its folder names now; no system is told of heads otherwise."""
    clips = {}
    for id_, utterance in utterances.items():
        np.save(folder / f"{id_}.npy", read_audio(utterance.audio))
        words = [word.text for word in utterance.words]
        clips[id_] = {"samples": str(folder / f"{id_}.npy"), "words": words, "tokens": tokens[id_]}
    job = {"systems": list(SYSTEMS), "pt": str(folder / "tiny.en.pt"), "heads": [], "refine_frames": 25, "clips": clips}
    job |= {"ctranslate2": str(folder / "ctranslate2"), "transformers": str(folder / "transformers")}
    return {name: found["times"] for name, found in run_systems(folder, job).items()}


@pytest.fixture(scope="module")
def before_and_after(tiny_en, folders, utterances):
    tokens = {id_: force_words(tiny_en, [w.text for w in u.words], "en").tokens[:-1] for id_, u in utterances.items()}
    before = times_of_systems(folders, utterances, tokens)
    for form, (folder, name) in zip(("ctranslate2", "transformers"), SYSTEMS.values(), strict=True):
        write_heads(folders / folder / name, parse_heads(CHOSEN), SHAPE, form)
    return before, times_of_systems(folders, utterances, tokens)


def predicted(model, utterance, preset):
    """The alignment of a preset with the exported heads in place of the model's own."""
    source = canonical_source(PRESETS[preset].source.text.replace("heads=alignment", f"heads={CHOSEN}"))
    samples = read_audio(utterance.audio)
    forced = force_words(model, [word.text for word in utterance.words], "en", *parse_source(source).tokens)
    shared = shared_pass(model, samples, forced)
    relevance = relevance_maps(model, shared, [source])[source]
    return align_map(relevance, np.ones(shared.n_frames), PRESETS[preset].aligner.text, samples)


def test_faster_whisper_reads_its_config_and_its_times_are_predicted_within_a_frame(
    tiny_en, utterances, before_and_after
):
    """The tolerance is that of the preset's parity: CTranslate2 sums in another order, so a path may turn earlier."""
    before, after = (found["faster-whisper"] for found in before_and_after)
    for id_, utterance in utterances.items():
        times = np.array([(start, end) for _, start, end in after[id_]])
        ours = np.array(predicted(tiny_en, utterance, "faster-whisper").words)
        assert np.abs(times - ours).max() <= 0.020 + 1e-6
        assert np.mean(np.abs(times - ours) < 1e-6) > 0.9
        assert np.abs(times - np.array([(s, e) for _, s, e in before[id_]])).max() > 0.020


def test_transformers_reads_its_generation_config_and_its_times_are_predicted(tiny_en, utterances, before_and_after):
    before, after = (found["transformers"] for found in before_and_after)
    for id_, utterance in utterances.items():
        tokens = predicted(tiny_en, utterance, "transformers").token_frames[:-1] / 50
        assert np.abs(tokens - np.array(after[id_])).max() < 1e-5
        assert np.abs(np.array(after[id_]) - np.array(before[id_])).max() > 0.020


@pytest.mark.usefixtures("before_and_after")
def test_our_own_loader_reads_either_folder(folders):
    for folder, _ in SYSTEMS.values():
        model = load_model(folders / folder)
        assert tuple(tuple(pair) for pair in model.alignment_heads.indices().T.tolist()) == parse_heads(CHOSEN)
