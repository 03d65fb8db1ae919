"""Languages detected by utterance: the same run as one that is told them, and said where they were found."""

import json
import shutil

import numpy as np
import pytest
import soundfile
from whisper.tokenizer import LANGUAGES, TO_LANGUAGE_CODE

from align_eval import align
from align_eval.api import evaluate
from align_eval.corpus.audio import read_audio
from align_eval.corpus.bundled import bundled_path, load_corpus
from align_eval.corpus.folder import Corpus
from align_eval.engine.job import detect_languages, prepare_job
from align_eval.engine.utterance import read_speech
from align_eval.errors import InputError
from align_eval.language_names import NAMES, whisper_code
from align_eval.model.language import detect_language
from align_eval.model.load import load_model
from align_eval.options import Plan, RunOptions
from align_eval.records import AudioSpan, Utterance, Word
from tests.helpers.command_line import align_eval
from tests.helpers.models import random_whisper
from tests.helpers.tiny_run import write_corpus

SYSTEM = {"sources": ["gradient"], "aligns": ["viterbi"], "presets": []}


def without_language(name, folder):
    """A copy of a bundled corpus that does not say its language."""
    shutil.copytree(bundled_path(name), folder)
    header, *rows = (folder / "corpus.csv").read_text(encoding="utf-8").splitlines()
    cells = [line.split(",") for line in rows]
    text = "\n".join([header, *(",".join([id_, "", *others]) for id_, _, *others in cells)])
    (folder / "corpus.csv").write_text(text + "\n", encoding="utf-8")
    return folder


def test_languages_are_whispers():
    assert {code: names[0] for code, names in NAMES.items()} == LANGUAGES
    assert {name: whisper_code(name) for name in TO_LANGUAGE_CODE} == TO_LANGUAGE_CODE


def test_a_model_of_english_says_english(tiny_en, tmp_path):
    corpus, found = detect_languages(load_corpus(without_language("demo", tmp_path / "c"), language="auto"), tiny_en)
    assert {u.language for u in corpus.utterances} == {"en"}
    assert len(found) == 15


def test_languages_that_are_known_are_not_asked_for(tiny_en):
    corpus = load_corpus("demo", language="auto")  # corpus.csv has the last word
    assert detect_languages(corpus, tiny_en) == (corpus, {})


def test_audio_that_cannot_be_read_is_listed_where_it_is_processed(tiny_en, tmp_path):
    folder = without_language("demo", tmp_path / "c")
    (folder / "en_praatio_bobby.flac").write_bytes(b"")
    loaded = load_corpus(folder, language="auto")
    two = tuple(u for u in loaded.utterances if u.id in ("en_praatio_bobby", "en_praatio_damon"))
    evaluation = evaluate(Corpus("two", two, ()), tiny_en, context="fit", **SYSTEM)
    (failure,) = evaluation.run.failures
    assert "en_praatio_bobby.flac: the file is empty" in failure.message


def test_a_transcript_without_spaces_is_aligned_by_its_characters(tmp_path):
    (tmp_path / "a.txt").write_text("我们今天,去", encoding="utf-8")
    word = Word("我们今天去", 0.1, 0.9)
    u = Utterance("a", AudioSpan(tmp_path / "a.wav"), (word,), word.text, "zh", None, "a", 1.0)
    soundfile.write(tmp_path / "a.wav", np.zeros(16000), 16000)
    plan = Plan("", (), RunOptions(text="transcript"))
    assert read_speech(u, plan, None).texts == ("我", "们", "今", "天,", "去")


@pytest.mark.slow
def test_russian_is_detected_and_the_run_is_the_one_that_is_told_so(tmp_path):
    """base hears Russian in all six clips; words, scores and signature are those of the run with `ru`."""
    base = load_model("base")
    detected = evaluate(load_corpus(without_language("demo-ru", tmp_path / "c"), language="auto"), base, **SYSTEM)
    told = evaluate("demo-ru", base, **SYSTEM)
    assert {d["detected"] for d in detected.languages.values()} == {"ru"}
    assert all(0.5 < d["probability"] <= 1 for d in detected.languages.values())
    assert detected.words.equals(told.words)
    assert detected.run.rows == told.run.rows
    assert detected.run.signature["id"] == told.run.signature["id"]
    assert {row["language"] for row in detected.words.to_pylist()} == {"ru"}


@pytest.mark.slow
def test_the_demo_in_russian_runs_end_to_end_with_base(tmp_path):
    """66 words of one speaker; a path that follows the speech is within a tenth of a second of them on the whole."""
    corpus = without_language("demo-ru", tmp_path / "c")
    arguments = ["--model", "base", "--language", "auto", "--source", "gradient", "--align", "viterbi", "--out", "out"]
    done = align_eval("run", str(corpus), *arguments, cwd=tmp_path)
    assert (done.returncode, "languages detected: ru in 6 utterances" in done.stdout) == (0, True)
    run = json.loads((tmp_path / "out" / "run.json").read_text())
    (row,) = [r for r in run["rows"] if (r["boundaries"], r["calibration"], r["metric"]) == ("all", "none", "wbe_mean")]
    assert row["n_words"] == 66
    assert row["value"] < 100
    languages = json.loads((tmp_path / "out" / "languages.json").read_text())
    assert languages["ru_0003"]["detected"] == "ru"


@pytest.mark.slow
def test_the_library_detects_the_language_of_one_recording():
    base = load_model("base")
    u = next(u for u in load_corpus("demo-ru").utterances if u.id == "ru_0003")
    options = {"source": "gradient", "align": "viterbi"}
    assert align(base, u.audio.path, u.text, language="auto", **options) == align(
        base, u.audio.path, u.text, language="ru", **options
    )


@pytest.mark.slow
def test_a_corpus_without_a_language_is_refused_with_the_one_that_the_model_hears(tmp_path):
    corpus = without_language("demo-ru", tmp_path / "c")
    done = align_eval("run", corpus, "--model", "base", "--preset", "openai", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "corpus c: states no language, and the model is multilingual; add --language ru: " in done.stderr
    assert "the model hears Russian in all of its first 5 utterances (probability at least 0." in done.stderr
    remedied = ("run", corpus, "--model", "base", "--preset", "openai", "--out", tmp_path / "out", "--language", "ru")
    assert align_eval(*remedied).returncode == 0


def test_languages_that_differ_are_listed(tmp_path, monkeypatch):
    """A model of random weights hears this or that; the message says the same as the detection."""
    write_corpus(tmp_path / "corpus", 3)
    loaded, corpus = random_whisper(n_vocab=51865), load_corpus(tmp_path / "corpus")
    heard = {detect_language(loaded, read_audio(u.audio))[0] for u in corpus.utterances}
    with pytest.raises(InputError, match="states no language, and the model is multilingual") as refused:
        prepare_job(corpus, loaded, RunOptions(presets=["openai"]))
    if len(heard) == 1:
        assert refused.value.remedy.startswith(f"add --language {next(iter(heard))}: the model hears ")
    detections = iter([("de", 0.9), ("ru", 0.8), ("de", 0.7)])
    monkeypatch.setattr("align_eval.model.language.detect_language", lambda *_: next(detections))
    with pytest.raises(InputError) as refused:
        prepare_job(corpus, loaded, RunOptions(presets=["openai"]))
    assert refused.value.remedy.endswith("of its first 3 utterances, the model hears German in 2, Russian in 1")
    assert prepare_job(load_corpus(tmp_path / "corpus", language="ru"), loaded, RunOptions(presets=["openai"]))
