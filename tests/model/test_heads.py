"""Search of heads on planted runs whose best head is known, and exported sets read back by openai-whisper."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
import whisper

from align_eval.corpus.audio import read_audio
from align_eval.errors import InputError
from align_eval.findings.budget.cells import prepared
from align_eval.findings.heads.evidence import Reading, gather
from align_eval.findings.heads.measure import search_heads
from align_eval.findings.heads.records import OWN_NORMS, heads_of_search, read_search
from align_eval.findings.saved_run import decoded, interior_errors_ms, read_saved_run
from align_eval.formats.heads_export import export_heads, openai_mask, parse_heads
from align_eval.formats.run.finding_json import write_finding
from align_eval.model.cross_attention import alignment_heads
from align_eval.model.forward import shared_pass
from align_eval.model.load import load_model
from align_eval.model.text import force_words, tokenizer_of
from align_eval.systems import make_systems
from tests.helpers.command_line import align_eval
from tests.helpers.maps import align_map, relevance_maps
from tests.helpers.planted_run import DEFAULT, EVERY, EXACT, OUTPUT, SPEAKERS, exact, noise, write_planted


def heads_at(*shifts):
    """One head per shift in columns, otherwise exact; None is noise."""
    return lambda u, n: np.concatenate([noise(u, n) if s is None else exact(u, n, s) for s in shifts])


PLANTED = {**EXACT, EVERY: heads_at(3, None, 0, 5), OUTPUT: heads_at(0)}
"""Heads 0.0 and 1.1 are 60 and 100 ms late, 0.1 is noise, 1.0 is exact, and so is the saliency."""


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    details = {DEFAULT: {"heads": ["0.0", "1.1"]}}
    return read_saved_run(write_planted(tmp_path_factory.mktemp("run"), SPEAKERS, PLANTED, details=details))


@pytest.fixture(scope="module")
def found(planted):
    return search_heads(planted)


def test_every_head_has_its_planted_error_and_rank(found):
    (stratum,) = found.strata
    rows = {row.head: row for row in stratum.heads}
    errors = {head: row.error_ms.value for head, row in rows.items()}
    assert errors["1.0"] == pytest.approx(0, abs=1e-6)
    assert errors["0.0"] == pytest.approx(60)
    assert errors["1.1"] == pytest.approx(100)
    assert [row.head for row in stratum.heads][:2] == ["1.0", "0.0"]
    assert (rows["1.0"].error_rank, rows["1.0"].among_best) == (1, 1.0)
    assert rows["1.0"].agreement.value == pytest.approx(1)


def test_sets_with_and_without_reference_times_find_the_exact_head(found):
    sets = {row.name: row for row in found.strata[0].sets}
    for name in ("greedy by error", "top-k by error", "greedy by agreement", "top-k by agreement, k by error"):
        assert sets[name].heads == ("1.0",)
        assert sets[name].error_ms.value == pytest.approx(0, abs=1e-6)
        assert sets[name].chosen == {"1.0": 1.0}
    assert sets["alignment heads"].heads == ("0.0", "1.1")
    assert sets["alignment heads"].beyond_supervised_ms.value == pytest.approx(sets["alignment heads"].error_ms.value)
    assert sets["greedy by agreement"].needs_reference is False
    assert sets["greedy by agreement"].p_value is None  # of four speakers
    assert sets["greedy by error"].beyond_supervised_ms is None
    assert sets[OWN_NORMS].heads == ()


def test_all_rankings_of_planted_heads_are_steady(found):
    assert found.strata[0].stability["error"] > 0.7
    assert set(found.strata[0].predicts_error) == {"agreement", "norms"}


@pytest.mark.parametrize("prep", ["zscore-median", "log"])
def test_a_set_is_read_as_a_run_reads_it(planted, prep):
    """The mean over heads prepared one by one is the preparation of the set."""
    items = planted.items["manual"]
    table = gather(items, EVERY, OUTPUT, Reading(prep=prep))
    for i, item in enumerate(items):
        values = prepared(item.maps.stacks[EVERY][[0, 2, 3]], prep)
        expected = np.abs(interior_errors_ms(item, decoded(item, values, "subword", "dtw"))).sum()
        assert table.error_of((0, 2, 3), i) == pytest.approx(expected)


def test_a_finding_is_written_and_a_set_of_it_read(found, tmp_path):
    write_finding(tmp_path / "heads.json", found)
    search = read_search(tmp_path / "heads.json")
    assert heads_of_search(search, "heads.json", "greedy by agreement") == (((1, 0),), (2, 2))
    with pytest.raises(InputError, match=r"heads\.json: holds no set 'best'; known: alignment heads, all heads, "):
        heads_of_search(search, "heads.json", "best")
    with pytest.raises(InputError, match="holds no automatic reference; known: manual"):
        heads_of_search(search, "heads.json", "all heads", "automatic")
    write_finding(tmp_path / "budget.json", replace(found, finding={**found.finding, "finding": "budget"}))
    with pytest.raises(InputError, match="is no search for heads, but a finding of 'budget'"):
        read_search(tmp_path / "budget.json")
    (tmp_path / "bad.json").write_text("[]")
    with pytest.raises(InputError, match="is no finding"):
        read_search(tmp_path / "bad.json")


def test_kinds_of_reference_are_searched_apart_and_one_must_be_chosen(tmp_path):
    kinds = [replace(u, reference=kind, id=f"{kind}-{u.id}") for kind in ("automatic", "manual") for u in SPEAKERS]
    search = search_heads(read_saved_run(write_planted(tmp_path / "run", kinds, PLANTED)))
    assert [stratum.reference for stratum in search.strata] == ["automatic", "manual"]
    write_finding(tmp_path / "heads.json", search)
    with pytest.raises(InputError, match="several references: automatic, manual; choose one with --reference"):
        heads_of_search(read_search(tmp_path / "heads.json"), "x", "all heads")


def test_too_few_speakers_are_refused(tmp_path):
    with pytest.raises(InputError, match="fewer than two recordings with two words"):
        search_heads(read_saved_run(write_planted(tmp_path, SPEAKERS[:1], PLANTED)))


def test_a_run_that_kept_means_is_refused(tmp_path):
    mean = {**PLANTED, EVERY: heads_at(0)}
    with pytest.raises(InputError, match="the run saved the mean over heads"):
        search_heads(read_saved_run(write_planted(tmp_path, SPEAKERS, mean)))


def test_a_saliency_that_was_not_kept_is_named(planted):
    with pytest.raises(InputError, match=r"run with --keep heads --source gradient:at=conv"):
        search_heads(planted, saliency="gradient:at=conv")


def test_the_command_line_searches_a_kept_run_and_exports(tmp_path):
    write_planted(tmp_path / "run", SPEAKERS, PLANTED)

    def start(*arguments):
        return align_eval("heads", *arguments, cwd=tmp_path)

    done = start("search", "run", "--out", "heads.json")
    assert done.returncode == 0, done.stderr
    assert "greedy by agreement" in done.stdout
    for form in ("openai", "whisper.cpp", "transformers"):
        printed = start("export", "heads.json", "--form", form)
        assert printed.stdout.strip() == export_heads([(1, 0)], (2, 2), form)
    (tmp_path / "config.json").write_text('{"lang_ids": [3]}')
    assert start("export", "heads.json", "--form", "ctranslate2", "--out", "config.json").returncode == 0
    assert json.loads((tmp_path / "config.json").read_text()) == {"lang_ids": [3], "alignment_heads": [[1, 0]]}
    assert start("export", "heads.json", "--form", "onnx").returncode == 2


def test_a_corpus_is_run_and_searched_in_one_command(tmp_path, corpus_of_two):
    done = align_eval("heads", "search", corpus_of_two, "--language", "en", "--out", "heads.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    heads, shape = heads_of_search(read_search(tmp_path / "heads.json"), "heads.json", "alignment heads")
    assert (list(heads), shape) == (alignment_heads(load_model("tiny.en")), (4, 6))


@pytest.fixture
def corpus_of_two(tmp_path, demo):
    import shutil

    folder = tmp_path / "corpus"
    folder.mkdir()
    for utterance in demo.utterances:
        if utterance.id in ("en_praatio_bobby", "en_praatio_damon"):
            for path in (utterance.audio.path, utterance.audio.path.with_suffix(".TextGrid")):
                shutil.copy(path, folder)
    return folder


# Read back


@pytest.mark.parametrize("name", ["tiny.en", "base", "large-v3", "large-v3-turbo"])
def test_openais_own_masks_are_what_we_write(name):
    """Set from openai's own dump, exported and set again: the same heads."""
    layers, heads = {"tiny.en": (4, 6), "base": (6, 8), "large-v3": (32, 20), "large-v3-turbo": (4, 20)}[name]

    class Mask(torch.nn.Module):
        dims = whisper.model.ModelDimensions(80, 1500, 8, 2, 1, 10, 448, 8, heads, layers)
        set_alignment_heads = whisper.model.Whisper.set_alignment_heads

    first, second = Mask(), Mask()
    first.set_alignment_heads(whisper._ALIGNMENT_HEADS[name])
    chosen = [tuple(pair) for pair in first.alignment_heads.indices().T.tolist()]
    second.set_alignment_heads(export_heads(chosen, (layers, heads), "openai").encode())
    assert torch.equal(first.alignment_heads.to_dense(), second.alignment_heads.to_dense())


