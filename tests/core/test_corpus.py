"""Folders of audio with TextGrids: reading, failures, metadata, checksums, and the bundled corpora."""

import csv
import hashlib
import json
import os
import re
import shutil
import unicodedata
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from textgrid import IntervalTier, TextGrid

from align_eval.corpus.audio import read_audio
from align_eval.corpus.bundled import BUNDLED, bundled_path, load_corpus
from align_eval.corpus.folder import corpus_checksum, load_folder
from align_eval.corpus.transcript_file import read_transcript
from align_eval.errors import InputError, InputWarning
from align_eval.formats.textgrids import write_words
from align_eval.records import Word

WORDS = (Word("one", 0.25, 0.5), Word("two", 0.5, 0.75))


def add_audio(folder: Path, id_: str, suffix: str = ".wav") -> None:
    """One second of silence."""
    path = folder / f"{id_}{suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.zeros(16_000, dtype=np.int16), 16_000)


def add_pair(folder: Path, id_: str, words: tuple[Word, ...] = WORDS, suffix: str = ".wav") -> None:
    add_audio(folder, id_, suffix)
    write_words(folder / f"{id_}.TextGrid", {"words": words}, 1.0)


def test_a_pair_of_audio_and_textgrid_is_an_utterance(tmp_path):
    add_pair(tmp_path, "a", suffix=".flac")
    corpus = load_folder(tmp_path, language="en")
    (u,) = corpus.utterances
    assert (corpus.name, corpus.failures) == (tmp_path.name, ())
    assert (u.id, u.words, u.text, u.duration_s) == ("a", WORDS, "one two", 1.0)
    assert (u.audio.path, u.audio.channel, u.audio.start_s, u.audio.end_s) == (tmp_path / "a.flac", None, 0.0, None)
    assert (u.language, u.speaker, u.recording, u.reference) == ("en", None, "a", "unstated")


def test_another_tier_is_read_where_it_is_named(tmp_path):
    add_audio(tmp_path, "a")
    write_words(tmp_path / "a.TextGrid", {"words": WORDS, "ORT": WORDS[:1]}, 1.0)
    assert load_folder(tmp_path, tier="ORT").utterances[0].words == WORDS[:1]


def no_textgrid(folder):
    add_audio(folder, "bad")


def no_audio(folder):
    write_words(folder / "bad.TextGrid", {"words": WORDS}, 1.0)


def two_audio_files(folder):
    add_pair(folder, "bad")
    add_audio(folder, "bad", ".flac")


def two_textgrids(folder):
    add_pair(folder, "bad")
    write_words(folder / "bad.textgrid", {"words": WORDS}, 1.0)
    if len(list(folder.glob("bad.[Tt]ext[Gg]rid"))) < 2:
        pytest.skip("the file system does not tell upper case from lower case")


def late_word(folder):
    add_pair(folder, "bad", (*WORDS, Word("late", 0.9, 1.25)))


def empty_audio(folder):
    no_audio(folder)
    (folder / "bad.wav").touch()


def damaged_textgrid(folder):
    add_audio(folder, "bad")
    (folder / "bad.TextGrid").write_text("not a TextGrid")


def no_words(folder):
    add_pair(folder, "bad", ())


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (no_textgrid, "{folder}/bad.wav: has no TextGrid beside it; add bad.TextGrid"),
        (no_audio, "{folder}/bad.TextGrid: has no audio beside it; add audio of the same name (wav, flac, "),
        (two_audio_files, "{folder}/bad: 2 audio files have this name: bad.flac, bad.wav; keep one of them"),
        (two_textgrids, "{folder}/bad: 2 TextGrids have this name: bad.TextGrid, bad.textgrid; keep one of them"),
        (late_word, "{folder}/bad.TextGrid: word 3 ('late', 0.9 to 1.25 s) lies outside the audio (1 s); check"),
        (damaged_textgrid, "{folder}/bad.TextGrid: is no Praat text file"),
        (no_words, "{folder}/bad.TextGrid: the word tier holds no words"),
    ],
)
def test_bad_files_are_listed_and_the_others_are_loaded(tmp_path, damage, message):
    add_pair(tmp_path, "a")
    add_pair(tmp_path, "z")
    damage(tmp_path)
    corpus = load_folder(tmp_path)
    assert [u.id for u in corpus.utterances] == ["a", "z"]
    (failure,) = corpus.failures
    assert failure.id == "bad"
    assert failure.message.startswith(message.format(folder=tmp_path))


