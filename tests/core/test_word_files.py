"""Files and folders of timed words: names, pairs of names, forms of folders, references without audio."""

import json
import unicodedata
from pathlib import Path

import pytest

from align_eval.corpus.bundled import load_corpus
from align_eval.corpus.file_search import list_files
from align_eval.corpus.folder import corpus_checksum
from align_eval.corpus.reference_words import NO_AUDIO, read_reference
from align_eval.corpus.word_files import pair_names, read_word_files, recording_name
from align_eval.errors import InputError, InputWarning
from align_eval.lint_files import lint_path
from align_eval.score_files import score_hypothesis
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
    late = GOOD["textgrid"].replace("0\n1\n<exists>", "0\n0.5\n<exists>")  # its words end at 0.9 s
    reference = read_reference(str(write_good(tmp_path / "late", "textgrid", files={"textgrid": late})))
    assert (reference.ends_s, reference.corpus.utterances[0].duration_s) == ({"a": 0.9}, 0.9)
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
    assert [word.text for word in u.spoken if not word.timed] == ["80-", "2"]
    (tmp_path / "a.json").write_text(EMPTY)
    (failure,) = read_reference(str(tmp_path / "a.json"), form="openai-whisper").corpus.failures
    assert "a.json: has no words with times" in failure.message


# Links


def test_a_linked_folder_and_a_linked_file_are_read_under_the_names_of_the_links(tmp_path):
    write_good(tmp_path / "store", "openai-whisper", "deep/1")
    write_good(tmp_path / "store", "openai-whisper", "2")
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "anna").symlink_to("../store")
    (tmp_path / "theirs" / "again").symlink_to("../store/deep")
    (tmp_path / "theirs" / "3.json").symlink_to("../store/2.json")
    files = read_word_files(tmp_path / "theirs")
    assert sorted(files.transcripts) == ["3", "again/1", "anna/2", "anna/deep/1"]
    assert files.failures == ()


@pytest.mark.parametrize(
    "links",
    [
        {"loop": "loop"},
        {"self": "."},
        {"up": ".."},
        {"far": "../.."},
        {"b/up": "../.."},
        {"b/to_c": "../c", "c/to_b": "../b"},
        {"b/one": "../c", "c/two": "../d", "d/three": "../b"},
        {"out": "../store", "../store/back": "../theirs"},
        {"out": "../store", "../store/up": ".."},
    ],
)
def test_links_in_a_circle_end_and_every_file_is_listed_within_each_folder_once(links, tmp_path):
    """No folder of a loop is entered within itself, so that each path names each of its folders once."""
    theirs = tmp_path / "theirs"
    write_good(theirs, "srt", "1")
    for link, target in links.items():
        (theirs / link).parent.mkdir(parents=True, exist_ok=True)
        (theirs / link).symlink_to(target)
        (theirs / link).parent.joinpath("2.srt").write_text(GOOD["srt"])
    files = [path.relative_to(theirs) for path in list_files(theirs) if path.exists()]
    assert files == sorted(set(files))
    assert files[0] == Path("1.srt")
    for file in files:
        folders = [(theirs / folder).resolve() for folder in file.parents]
        assert len(set(folders)) == len(folders)
        assert theirs.parent.resolve() not in folders


def test_a_broken_link_is_listed_if_its_name_is_that_of_words_and_is_named_otherwise(tmp_path):
    write_good(tmp_path, "srt", "a")
    (tmp_path / "b.srt").symlink_to("gone/b.srt")
    (tmp_path / "anna").symlink_to("gone")
    with pytest.warns(InputWarning, match=r"anna: is a link to gone, which is not there; nothing is read") as warned:
        files = read_word_files(tmp_path)
    assert len(warned) == 1
    assert list(files.transcripts) == ["a"]
    (failure,) = files.failures
    assert failure.message.endswith(
        "b.srt: is a link to gone/b.srt, which is not there; restore its target, or remove the link"
    )


# Unicode forms of names: macOS writes file names decomposed (NFD), most tools composed (NFC)

NAME = "théorème/été 1"
DECOMPOSED = unicodedata.normalize("NFD", NAME)


