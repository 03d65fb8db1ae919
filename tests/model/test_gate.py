"""Known failures of Whisper's attention, replayed with the real tiny.en on real speech: each must not pass the gate.

The corpus is the demo's manually timed conversation, 59 words of one speaker, timed as openai-whisper does. What is
broken is broken where libraries broke it: the command and the system's name are those of the baseline.
"""

from __future__ import annotations

import copy
import re

import pytest
import torch

from align_eval.corpus.folder import Corpus
from align_eval.engine.run import evaluate
from align_eval.errors import InputError
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
    """A run as it should be, accepted."""
    return accepted(evaluate(speech, tiny_en, sources=(), presets=["openai"]), tmp_path_factory.mktemp("gate") / "old")


def accepted(evaluation, folder):
    write_baseline(folder, evaluation.run, evaluation.words, "")
    return folder


def refused(baseline, run, system: str = OPENAI) -> str:
    """What the command says of a run that it must refuse."""
    done = align_eval("compare", str(baseline), str(run))
    assert done.returncode == 1, done.stdout + done.stderr
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("regression: attention"))
    assert line.startswith(f"regression: {system}, manual reference; all words: ")
    assert re.search(r"\d ms.*; worst: .+ \(en_spont_mcauliffe, \d+\.\d\d s\) [+-]\d+ ms, ", line)
    return done.stdout


def test_the_same_run_again_passes_strictly(tiny_en, speech, baseline, tmp_path):
    again = accepted(evaluate(speech, tiny_en, sources=(), presets=["openai"]), tmp_path / "new")
    done = align_eval("compare", str(baseline), str(again), "--strict")
    assert (done.returncode, "signatures differ in: nothing" in done.stdout) == (0, True)


def test_a_model_whose_alignment_heads_are_wrong_is_caught_under_the_same_name(tiny_en, speech, baseline, tmp_path):
    wrong = copy.deepcopy(tiny_en)
    mask = torch.zeros(wrong.dims.n_text_layer, wrong.dims.n_text_head, dtype=torch.bool)
    mask[0, :2] = True  # the first layer aligns nothing
    wrong.register_buffer("alignment_heads", mask.to_sparse(), persistent=False)
    run = accepted(evaluate(speech, wrong, sources=(), presets=["openai"]), tmp_path / "new")
    assert "signatures differ in: model_checksum" in refused(baseline, run)


def test_wrong_heads_under_another_name_are_caught_where_they_are_mapped(tiny_en, speech, baseline, tmp_path):
    made = evaluate(speech, tiny_en, sources=["attention:heads=0.0+0.1"], aligns=["dtw"], presets=())
    run = accepted(made, tmp_path / "new")
    found = compare(read_side(baseline), read_side(run), renamed=parse_map([f"{OPENAI} -> {WRONG_HEADS}"]))
    assert found.verdict == "regression"
    assert align_eval("compare", str(baseline), str(run)).returncode == 3  # without it, nothing is compared


@pytest.fixture
def flat_attention(monkeypatch):
    """Fused kernels return no attention: what stands in its place is flat, but for noise of this size."""
    real = forward.forced_passes

    def flatten(noise: float) -> None:
        generator = torch.Generator().manual_seed(0)

        def forced_passes(*arguments):
            return [planted(p, noise * torch.randn(p.cross.shape, generator=generator)) for p in real(*arguments)]

        monkeypatch.setattr(forward, "forced_passes", forced_passes)

    return flatten


def test_attention_that_is_silently_absent_is_caught(tiny_en, speech, baseline, tmp_path, flat_attention):
    flat_attention(1e-6)
    run = accepted(evaluate(speech, tiny_en, sources=(), presets=["openai"]), tmp_path / "new")
    refused(baseline, run)


def test_attention_that_is_exactly_flat_is_refused_by_the_run_and_where_a_path_can_be_found_by_the_gate(
    tiny_en, speech, tmp_path, flat_attention
):
    """Standardising a flat map divides zero by zero; its logarithm is as good as any other map."""
    log = {"sources": ["attention:heads=alignment,prep=log"], "aligns": ["dtw"], "presets": ()}
    before = accepted(evaluate(speech, tiny_en, **log), tmp_path / "old")
    flat_attention(0.0)
    with pytest.raises(InputError, match=r"every utterance failed: .* the map is not finite there"):
        evaluate(speech, tiny_en, sources=(), presets=["openai"])
    refused(
        before, accepted(evaluate(speech, tiny_en, **log), tmp_path / "new"), "attention:heads=alignment,prep=log | dtw"
    )