def test_a_last_word_may_end_a_frame_after_the_audio(tmp_path):
    add_pair(tmp_path, "a", (Word("late", 0.5, 1.02),))
    assert load_folder(tmp_path).failures == ()


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"gone: there is no such folder; give a folder .* or a bundled name"):
        load_folder(tmp_path / "gone")


def test_a_folder_without_audio_and_textgrids_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing to hear")
    with pytest.raises(InputError, match=r"holds no audio and no TextGrids; audio is \.wav \.flac"):
        load_folder(tmp_path)


def test_hidden_files_and_folders_are_ignored(tmp_path):
    add_pair(tmp_path, "a")
    add_audio(tmp_path, "._a")
    add_pair(tmp_path, ".trash/b")
    corpus = load_folder(tmp_path)
    assert ([u.id for u in corpus.utterances], corpus.failures) == (["a"], ())


def test_a_corpus_of_links_is_that_of_their_targets(tmp_path):
    add_pair(tmp_path / "store", "x/a")
    corpus = tmp_path / "corpus"
    (corpus / "anna").mkdir(parents=True)
    (corpus / "ben").symlink_to("../store/x")
    for name in ("a.wav", "a.TextGrid"):
        (corpus / "anna" / name).symlink_to(f"../../store/x/{name}")
    (corpus / "anna" / "up").symlink_to("..")
    loaded = load_corpus(corpus)
    assert [(u.id, u.speaker, u.words) for u in loaded.utterances] == [
        ("anna/a", "anna", WORDS), ("ben/a", "ben", WORDS)
    ]  # fmt: skip
    assert loaded.failures == ()


@pytest.mark.parametrize("name", ["bad.wav", "bad.m4a", "bad.TextGrid"])
def test_an_utterance_with_a_broken_link_is_listed_and_a_broken_folder_is_named(name, tmp_path):
    add_pair(tmp_path, "a")
    add_pair(tmp_path, "bad")
    (tmp_path / name.replace("m4a", "wav")).unlink()
    (tmp_path / name).symlink_to("gone")
    (tmp_path / "ben").symlink_to("/nowhere/ben")
    with pytest.warns(InputWarning, match="ben: is a link to /nowhere/ben, which is not there") as warned:
        loaded = load_corpus(tmp_path)
    assert len(warned) == 1
    assert [u.id for u in loaded.utterances] == ["a"]
    (failure,) = loaded.failures
    assert f"{name}: is a link to gone, which is not there; restore its target, or remove" in failure.message


# Unicode forms of names: macOS writes file names decomposed (NFD)

NAME = "Zoé/théorème"


def decomposed(name: str) -> str:
    return unicodedata.normalize("NFD", name)


def test_audio_textgrid_transcript_and_row_are_of_one_utterance_if_their_names_are_equal_in_nfc(tmp_path):
    """<unk> is restored from the transcript, so that the transcript is found as well."""
    add_audio(tmp_path, decomposed(NAME))
    write_words(tmp_path / f"{NAME}.TextGrid", {"words": (Word("<unk>", 0.1, 0.5),)}, 1.0)
    (tmp_path / f"{NAME}.txt").write_text("été")
    (tmp_path / "corpus.csv").write_text(f"id,recording\n{decomposed(NAME)},r\n", encoding="utf-8")
    corpus = load_corpus(tmp_path)
    assert corpus.failures == ()
    (u,) = corpus.utterances
    assert (u.id, u.speaker, u.recording, u.text) == (NAME, "Zoé", "r", "été")
    assert len(read_audio(u.audio)) == 16_000
    assert read_transcript(u) == "été"


