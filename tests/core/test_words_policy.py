"""The policy of words: the same labels give the same words in every form, on both sides, with and without audio."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from align_eval.corpus.reference_words import read_reference
from align_eval.corpus.word_files import read_word_files
from align_eval.formats.hypothesis.detect import FORMATS
from align_eval.score_files import score_hypothesis
from align_eval.text import label_policy
from tests.helpers.command_line import align_eval
from tests.helpers.hypothesis_files import files_of, write_good
from tests.helpers.score_rows import value

DROPPED = ("spn", "sil", "sp", "[breath]", "<laugh>", "<eps>", "(.)", "xxx", "...", "$", "<unk>", "♪")
LABELS = [label for i, dropped in enumerate(DROPPED) for label in (f"word{i}", dropped)]
WORDS = [f"word{i}" for i in range(len(DROPPED))]
ENTRIES = [(label, 0.1 * i, 0.1 * i + 0.1) for i, label in enumerate(LABELS)]
END_S = 0.1 * len(LABELS)


FILES = files_of(ENTRIES, END_S)


@pytest.mark.parametrize("form", FORMATS)
def test_the_same_labels_give_the_same_words_in_every_form_and_on_both_sides(form, tmp_path):
    """Each form that is read has a file of these labels: a form without one has no entry in FILES, and fails."""
    path = write_good(tmp_path, form, files=FILES)
    files = read_word_files(path)
    (transcript,) = files.transcripts.values()
    assert files.form == form
    assert [word.text for word in transcript.words] == WORDS
    assert sorted(word.text for word in transcript.dropped) == sorted(DROPPED)
    reference = read_reference(str(path))
    assert [word.text for word in reference.corpus.utterances[0].words] == WORDS
    assert dict(reference.corpus.marks) == dict.fromkeys(DROPPED, 1)


@pytest.mark.parametrize("form", FORMATS)
def test_kept_and_dropped_labels_hold_in_every_form_and_on_both_sides(form, tmp_path):
    path = write_good(tmp_path, form, files=FILES)
    labels = label_policy(keep=["[Breath]"], drop=["WORD0"])
    spoken = [label for label in LABELS if label in ({*WORDS, "[breath]"} - {"word0"})]
    dropped = dict.fromkeys({*DROPPED, "word0"} - {"[breath]"}, 1)
    files = read_word_files(path, labels=labels)
    (transcript,) = files.transcripts.values()
    assert [word.text for word in transcript.words] == spoken
    assert dict(files.dropped) == dropped
    reference = read_reference(str(path), labels=labels)
    assert [word.text for word in reference.corpus.utterances[0].words] == spoken
    assert dict(reference.corpus.marks) == dropped


def write_audio(folder: Path) -> None:
    write_good(folder, "textgrid", files=FILES)
    soundfile.write(folder / "a.wav", np.full(round(END_S * 16000), 0.1), 16000)


def test_a_textgrid_gives_the_same_words_with_and_without_audio(tmp_path):
    write_audio(tmp_path)
    with_audio = read_reference(str(tmp_path))
    without = read_reference(str(tmp_path / "a.TextGrid"))
    assert with_audio.corpus.utterances[0].words == without.corpus.utterances[0].words
    assert with_audio.corpus.marks == without.corpus.marks


def test_a_spoken_word_that_is_not_written_comes_from_the_transcript_with_and_without_audio(tmp_path):
    write_audio(tmp_path)
    spoken = [label for label in LABELS if label in (*WORDS, "<unk>")]
    (tmp_path / "a.lab").write_text(" ".join("restored" if label == "<unk>" else label for label in spoken))
    for where in (tmp_path, tmp_path / "a.TextGrid"):
        reference = read_reference(str(where))
        words = [word.text for word in reference.corpus.utterances[0].words]
        assert words == ["restored" if label == "<unk>" else label for label in spoken]
        assert "<unk>" not in dict(reference.corpus.marks)


def test_a_bad_interval_takes_no_other_word_with_it_with_and_without_audio(tmp_path):
    """An interval that ends before it starts is kept without times: the other words are scored, on either way."""
    write_audio(tmp_path)
    grid = tmp_path / "a.TextGrid"
    grid.write_text(grid.read_text().replace('0.200000\n0.300000\n"word1"', '0.300000\n0.200000\n"word1"'))
    for where in (tmp_path, grid):
        (u,) = read_reference(str(where)).corpus.utterances
        assert [word.text for word in u.words] == [word for word in WORDS if word != "word1"]
        assert [word.text for word in u.spoken if not word.timed] == ["word1"]
    (tmp_path / "h.json").write_text(FILES["openai-whisper"])
    (tmp_path / "theirs").mkdir()
    (tmp_path / "h.json").rename(tmp_path / "theirs" / "a.json")
    scored = score_hypothesis(tmp_path, tmp_path / "theirs")
    assert [finding.word for finding in scored.untimed] == ["word1"]
    assert value(scored.run.rows, "wbe_mean") == pytest.approx(0, abs=1e-6)


def test_a_dropped_mark_of_an_unknown_word_is_no_word(tmp_path):
    write_audio(tmp_path)
    for where in (tmp_path, tmp_path / "a.TextGrid"):
        reference = read_reference(str(where), labels=label_policy(drop=["<unk>"]))
        assert [word.text for word in reference.corpus.utterances[0].words] == WORDS
        assert dict(reference.corpus.marks)["<unk>"] == 1


def test_auto_is_no_language_where_no_model_detects_it(tmp_path):
    (tmp_path / "r.TextGrid").write_text(FILES["textgrid"].replace('"word0"', '"twenty one"'), encoding="utf-8")
    (tmp_path / "h.json").write_text(FILES["openai-whisper"].replace("word0", "21"))
    rows = [
        score_hypothesis(tmp_path / "r.TextGrid", tmp_path / "h.json", language=language).run.rows
        for language in (None, "auto", "en")
    ]
    assert rows[0] == rows[1] == rows[2]
    assert value(rows[0], "substituted") == 0


def test_what_is_dropped_is_counted_on_both_sides(tmp_path):
    for form in ("textgrid", "openai-whisper"):
        write_good(tmp_path, form, files=FILES)
    done = align_eval("score", tmp_path / "a.TextGrid", tmp_path / "a.json")
    assert done.returncode == 0, done.stderr
    assert f"dropped: {len(DROPPED)} labels of the reference are no words: " in done.stdout
    assert f"dropped: {len(DROPPED)} labels of the hypothesis are no words: " in done.stdout
    values = json.loads(align_eval("score", tmp_path / "a.TextGrid", tmp_path / "a.json", "--json").stdout)
    assert values["dropped"] == {side: dict.fromkeys(DROPPED, 1) for side in ("reference", "hypothesis")}
    linted = json.loads(align_eval("lint", tmp_path / "a.json", "--json").stdout)
    assert linted["dropped"] == dict.fromkeys(DROPPED, 1)


def test_one_dropped_label_is_counted_in_the_singular(tmp_path):
    (tmp_path / "a.json").write_text(
        files_of([("one", 0.0, 0.4), ("spn", 0.4, 0.5)], 0.5)["openai-whisper"], encoding="utf-8"
    )
    done = align_eval("lint", tmp_path / "a.json")
    assert done.stdout == "dropped: 1 label of the files is no word: spn 1\nlint: 1 word, nothing found\n"


def test_the_options_keep_and_drop_labels_on_both_sides(tmp_path):
    for form in ("textgrid", "openai-whisper"):
        write_good(tmp_path, form, files=FILES)
    options = ("--keep-label", "[breath]", "--drop-label", "word0", "--drop-label", "word1", "--json")
    dropped = dict.fromkeys({*DROPPED, "word0", "word1"} - {"[breath]"}, 1)
    scored = json.loads(align_eval("score", tmp_path / "a.TextGrid", tmp_path / "a.json", *options).stdout)
    assert scored["dropped"] == {"reference": dropped, "hypothesis": dropped}
    assert json.loads(align_eval("lint", tmp_path / "a.json", *options).stdout)["dropped"] == dropped


def test_a_mark_of_an_unknown_word_can_be_kept_as_a_word(tmp_path):
    write_audio(tmp_path)
    labels = label_policy(keep=["<unk>"])
    for where in (tmp_path, tmp_path / "a.TextGrid"):
        words = [word.text for word in read_reference(str(where), labels=labels).corpus.utterances[0].words]
        assert words == [label for label in LABELS if label in (*WORDS, "<unk>")]


def test_types_of_ctm_lines_say_what_is_no_word(tmp_path):
    """NIST's types: a filled pause and a fragment are spoken words; a cough written as a word is none."""
    types = {"well": "lex", "uh": "fp", "th-": "frag", "cough": "non-lex", "hello": "misc", "so": "noscore"}
    lines = [f"a 1 {0.1 * i:.1f} 0.1 {word} 0.9 {type_}\n" for i, (word, type_) in enumerate(types.items())]
    (tmp_path / "a.ctm").write_text("".join(lines))
    (transcript,) = read_word_files(tmp_path / "a.ctm").transcripts.values()
    assert [word.text for word in transcript.words] == ["well", "uh", "th-"]
    assert [word.text for word in transcript.dropped] == ["cough", "hello", "so"]