def test_names_of_files_are_in_nfc_and_are_opened_as_they_are_on_disk(tmp_path):
    path = write_good(tmp_path, "srt", DECOMPOSED)
    files = read_word_files(tmp_path)
    assert list(files.transcripts) == [NAME]
    assert str(files.paths[NAME]) == str(path)


@pytest.mark.parametrize("form", ["ctm", "lhotse"])
def test_names_inside_files_are_in_nfc(form, tmp_path):
    text = GOOD[form].replace('"a"', json.dumps(DECOMPOSED)).replace("\na ", "\n" + DECOMPOSED.replace(" ", "_") + " ")
    path = tmp_path / f"all.{'ctm' if form == 'ctm' else 'json'}"
    path.write_text(text, encoding="utf-8")
    assert list(read_word_files(path).transcripts) == [NAME.replace(" ", "_") if form == "ctm" else NAME]


def test_two_files_whose_names_are_equal_in_nfc_are_of_one_recording(tmp_path):
    for name in (NAME, DECOMPOSED, "b"):
        write_good(tmp_path, "srt", name)
    files = read_word_files(tmp_path)
    assert list(files.transcripts) == ["b"]
    (failure,) = files.failures
    assert failure.id == NAME
    assert r"2 files are of this recording: 'e\u0301te\u0301 1.srt', '\xe9t\xe9 1.srt'; " in failure.message


def test_the_rows_of_corpus_csv_are_found_by_names_in_nfc(tmp_path):
    write_good(tmp_path, "srt", NAME)
    row = f"id,speaker\n{DECOMPOSED},{unicodedata.normalize('NFD', 'Zoé')}\n"
    (tmp_path / "corpus.csv").write_text(row, encoding="utf-8")
    (u,) = read_reference(str(tmp_path)).corpus.utterances
    assert (u.id, u.speaker) == (NAME, "Zoé")


# Order of a CTM: NIST's tools require words sorted by recording, channel and start, and refuse other files

SHUFFLED = "a 1 0.5 0.4 two\nb 1 0.0 0.2 so\na 1 0.1 0.3 one\na 2 0.0 0.1 x\na 1 0.5 0.2 three\na 1 0.4 0.05 late\n"


def test_a_ctm_out_of_order_is_sorted_by_start_with_one_note(tmp_path):
    """By start, and stable: "two" and "three" start together and stay in the order of the file. "one" and "late" start
    before an earlier word of channel 1; "so" and "x" are of another recording and channel."""
    path = tmp_path / "all.ctm"
    path.write_text(SHUFFLED)
    with pytest.warns(InputWarning) as warned:
        transcripts = read_word_files(path).transcripts
    assert [w.text for w in transcripts["a.1"].words] == ["one", "late", "two", "three"]
    assert [str(w.message) for w in warned] == [
        f"{path}: words that start before an earlier word of their recording and channel: 2, the first is 'one' "
        "(0.1 s, line 3) after 'two' (0.5 s, line 1); they were sorted by time"
    ]


def test_lint_of_a_ctm_out_of_order_lists_no_word_for_its_order(tmp_path):
    """A file backwards: every word but one starts before an earlier one."""
    path = tmp_path / "a.ctm"
    path.write_text("".join(f"a 1 {i / 4:.2f} 0.2 w{i}\n" for i in reversed(range(1000))))
    with pytest.warns(InputWarning, match=": 999, the first is 'w998'"):
        linted = lint_path(path)
    assert (linted.n_words, linted.findings) == (1000, ())


def test_a_ctm_out_of_order_scores_as_the_sorted_one_on_both_sides(tmp_path):
    lines = [f"a 1 {start_s} 0.2 {word}\n" for word, start_s, _ in WORDS]
    (tmp_path / "sorted.ctm").write_text("".join(lines))
    (tmp_path / "back.ctm").write_text("".join(reversed(lines)))
    pairs = [("sorted", "back"), ("back", "sorted"), ("back", "back")]
    with pytest.warns(InputWarning, match="sorted by time"):
        scored = [score_hypothesis(tmp_path / f"{r}.ctm", tmp_path / f"{h}.ctm").run.rows for r, h in pairs]
    in_order = score_hypothesis(tmp_path / "sorted.ctm", tmp_path / "sorted.ctm").run.rows
    assert scored == [in_order] * 3