def test_two_audio_files_whose_names_are_equal_in_nfc_are_refused(tmp_path):
    add_pair(tmp_path, "é")
    add_audio(tmp_path, decomposed("é"))
    (failure,) = load_folder(tmp_path).failures
    assert failure.id == "é"
    assert r"2 audio files have this name: 'e\u0301.wav', '\xe9.wav'; keep one" in failure.message


# Speakers

METADATA = "id,language,speaker,recording,reference\n"


def test_the_speaker_is_the_first_sub_folder(tmp_path):
    """LibriSpeech has the speaker first and the chapter below: chapters of one reader are not other speakers."""
    add_pair(tmp_path, "anna/a")
    add_pair(tmp_path, "61/70968/b")
    assert {u.id: u.speaker for u in load_folder(tmp_path).utterances} == {"anna/a": "anna", "61/70968/b": "61"}


def test_an_utterance_with_unreadable_audio_stays_so_that_its_words_are_counted(tmp_path):
    add_pair(tmp_path, "a")
    empty_audio(tmp_path)
    corpus = load_folder(tmp_path)
    assert [u.id for u in corpus.utterances] == ["a", "bad"]
    with pytest.raises(InputError, match=r"bad\.wav: the file is empty; copy it again"):
        read_audio(corpus.utterances[1].audio)


@pytest.mark.parametrize(("start_s", "end_s"), [(0.5, 1.0), (0.0, 30.0)])
def test_a_textgrid_that_does_not_span_its_audio_is_used_with_a_warning(tmp_path, start_s, end_s):
    add_pair(tmp_path, "a")
    grid = TextGrid(minTime=start_s, maxTime=end_s)
    tier = IntervalTier("words", start_s, end_s)
    tier.add(0.6, 0.9, "word")
    grid.append(tier)
    grid.write(str(tmp_path / "a.TextGrid"))
    with pytest.warns(InputWarning, match=rf"a\.TextGrid: spans {start_s:g} to {end_s:g} s, the audio 0 to 1 s"):
        corpus = load_folder(tmp_path)
    assert corpus.utterances[0].words == (Word("word", 0.6, 0.9),)


def test_a_path_is_a_folder_even_where_a_bundled_corpus_has_its_name(tmp_path, monkeypatch):
    add_pair(tmp_path, "demo/a")
    monkeypatch.chdir(tmp_path)
    assert [u.id for u in load_corpus(Path("demo")).utterances] == ["a"]
    assert len(load_corpus("demo").utterances) == 15


def test_the_speaker_can_be_the_first_characters_of_the_name(tmp_path):
    add_pair(tmp_path, "x/s01_a")
    assert load_folder(tmp_path, speaker_characters=3).utterances[0].speaker == "s01"


def test_corpus_csv_overrides_options_and_names(tmp_path):
    add_pair(tmp_path, "x/s01_a")
    add_pair(tmp_path, "x/s01_b")
    (tmp_path / "corpus.csv").write_text(METADATA + "x/s01_a,de,clara,tape 1,manual\nx/s01_b,,,,\n")
    a, b = load_folder(tmp_path, language="en", speaker_characters=3).utterances
    assert (a.language, a.speaker, a.recording, a.reference) == ("de", "clara", "tape 1", "manual")
    assert (b.language, b.speaker, b.recording, b.reference) == ("en", "s01", "x/s01_b", "unstated")


