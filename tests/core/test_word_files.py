"""Files and folders of timed words: names, pairs of names, forms of folders, references without audio."""

import json

import pytest

from align_eval.corpus.bundled import load_corpus
from align_eval.corpus.folder import corpus_checksum
from align_eval.corpus.reference_words import NO_AUDIO, read_reference
from align_eval.corpus.word_files import pair_names, read_word_files, recording_name
from align_eval.errors import InputError
from tests.helpers.hypothesis_files import GOOD, HYPOTHESES, WORDS, write_good

EMPTY = json.dumps({"text": "", "segments": [], "language": "en"})


@pytest.mark.parametrize(
    ("name", "recording"),
    [
        ("a.json", "a"), ("a.TextGrid", "a"), ("a.jsonl.gz", "a"), ("x/a.b.vtt", "x/a.b"), ("a.wav.words.json", "a"),
        ("a.words.srt", "a"), ("a.MP3.json", "a"), ("a.words", "a"), (".json", ".json"), ("a", "a"),
    ],
)  # fmt: skip
def test_a_file_is_named_after_its_recording(name, recording):
    assert recording_name(name) == recording


def test_names_are_paired_whole_and_then_by_their_last_part_where_that_is_one():
    reference = ["anna/1", "anna/2", "ben/2", "ben/3"]
    assert pair_names(reference, ["anna/1", "1", "2", "x/3"]) == {"anna/1": "anna/1", "ben/3": "x/3"}
    assert pair_names(reference, ["1", "c/3", "d/3"]) == {"anna/1": "1"}
    assert pair_names([], ["1"]) == {}


def test_a_folder_is_read_with_its_bad_files_listed_and_what_is_empty_settled_by_the_rest(tmp_path):
    for name in ("anna/1", "anna/2"):
        write_good(tmp_path, "openai-whisper", name)
    (tmp_path / "silent.json").write_text(EMPTY)
    (tmp_path / "bad.json").write_text("{")
    (tmp_path / ".hidden.json").write_text("{")
    (tmp_path / "1.wav").write_text("no words")
    files = read_word_files(tmp_path)
    assert (files.form, sorted(files.transcripts)) == ("openai-whisper", ["anna/1", "anna/2", "silent"])
    assert files.transcripts["silent"].words == ()
    assert [f.id for f in files.failures] == ["bad"]
    assert "bad.json, column 2: is not JSON" in files.failures[0].message


def test_a_folder_of_nothing_but_empty_results_is_refused_unless_the_form_is_stated(tmp_path):
    (tmp_path / "a.json").write_text(EMPTY)
    with pytest.raises(
        InputError, match=r"has no usable file: .*a\.json: may be openai-whisper or whisper-timestamped"
    ):
        read_word_files(tmp_path)
    assert read_word_files(tmp_path, "whisper-timestamped").form == "whisper-timestamped"


def test_a_folder_of_several_forms_is_refused_unless_the_form_is_stated(tmp_path):
    write_good(tmp_path, "srt", "a")
    write_good(tmp_path, "stable-ts", "b")
    with pytest.raises(
        InputError, match=r"several forms: srt \(a\.srt\), stable-ts \(b\.json\); choose one with --format"
    ):
        read_word_files(tmp_path)
    assert list(read_word_files(tmp_path, "srt").transcripts) == ["a"]


def test_two_files_of_one_recording_are_refused_unless_their_form_tells_them_apart(tmp_path):
    for form in ("srt", "webvtt", "openai-whisper"):
        write_good(tmp_path, form, "a")
    write_good(tmp_path, "srt", "b")
    (failure,) = read_word_files(tmp_path).failures
    assert (
        "a: 3 files are of this recording: a.json, a.srt, a.vtt; choose a form with --format, or keep"
        in failure.message
    )
    assert read_word_files(tmp_path, "webvtt").failures == ()


def test_a_recording_in_two_files_is_listed(tmp_path):
    (tmp_path / "x.ctm").write_text(GOOD["ctm"])
    (tmp_path / "y.ctm").write_text(GOOD["ctm"])
    files = read_word_files(tmp_path)
    assert list(files.transcripts) == ["a"]
    assert "y.ctm: recording 'a' is in x.ctm as well" in files.failures[0].message


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda _: None, r"x: there is no such file or folder"),
        (lambda path: path.mkdir(), r"x: holds no files of words; their suffixes are \.textgrid \.ctm"),
    ],
)
def test_a_path_without_words_is_refused(make, message, tmp_path):
    make(tmp_path / "x")
    with pytest.raises(InputError, match=message):
        read_word_files(tmp_path / "x")


# References


def test_a_bundled_reference_is_the_corpus_itself():
    reference = read_reference("demo")
    corpus = load_corpus("demo")
    assert reference.corpus == corpus
    assert reference.checksum == corpus_checksum(corpus.utterances)
    assert reference.ends_s == {u.id: u.duration_s for u in corpus.utterances}


def test_references_without_audio_have_speakers_languages_and_kinds_by_the_same_rules(tmp_path):
    write_good(tmp_path, "textgrid", "anna/1")
    write_good(tmp_path, "textgrid", "2")
    (tmp_path / "corpus.csv").write_text("id,language,speaker,reference\n2,de,ben,manual\n")
    reference = read_reference(str(tmp_path), language="en")
    assert [(u.id, u.speaker, u.language, u.reference, u.duration_s) for u in reference.corpus.utterances] == [
        ("2", "ben", "de", "manual", 1.0),
        ("anna/1", "anna", "en", "unstated", 1.0),
    ]
    assert {u.audio for u in reference.corpus.utterances} == {NO_AUDIO}
    assert reference.paths == {"2": tmp_path / "2.TextGrid", "anna/1": tmp_path / "anna/1.TextGrid"}
    by_name = read_reference(str(tmp_path), speaker_characters=1)
    assert [u.speaker for u in by_name.corpus.utterances] == ["ben", "1"]


def test_a_reference_says_where_a_recording_ends_only_where_it_is_known(tmp_path):
    assert read_reference(str(write_good(tmp_path, "textgrid"))).ends_s == {"a": 1.0}
    reference = read_reference(str(write_good(tmp_path, "ctm")))
    assert (reference.ends_s, reference.corpus.utterances[0].duration_s) == ({}, WORDS[-1][2])


def test_the_checksum_of_words_does_not_depend_on_their_form(tmp_path):
    """CTM holds durations, whose sums differ in the last digit: JSON and cues hold the same numbers."""
    forms = ("openai-whisper", "stable-ts", "srt")
    checksums = {read_reference(str(write_good(tmp_path / form, form)), language="en").checksum for form in forms}
    assert len(checksums) == 1


def test_speaker_and_language_of_supervisions_are_the_references():
    (first, second) = read_reference(str(HYPOTHESES / "lhotse" / "supervisions.jsonl")).corpus.utterances
    assert (first.id, first.speaker, first.language) == ("en_librivox_sense_0880", "librivox-sense", "en")
    assert (second.id, second.speaker) == ("en_praatio_bobby", "praatio-bobby")


def test_words_of_a_reference_without_times_are_kept_apart_and_a_file_without_words_is_listed(tmp_path):
    reference = read_reference(str(HYPOTHESES / "whisperx"))
    (u,) = reference.corpus.utterances
    assert "80-" not in [word.text for word in u.words]
    assert [word.text for word in reference.spoken[u.id] if not word.timed] == ["80-", "2"]
    (tmp_path / "a.json").write_text(EMPTY)
    (failure,) = read_reference(str(tmp_path / "a.json"), form="openai-whisper").corpus.failures
    assert "a.json: has no words with times of a" in failure.message
