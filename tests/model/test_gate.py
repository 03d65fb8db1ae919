"""Known failures of Whisper's attention with the real tiny.en on real speech. None may pass the gate.

The corpus is the demo's manually timed conversation, 59 words from one speaker, timed as by openai-whisper. Each
failure is planted in the place where a library had it. Command and system name are those of the baseline.
"""

from __future__ import annotations

import copy
import re

import pytest
import torch

from align_eval.api import evaluate
from align_eval.corpus.folder import Corpus
from align_eval.formats.run.folder import write_baseline
from align_eval.gate.compare import compare, read_side
from align_eval.gate.pairs import parse_map
from align_eval.model import forward
from tests.helpers.command_line import align_eval
from tests.helpers.planted_logits import planted

OPENAI = "attention:heads=alignment,rows=all | dtw:grid=index"
WRONG_HEADS = "attention:heads=0.0+0.1 | dtw"


@pytest.fixture(scope="module")
def speech(demo) -> Corpus:
    return Corpus("mcauliffe", tuple(u for u in demo.utterances if u.id == "en_spont_mcauliffe"), ())


@pytest.fixture(scope="module")
def baseline(tiny_en, speech, tmp_path_factory):
    """An intact run, accepted as the baseline."""
    return accepted(evaluate(speech, tiny_en, sources=(), presets=["openai"]), tmp_path_factory.mktemp("gate") / "old")


def accepted(evaluation, folder):
    write_baseline(folder, evaluation.run, evaluation.words, "")
    return folder


def refused(baseline, run, system: str = "whisper") -> str:
    """Output of `compare` on a run that it must refuse."""
    done = align_eval("compare", str(baseline), str(run))
    assert done.returncode == 1, done.stdout + done.stderr
    (line,) = (
        line for line in done.stdout.splitlines() if line.startswith("regression: ") and ", manual reference; " in line
    )
    assert line.startswith(f"regression: {system}, manual reference; all words: ")
    assert re.search(r"\d ms.*; worst: .+ \(en_spont_mcauliffe, \d+\.\d\d s\) [+-]\d+ ms, ", line)
    return done.stdout


def test_a_repeated_run_passes_even_if_strict(tiny_en, speech, baseline, tmp_path):
    again = accepted(evaluate(speech, tiny_en, sources=(), presets=["openai"]), tmp_path / "new")
    done = align_eval("compare", str(baseline), str(again), "--strict")
    assert (done.returncode, "signatures differ in: nothing" in done.stdout) == (0, True)


def test_wrong_alignment_heads_are_caught_under_the_same_name(tiny_en, speech, baseline, tmp_path):
    wrong = copy.deepcopy(tiny_en)
    mask = torch.zeros(wrong.dims.n_text_layer, wrong.dims.n_text_head, dtype=torch.bool)
    mask[0, :2] = True  # heads of the first layer do not align
    wrong.register_buffer("alignment_heads", mask.to_sparse(), persistent=False)
    run = accepted(evaluate(speech, wrong, sources=(), presets=["openai"]), tmp_path / "new")
    assert "signatures differ in: model_checksum" in refused(baseline, run)


def test_wrong_heads_under_another_name_are_caught_if_mapped(tiny_en, speech, baseline, tmp_path):
    made = evaluate(speech, tiny_en, sources=["attention:heads=0.0+0.1"], aligns=["dtw"], presets=())
    run = accepted(made, tmp_path / "new")
    result = compare(read_side(baseline), read_side(run), renamed=parse_map([f"{OPENAI} -> {WRONG_HEADS}"]))
    assert result.verdict == "regression"
    assert align_eval("compare", str(baseline), str(run)).returncode == 3  # without the map, not comparable


@pytest.fixture
def flat_attention(monkeypatch):
    """Replace attention by a flat map with noise of this size. Fused kernels return no attention."""
    real = forward.forced_passes

    def flatten(noise: float) -> None:
        generator = torch.Generator().manual_seed(0)

        def forced_passes(*arguments):
            return [planted(p, noise * torch.randn(p.cross.shape, generator=generator)) for p in real(*arguments)]

        monkeypatch.setattr(forward, "forced_passes", forced_passes)

    return flatten


def test_missing_attention_is_caught(tiny_en, speech, baseline, tmp_path, flat_attention):
    flat_attention(1e-6)
    run = accepted(evaluate(speech, tiny_en, sources=(), presets=["openai"]), tmp_path / "new")
    refused(baseline, run)


def test_exactly_flat_attention_is_refused_by_the_gate(tiny_en, speech, baseline, tmp_path, flat_attention):
    """A flat map is zero after standardising, where 0 / 0 is 0, and finite as a logarithm. Its words are wrong."""
    log = {"sources": ["attention:heads=alignment,prep=log"], "aligns": ["dtw"], "presets": ()}
    before = accepted(evaluate(speech, tiny_en, **log), tmp_path / "old")
    flat_attention(0.0)
    refused(baseline, accepted(evaluate(speech, tiny_en, sources=(), presets=["openai"]), tmp_path / "openai"))
    refused(before, accepted(evaluate(speech, tiny_en, **log), tmp_path / "new"), "attention")