@pytest.mark.parametrize("mark", ["...", "…", "$", "%", "-"])
def test_marks_alone_move_no_boundary(mark, tmp_path):
    """The word after the mark is exact; with the mark as its part, its start would be 500 ms early."""
    word = ("word", 0.6, 0.9)
    reference = write_good(tmp_path, "openai-whisper", "r", files_of([word]))
    hypothesis = write_good(tmp_path, "openai-whisper", "h", files_of([(mark, 0.1, 0.6), word]))
    scored = score_hypothesis(reference, hypothesis)
    assert (value(scored.run.rows, "wbe_mean"), value(scored.run.rows, "coverage")) == (0, 1)
    assert value(scored.run.rows, "inserted") == 0


def test_a_hypothesis_does_not_choose_the_rules_by_its_language(tmp_path):
    """A system that takes English for Welsh: by the rules of Welsh "twenty one" would not be "21"."""
    (tmp_path / "r.TextGrid").write_text(FILES["textgrid"].replace('"word0"', '"twenty one"'), encoding="utf-8")
    (tmp_path / "h.json").write_text(FILES["openai-whisper"].replace("word0", "21").replace('"en"', '"cy"'))
    with pytest.warns(UserWarning, match=r"the hypothesis is in Welsh: if that is right, use --language cy"):
        scored = score_hypothesis(tmp_path / "r.TextGrid", tmp_path / "h.json")
    assert value(scored.run.rows, "substituted") == 0
    stated = score_hypothesis(tmp_path / "r.TextGrid", tmp_path / "h.json", language="eng")
    assert stated.run.rows == scored.run.rows


def test_an_unknown_language_is_refused_with_the_nearest(tmp_path):
    write_good(tmp_path, "openai-whisper", files=FILES)
    done = align_eval("score", tmp_path / "a.json", tmp_path / "a.json", "--language", "Englsh")
    assert done.returncode == 2
    assert "Whisper knows no language 'Englsh'; did you mean English (en)" in done.stderr
    done = align_eval("score", tmp_path / "a.json", tmp_path / "a.json", "--language", "English")
    assert done.returncode == 0


def test_invisible_characters_and_composition_change_no_word(tmp_path):
    path = write_good(tmp_path, "openai-whisper", files=files_of([("\u200fthe\u0301a\u0302tre\u200e", 0.0, 0.1)]))
    (transcript,) = read_word_files(path).transcripts.values()
    assert [word.text for word in transcript.words] == ["théâtre"]