def test_corpus_csv_may_have_a_byte_order_mark(tmp_path):
    add_pair(tmp_path, "a")
    (tmp_path / "corpus.csv").write_text("\ufeffid,speaker\na,Zoë\n", encoding="utf-8")
    assert load_folder(tmp_path).utterances[0].speaker == "Zoë"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,age\na,7\n", r"corpus\.csv: columns are \['id', 'age'\]; known: id, language, speaker, recording, ref"),
        ("speaker\nanna\n", r"corpus\.csv: columns are \['speaker'\]; .*id is needed"),
        ("id,speaker\na,x,y\n", r"corpus\.csv, line 2: does not have 2 values; quote values that contain a comma"),
        ("id,speaker\na,x\n\n\nb,Smith, John\n", r"corpus\.csv, line 5: does not have 2 values"),
        ("id,speaker\na\n", r"corpus\.csv, line 2: does not have 2 values"),
        ("speaker,age\n", r"corpus\.csv: columns are \['speaker', 'age'\]"),
        ("id,speaker\na,x\nb,y\n", r"corpus\.csv, line 3: there is no file for id 'b'; remove the row or add the file"),
        ("id,speaker\na,x\na,y\n", r"corpus\.csv, line 3: id 'a' occurs twice; keep one row per id"),
        (
            "id,reference\na,guessed\n",
            r"corpus\.csv, line 2: reference 'guessed'; use one of manual, automatic, unstated",
        ),
        ('id,speaker\na,"x\n', r"corpus\.csv: cannot be read as CSV in UTF-8 \(unexpected end of data\)"),
    ],
    ids=[
        "unknown column",
        "no id",
        "a value too many",
        "too many further down",
        "a value too few",
        "no rows",
        "unknown id",
        "doubled id",
        "unknown kind",
        "open quote",
    ],
)
def test_a_malformed_corpus_csv_is_refused(tmp_path, text, message):
    add_pair(tmp_path, "a")
    (tmp_path / "corpus.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        load_folder(tmp_path)


def test_a_corpus_csv_that_is_not_utf_8_is_refused(tmp_path):
    add_pair(tmp_path, "a")
    (tmp_path / "corpus.csv").write_bytes("id,speaker\na,Zoë\n".encode("cp1252"))
    with pytest.raises(InputError, match=r"corpus\.csv: cannot be read as CSV in UTF-8"):
        load_folder(tmp_path)


# The checksum

CHANGES = {
    "a time by one bit": lambda u: replace(u, words=(replace(u.words[0], end_s=np.nextafter(0.5, 0)), u.words[1])),
    "a word": lambda u: replace(u, words=(replace(u.words[0], text="won"), u.words[1])),
    "the speaker": lambda u: replace(u, speaker="anna"),
    "the language": lambda u: replace(u, language="de"),
    "the kind of reference": lambda u: replace(u, reference="manual"),
}


@pytest.fixture
def two(tmp_path):
    add_pair(tmp_path, "a")
    add_pair(tmp_path, "b")
    return load_folder(tmp_path).utterances


def test_the_checksum_does_not_depend_on_order_or_place(two, tmp_path):
    add_pair(tmp_path / "copy", "b")
    add_pair(tmp_path / "copy", "a")
    copy = load_folder(tmp_path / "copy").utterances
    assert corpus_checksum(two) == corpus_checksum(reversed(two)) == corpus_checksum(copy)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_the_checksum_changes_with_words_and_metadata(two, change):
    assert corpus_checksum([change(two[0]), two[1]]) != corpus_checksum(two)


def test_the_checksum_changes_with_the_audio(two):
    before = corpus_checksum(two)
    samples = np.zeros(16_000, dtype=np.int16)
    samples[5] = 1
    soundfile.write(two[0].audio.path, samples, 16_000)
    assert corpus_checksum(two) != before


# The bundled corpora: the numbers are those of corpora/*/SOURCES.csv, counted by hand when they were collected


def words_by_kind(corpus):
    counts = Counter()
    for u in corpus.utterances:
        counts[u.reference] += len(u.words)
    return counts


def test_the_demo_corpus_is_whole():
    corpus = load_corpus("demo")
    assert corpus.failures == ()
    assert len(corpus.utterances) == 15
    assert words_by_kind(corpus) == {"manual": 83, "automatic": 108}
    assert len({u.speaker for u in corpus.utterances}) == 11
    assert {u.language for u in corpus.utterances} == {"en"}


def test_the_russian_demo_corpus_is_whole():
    corpus = load_corpus("demo-ru")
    assert corpus.failures == ()
    assert len(corpus.utterances) == 6
    assert words_by_kind(corpus) == {"automatic": 66}
    assert {u.language for u in corpus.utterances} == {"ru"}


@pytest.mark.parametrize("name", BUNDLED)
def test_bundled_audio_and_words_are_those_of_their_sources(name):
    folder = bundled_path(name)
    with (folder / "SOURCES.csv").open(encoding="utf-8", newline="") as file:
        sources = {row["id"]: row for row in csv.DictReader(file)}
    corpus = load_corpus(name)
    assert {u.id for u in corpus.utterances} == set(sources)
    for u in corpus.utterances:
        row = sources[u.id]
        assert u.audio.path.suffix == ".flac"
        assert hashlib.sha256(u.audio.path.read_bytes()).hexdigest()[:16] == row["sha256_16"], u.id
        assert len(u.words) == int(row["words"]), u.id
        assert u.duration_s == pytest.approx(float(row["seconds"]), abs=0.051), u.id
        assert u.reference == {"manual": "manual", "auto": "automatic"}[row["reference"].partition(":")[0]], u.id


@pytest.mark.parametrize("name", BUNDLED)
def test_bundled_words_are_those_of_the_text_beside_them_but_for_case_and_punctuation(name):
    def spoken(text: str) -> list[str]:
        return [re.sub(r"[^\w']", "", word).lower() for word in text.split()]

    for u in load_corpus(name).utterances:
        text = u.audio.path.with_suffix(".txt").read_text(encoding="utf-8")
        assert spoken(u.text) == spoken(text), u.id


def test_a_folder_with_a_bundled_name_is_loaded_by_its_path(tmp_path, monkeypatch):
    add_pair(tmp_path / "demo", "mine")
    monkeypatch.chdir(tmp_path)
    assert [u.id for u in load_corpus("./demo").utterances] == ["mine"]
    assert len(load_corpus("demo").utterances) == 15


BAD_NAMES = ("a\nb", "a\\b", "\x1b[2Jx", os.fsdecode(b"caf\xe9"), "folder\n/a", "C:a", "  ", "x" * 241)


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_file_whose_name_cannot_be_an_id_fails_alone(tmp_path, name):
    add_pair(tmp_path, "fine")
    for path in list(tmp_path.iterdir()):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(path, tmp_path / f"{name}{path.suffix}")
    corpus = load_corpus(tmp_path)
    assert [u.id for u in corpus.utterances] == ["fine"]
    (failure,) = corpus.failures
    assert "cannot name a file" in failure.message
    assert json.loads(json.dumps(asdict(failure)).encode()) == asdict(failure)  # an id of bytes can be written, too


def test_audio_in_a_folder_whose_name_is_no_utf_8_is_one_failure(tmp_path):
    """Tables and JSON, which are UTF-8, cannot hold the path of the audio."""
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    add_pair(tmp_path, "a")
    folder.mkdir()
    for path in (tmp_path / "a.wav", tmp_path / "a.TextGrid"):
        path.rename(folder / path.name)
    (failure,) = load_corpus(folder).failures
    assert "its name is not UTF-8" in failure.message


@pytest.mark.parametrize("name", ["a ", " a", "a.", "\u00a0a\u3000", "e\u0301"])
def test_a_name_with_blanks_or_a_dot_at_its_ends_is_an_id_and_has_its_row(tmp_path, name):
    add_pair(tmp_path, name)
    id_ = unicodedata.normalize("NFC", name)
    (tmp_path / "corpus.csv").write_text(f"id,speaker\n{id_},ann\n")
    (u,) = load_corpus(tmp_path).utterances
    assert (u.id, u.speaker) == (id_, "ann")
