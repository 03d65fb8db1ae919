"""Presets against the systems themselves: the same audio, weights and tokens, run by the Python of ``.venv-peers``."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch

from align_eval.alignment.energy import energy_at_columns
from align_eval.corpus.audio import read_audio
from align_eval.model.cross_attention import alignment_heads
from align_eval.model.forward import shared_pass
from align_eval.model.text import force_words
from align_eval.relevance.source import parse_source
from align_eval.systems import PRESETS
from align_eval.units import FRAME_S, START_S
from tests.helpers.maps import align_map, canonical_source, relevance_maps
from tests.helpers.transformers_folder import write_folder
from tests.model.test_ctranslate2_logits import package_folder

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-peers" / "bin" / "python"

pytestmark = [
    pytest.mark.peers,
    pytest.mark.skipif(not PYTHON.is_file(), reason="the systems are not installed: make peers"),
]

CLIPS = ("en_praatio_bobby", "en_praatio_damon", "en_phonlab_im_twelve", "en_librivox_sense_0890")
PUNCTUATED = {"en_praatio_bobby": ["Bobby", "ripped,", "the", "ledger."]}
"""The words of a clip with marks, as users write: what is done about them must be seen, too."""


def words_of(utterance):
    return PUNCTUATED.get(utterance.id) or [word.text for word in utterance.words]


@pytest.fixture(scope="module")
def utterances(demo):
    return {u.id: u for u in demo.utterances if u.id in CLIPS}


@pytest.fixture(scope="module")
def theirs(tiny_en, utterances, tmp_path_factory):
    """Answers of every system, from one process that loads all of them."""
    folder = tmp_path_factory.mktemp("peers")
    torch.save({"dims": asdict(tiny_en.dims), "model_state_dict": tiny_en.state_dict()}, folder / "tiny.en.pt")
    (folder / "ctranslate2").mkdir()
    clips = {}
    for id_, utterance in utterances.items():
        np.save(folder / f"{id_}.npy", read_audio(utterance.audio))
        words = words_of(utterance)
        tokens = force_words(tiny_en, words, "en").tokens[:-1]
        clips[id_] = {"samples": str(folder / f"{id_}.npy"), "words": words, "tokens": tokens}
    job = {
        "systems": ["openai-whisper", "faster-whisper", "transformers", "whisper-timestamped", "stable-ts"],
        "pt": str(folder / "tiny.en.pt"),
        "heads": alignment_heads(tiny_en),
        "ctranslate2": str(package_folder("tiny.en", folder / "ctranslate2")),
        "transformers": str(write_folder(tiny_en, folder / "transformers")),
        "refine_frames": 25,
        "clips": clips,
    }
    return run_systems(folder, job)


def run_systems(folder, job):
    """Answers of the systems to a job, in their own environment."""
    (folder / "job.json").write_text(json.dumps(job))
    script = str(ROOT / "tests" / "helpers" / "peer_systems.py")
    done = subprocess.run(
        [str(PYTHON), script, str(folder / "job.json")],
        capture_output=True, text=True, check=False, env=os.environ | {"HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


def ours(model, utterance, preset):
    """The alignment that a preset makes, and its tokens."""
    source = PRESETS[preset].source.text
    samples = read_audio(utterance.audio)
    forced = force_words(model, words_of(utterance), "en", *parse_source(source).tokens)
    shared = shared_pass(model, samples, forced)
    relevance = relevance_maps(model, shared, [source])[source]
    energy = energy_at_columns(samples, shared.n_frames, FRAME_S, START_S)
    return align_map(relevance, energy, PRESETS[preset].aligner.text, samples), forced


def differences_ms(model, utterances, theirs, preset, system):
    """Ours minus theirs for every boundary of every word that both give, in ms, by clip."""
    found = {}
    for id_, utterance in utterances.items():
        words, times = words_of(utterance), theirs[system]["times"][id_]
        alignment, _ = ours(model, utterance, preset)
        assert [text.strip() for text, *_ in times] == words
        pairs = zip(alignment.words, times, strict=True)
        found[id_] = np.array([[start - a, end - b] for (start, end), (_, a, b) in pairs]) * 1000
    return found


def test_openai_transcribe_is_openai_whisper_before_it_rounds(tiny_en, utterances, theirs):
    """add_word_timestamps with its rounding off, marks merged and durations capped: bit for bit."""
    for id_, utterance in utterances.items():
        alignment, _ = ours(tiny_en, utterance, "openai-transcribe")
        assert [(start, end) for _, start, end in theirs["openai-whisper"]["times"][id_]] == list(alignment.words)


def test_faster_whisper_is_within_a_frame(tiny_en, utterances, theirs):
    """CTranslate2 sums in another order, so that a path may turn a frame earlier; on these clips it never does."""
    found = differences_ms(tiny_en, utterances, theirs, "faster-whisper", "faster-whisper")
    assert max(np.abs(d).max() for d in found.values()) <= 20 + 1e-6
    assert np.mean(np.concatenate([(np.abs(d) < 1e-6).ravel() for d in found.values()])) > 0.95


def test_transformers_is_the_same_token_by_token(tiny_en, utterances, theirs):
    """The times of every token that its own pipeline makes of generate's; they are float32 there."""
    for id_, utterance in utterances.items():
        alignment, _ = ours(tiny_en, utterance, "transformers")
        tokens = alignment.token_frames[:-1] / 50
        assert np.abs(tokens - np.array(theirs["transformers"]["times"][id_])).max() < 1e-5