@pytest.mark.slow
def test_openai_whisper_reads_an_exported_set_and_its_times_are_those_that_we_predict(demo):
    """Bit for bit, and not those of its own heads."""
    model = load_model("tiny.en")
    utterance = next(u for u in demo.utterances if u.id == "en_librivox_sense_0870")
    samples = read_audio(utterance.audio)
    forced = force_words(model, [w.text for w in utterance.words], "en")
    tokenizer = tokenizer_of(model, "en")
    mel = whisper.log_mel_spectrogram(whisper.pad_or_trim(torch.from_numpy(samples)))

    def theirs():
        timings = whisper.timing.find_alignment(
            model, tokenizer, list(forced.tokens[:-1]), mel, len(samples) // whisper.audio.HOP_LENGTH
        )
        return [(timing.start, timing.end) for timing in timings]

    before = theirs()
    chosen = "1.1+2.0+2.1+3.1+3.2"
    model.set_alignment_heads(openai_mask(parse_heads(chosen), (4, 6)).encode())
    after = theirs()
    (system,) = make_systems([f"attention:heads={chosen}"], ["openai"])
    shared = shared_pass(model, samples, forced)
    relevance = relevance_maps(model, shared, [system.source.text])[system.source.text]
    predicted = align_map(relevance, np.zeros(shared.n_frames), system.aligner.text).words
    assert list(predicted) == after
    assert after != before
