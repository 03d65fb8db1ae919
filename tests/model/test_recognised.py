"""Text that the model recognises, and text beside the audio, in place of the reference's own words."""

from __future__ import annotations

import shutil

import pytest
import whisper

from align_eval import align
from align_eval.api import evaluate
from align_eval.corpus.audio import read_audio
from align_eval.corpus.bundled import bundled_path
from align_eval.corpus.folder import Corpus, load_folder
from align_eval.errors import InputError
from align_eval.model.decode import recognise

CLIPS = ("en_praatio_damon", "en_phonlab_two_plus_two")
SOURCE, ALIGN = "attention:heads=all", "viterbi"


def run_on(model, utterances, text, **options):
    corpus = Corpus("few", tuple(utterances), ())
    return evaluate(corpus, model, sources=[SOURCE], aligns=[ALIGN], presets=[], text=text, **options)


@pytest.fixture(scope="module")
def clips(demo):
    return [u for u in demo.utterances if u.id in CLIPS]


@pytest.fixture(scope="module")
def recognised(tiny_en, clips):
    return run_on(tiny_en, clips, "hypothesis")


def said(evaluation, id_):
    return [row for row in evaluation.words.to_pylist() if row["utterance"] == id_]


def test_decoding_is_openai_whispers_own_at_temperature_0_and_the_same_each_time(tiny_en, clips):
    for clip in clips:
        text = recognise(tiny_en, read_audio(clip.audio), "en")
        # silence to 30 s, as decoding has it: `transcribe` alone pads the log-mel with zeros, which are not silent
        padded = whisper.pad_or_trim(read_audio(clip.audio))
        theirs = whisper.transcribe(
            tiny_en, padded, language="en", temperature=0.0, without_timestamps=True, fp16=False
        )
        assert text.split() == theirs["text"].split()
        assert recognise(tiny_en, read_audio(clip.audio), "en") == text


def test_recognised_words_have_the_times_of_that_text_aligned(tiny_en, clips, recognised):
    """The library's `align` of the same text is the second way to the same times."""
    for clip in clips:
        text = recognise(tiny_en, read_audio(clip.audio), "en")
        times = {
            (w.text, w.start_s, w.end_s) for w in align(tiny_en, clip.audio.path, text, source=SOURCE, align=ALIGN)
        }
        rows = said(recognised, clip.id)
        one_to_one = {(r["hypothesis"], r["start_s"], r["end_s"]) for r in rows if r["hypothesis"]}
        inserted = {(w["word"], w["start_s"], w["end_s"]) for r in rows for w in r["inserted"]}
        assert one_to_one | inserted == times


def test_numbers_are_paired_with_words_and_what_is_too_much_is_inserted(recognised):
    """The speaker says "two plus two"; tiny.en hears an equation and finishes it."""
    rows = said(recognised, "en_phonlab_two_plus_two")
    assert (rows[0]["word"], rows[0]["hypothesis"]) == ("two", "2")
    assert rows[2]["hypothesis"].strip(".") == "2"
    counts = {r.metric: r.value for r in recognised.run.rows if r.metric in ("substituted", "deleted", "inserted")}
    n_inserted = sum(len(r["inserted"]) for r in recognised.words.to_pylist())
    assert counts["inserted"] == n_inserted > 0
    assert counts["deleted"] == sum(r["hypothesis"] is None for r in recognised.words.to_pylist())


def test_what_was_not_recognised_counts_against_coverage_and_not_against_the_error(recognised):
    values = {
        (r.metric, r.reference): r.value
        for r in recognised.run.rows
        if (r.protocol, r.boundaries, r.calibration) == ("wbe", "all", "none")
    }
    references = {reference for _, reference in values}
    assert any(values["coverage", reference] < 1 for reference in references)
    for reference in references:
        assert values["within_200ms_of_all", reference] <= values["within_200ms", reference]


def test_the_signature_says_what_text_was_aligned_and_what_paired_it(tiny_en, clips, recognised):
    signature = recognised.run.signature
    assert signature["text"] == "hypothesis"
    assert {"jiwer", "whisper-normalizer"} <= set(signature["packages"])
    own = run_on(tiny_en, clips[:1], "words").run.signature
    assert not {"jiwer", "whisper-normalizer"} & set(own["packages"])
    assert signature["id"] != own["id"]


@pytest.fixture
def folder(tmp_path):
    for suffix in (".flac", ".TextGrid", ".txt"):
        shutil.copy(bundled_path("demo") / f"en_praatio_damon{suffix}", tmp_path)
    return tmp_path


def test_the_text_beside_the_audio_is_aligned_as_it_is_written(tiny_en, folder):
    words = [word.text for word in load_folder(folder, language="en").utterances[0].words]
    (folder / "en_praatio_damon.txt").write_text(f"{words[0].title()} -- {' '.join(words[1:])}!\n")
    found = run_on(tiny_en, load_folder(folder, language="en").utterances, "transcript")
    assert [row["hypothesis"] for row in found.words.to_pylist()] == [words[0].title(), *words[1:-1], f"{words[-1]}!"]
    assert {row.value for row in found.run.rows if row.metric == "coverage"} == {1.0}
    assert not any(row["inserted"] for row in found.words.to_pylist())  # the dash is no word


def test_another_transcript_is_another_signature(tiny_en, folder):
    utterances = load_folder(folder, language="en").utterances
    first = run_on(tiny_en, utterances, "transcript").run.signature
    with (folder / "en_praatio_damon.txt").open("a") as file:
        file.write(" indeed")
    assert run_on(tiny_en, utterances, "transcript").run.signature["id"] != first["id"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no such file; put the spoken text there"),
        (b"\xff\xfe\x00", "cannot be read as text in UTF-8"),
        (b" -- \n", "holds no word"),
    ],
)
def test_a_transcript_that_cannot_be_used_is_named(tiny_en, folder, content, message):
    (folder / "en_praatio_damon.txt").unlink()
    if content:
        (folder / "en_praatio_damon.txt").write_bytes(content)
    with pytest.raises(InputError, match=rf"every utterance failed: .*en_praatio_damon\.txt: {message}"):
        run_on(tiny_en, load_folder(folder, language="en").utterances, "transcript")


def test_where_nothing_is_recognised_every_word_is_missed(tiny_en, clips, monkeypatch):
    """No clip here makes tiny.en say nothing, so that its answer is put in its mouth."""
    monkeypatch.setattr("align_eval.model.decode.recognise", lambda *_: "")
    found = run_on(tiny_en, clips[:1], "hypothesis")
    assert {row["hypothesis"] for row in found.words.to_pylist()} == {None}
    assert {row.value for row in found.run.rows if row.metric == "coverage"} == {0.0}
    assert found.run.failures == ()


def test_maps_are_kept_of_the_references_words_alone(tiny_en, clips):
    with pytest.raises(InputError, match="maps of hypothesis belong to no reference word"):
        run_on(tiny_en, clips, "hypothesis", keep="maps")


def test_an_unknown_text_is_refused_with_the_known_ones(tiny_en, clips):
    with pytest.raises(InputError, match="there is no 'poem'; one of words, hypothesis, transcript"):
        run_on(tiny_en, clips, "poem")
