"""A corpus of one recording: an audio file with the reference words of its name beside it."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest

from align_eval.corpus.bundled import bundled_path, load_corpus
from align_eval.corpus.folder import corpus_checksum
from align_eval.errors import InputError
from align_eval.formats.textgrids import write_words
from align_eval.records import Word
from tests.helpers.command_line import align_eval

CLIP = "en_praatio_bobby"
OTHER = "en_praatio_damon"
BOTH = [f"{clip}{suffix}" for clip in (CLIP, OTHER) for suffix in (".flac", ".TextGrid")]


def copy(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        shutil.copy(bundled_path("demo") / name, folder)
    return folder


def test_it_is_the_utterance_of_its_folder(tmp_path):
    """The same id, words and checksum: a run of the file and one of a folder with it alone are the same."""
    folder = copy(tmp_path / "clips", *BOTH)
    one, two = load_corpus(folder / f"{CLIP}.flac"), load_corpus(folder)
    assert one.utterances == tuple(u for u in two.utterances if u.id == CLIP)
    assert (one.name, one.failures, len(two.utterances)) == (CLIP, (), 2)
    alone = copy(tmp_path / "alone", f"{CLIP}.flac", f"{CLIP}.TextGrid")
    assert corpus_checksum(one.utterances) == corpus_checksum(load_corpus(alone).utterances)


def test_its_row_of_corpus_csv_is_used_and_options_too(tmp_path):
    folder = copy(tmp_path, *BOTH)
    (folder / "corpus.csv").write_text(f"id,speaker,language\n{OTHER},damon,de\n{CLIP},bobby,en\n")
    (u,) = load_corpus(folder / f"{CLIP}.flac", language="fr", speaker_characters=4).utterances
    assert (u.speaker, u.language) == ("bobby", "en")
    (folder / "corpus.csv").unlink()
    (u,) = load_corpus(folder / f"{CLIP}.flac", language="French", speaker_characters=4).utterances
    assert (u.speaker, u.language) == ("en_p", "fr")


def test_other_audio_of_its_name_does_not_count(tmp_path):
    """A folder with two is refused; who names a file has chosen one."""
    folder = copy(tmp_path, f"{CLIP}.flac", f"{CLIP}.TextGrid")
    shutil.copy(folder / f"{CLIP}.flac", folder / f"{CLIP}.wav")
    assert load_corpus(folder).utterances == ()
    (u,) = load_corpus(folder / f"{CLIP}.wav").utterances
    assert u.audio.path.name == f"{CLIP}.wav"


def test_words_of_another_kind_beside_it_are_read(tmp_path):
    """TIMIT: start and end of each word in samples. MFA: a tier of words for each speaker."""
    copy(tmp_path, f"{CLIP}.flac")
    (tmp_path / f"{CLIP}.WRD").write_text("4800 14400 two\n14400 28800 words\n")  # samples at 48 kHz
    corpus = load_corpus(tmp_path / f"{CLIP}.flac")
    assert (corpus.kind, corpus.name) == ("timit", CLIP)
    assert corpus.utterances[0].words == (Word("two", 0.1, 0.3), Word("words", 0.3, 0.6))
    (tmp_path / f"{CLIP}.WRD").unlink()
    words = [Word("two", 0.1, 0.3)]
    write_words(tmp_path / f"{CLIP}.TextGrid", {"bob - words": words, "eve - words": [Word("words", 0.3, 0.6)]}, 1.0)
    corpus = load_corpus(tmp_path / f"{CLIP}.flac")
    assert (corpus.kind, corpus.name, {u.speaker for u in corpus.utterances}) == ("mfa", CLIP, {"bob", "eve"})


@pytest.mark.parametrize("beside", [(), (f"{OTHER}.TextGrid",)])
def test_without_words_beside_it_the_command_for_a_known_text_is_named(tmp_path, beside):
    copy(tmp_path, f"{CLIP}.flac", *beside)
    audio = (tmp_path / f"{CLIP}.flac").rename(tmp_path / "my clip.flac")
    with pytest.raises(InputError) as refused:
        load_corpus(audio)
    assert refused.value.problem == "has no reference words beside it (my clip.TextGrid)"
    assert refused.value.remedy.endswith(f"align-eval align '{audio}' --text ...")


def test_words_that_cannot_be_used_are_listed(tmp_path):
    copy(tmp_path, f"{CLIP}.flac")
    (tmp_path / f"{CLIP}.TextGrid").write_text("no TextGrid")
    corpus = load_corpus(tmp_path / f"{CLIP}.flac")
    assert (corpus.utterances, [failure.id for failure in corpus.failures]) == ((), [CLIP])


def test_a_textgrid_is_no_corpus(tmp_path):
    copy(tmp_path, f"{CLIP}.flac", f"{CLIP}.TextGrid")
    with pytest.raises(InputError, match="is a file, not a folder; give a folder of audio with TextGrids"):
        load_corpus(tmp_path / f"{CLIP}.TextGrid")


def test_scores_of_one_recording_say_what_they_cannot_show(tmp_path):
    copy(tmp_path / "one", f"{CLIP}.flac", f"{CLIP}.TextGrid")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    done = align_eval("score", tmp_path / "one", tmp_path / "two")
    assert done.returncode == 0
    assert "one recording: the errors are those of its words." in done.stdout
    demo = align_eval("score", "demo", bundled_path("demo"))
    assert "one recording:" not in demo.stdout


def test_word_times_are_scored_against_it(tmp_path):
    copy(tmp_path, f"{CLIP}.flac", f"{CLIP}.TextGrid")
    shutil.copy(tmp_path / f"{CLIP}.TextGrid", tmp_path / "theirs.TextGrid")
    done = align_eval("score", f"{CLIP}.flac", "theirs.TextGrid", "--out", "out", cwd=tmp_path)
    assert (done.returncode, "0.0" in done.stdout) == (0, True)
    assert f"to view it: align-eval report out --corpus {CLIP}.flac" in done.stdout
    assert align_eval("report", "out", "--corpus", f"{CLIP}.flac", cwd=tmp_path).returncode == 0


def test_it_is_checked_as_any_corpus(tmp_path):
    copy(tmp_path, f"{CLIP}.flac", f"{CLIP}.TextGrid")
    done = align_eval("corpus", "check", tmp_path / f"{CLIP}.flac")
    assert (done.returncode, "1 of 1 recordings" in done.stdout) == (0, True)


def test_it_loses_nothing_to_the_case_of_a_suffix(tmp_path):
    copy(tmp_path, f"{CLIP}.flac", f"{CLIP}.TextGrid")
    expected = load_corpus(tmp_path / f"{CLIP}.flac").utterances
    (tmp_path / f"{CLIP}.flac").rename(tmp_path / f"{CLIP}.FLAC")
    (tmp_path / f"{CLIP}.TextGrid").rename(tmp_path / f"{CLIP}.textgrid")
    (u,) = load_corpus(tmp_path / f"{CLIP}.FLAC").utterances
    assert replace(u, audio=expected[0].audio) == expected[0]