def test_whisper_timestamped_differs_by_its_margin(tiny_en, utterances, theirs):
    """It aligns on 0.5 s more than the audio, which the preset does not: the last words may lose weight to it."""
    found = differences_ms(tiny_en, utterances, theirs, "whisper-timestamped", "whisper-timestamped")
    interior = np.concatenate([np.abs(d).ravel()[1:-1] for d in found.values()])
    assert interior.max() <= 40 + 1e-6
    assert interior.mean() <= 5
    assert max(np.abs(d[-1, 1]) for d in found.values()) <= 100 + 1e-6


def test_stable_ts_differs_by_what_it_puts_before_a_sentence(tiny_en, utterances, theirs):
    """It rounds to a ms and its last frame to the nearest one, and it puts " ..." before a sentence after a mark."""
    found = differences_ms(tiny_en, utterances, theirs, "stable-ts", "stable-ts")
    for id_, differences in found.items():
        assert np.abs(differences).max() <= (60.5 if id_ in PUNCTUATED else 20.5)
        if id_ not in PUNCTUATED:
            assert np.abs(differences).ravel()[:-1].max() <= 0.5


@pytest.mark.parametrize(
    ("preset", "key", "system"),
    [
        ("stable-ts", "silence=kept", "stable-ts"),
        ("openai-transcribe", "punctuation=kept", "openai-whisper"),
        ("whisper-timestamped", "rows=text", "whisper-timestamped"),
    ],
)
def test_without_its_heuristic_a_preset_is_further_from_its_system(tiny_en, utterances, theirs, preset, key, system):
    """The parity above is not had for nothing: the switch that makes it is seen."""
    source, align = PRESETS[preset].source.text, PRESETS[preset].aligner.text
    changed = ",".join(key if part.partition("=")[0] == key.partition("=")[0] else part for part in align.split(","))
    assert changed != align
    apart = {"with": 0.0, "without": 0.0}
    for id_, utterance in utterances.items():
        times = np.array([(start, end) for _, start, end in theirs[system]["times"][id_]])
        samples = read_audio(utterance.audio)
        source = canonical_source(source)
        shared = shared_pass(
            tiny_en, samples, force_words(tiny_en, words_of(utterance), "en", *parse_source(source).tokens)
        )
        (relevance,) = relevance_maps(tiny_en, shared, [source]).values()
        for name, spec in (("with", align), ("without", changed)):
            words = align_map(relevance, np.ones(shared.n_frames), spec, samples).words
            apart[name] += float(np.abs(np.array(words) - times).sum())
    assert apart["without"] > apart["with"]
