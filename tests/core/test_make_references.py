"""References made with PocketSphinx from the clips of the demo, whose times are known."""

import json
import shutil
import unicodedata
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

from align_eval.corpus.bundled import bundled_path, load_corpus
from align_eval.corpus.folder import load_folder
from align_eval.corpus.make_references import make_references
from align_eval.corpus.pocketsphinx import lexicon_keys, make_decoder, read_lexicon, strip_punctuation
from align_eval.errors import InputError
from align_eval.formats.praat import read_textgrid
from align_eval.formats.textgrids import read_words, words_of_tier
from tests.helpers.command_line import align_eval

BOBBY = "bobby ripped the ledger"


def add(folder: Path, id_: str, text: str | None = None, clip: str = "en_praatio_bobby") -> None:
    """A clip of real speech, with a text beside it."""
    path = folder / f"{id_}.flac"
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(bundled_path("demo") / f"{clip}.flac", path)
    if text is not None:
        path.with_suffix(".txt").write_text(text, encoding="utf-8")


def tiers(path: Path) -> dict[str, tuple]:
    grid, _ = read_textgrid(path)
    return {tier.name: words_of_tier(tier) for tier in grid.tiers}


def test_words_and_phones_are_written_in_tiers_named_as_mfas(tmp_path):
    add(tmp_path, "anna/a", "Bobby ripped the ledger.")
    references = make_references(tmp_path, tmp_path)
    assert (references.made, references.n_words, references.failures) == (("anna/a",), 4, ())
    found = tiers(tmp_path / "anna" / "a.TextGrid")
    assert list(found) == ["words", "phones"]
    assert [w.text for w in found["words"]] == ["Bobby", "ripped", "the", "ledger"]
    assert " ".join(p.text for p in found["phones"]) == "B AA B IY R IH P T DH AH L EH JH ER"
    assert load_folder(tmp_path).utterances[0].speaker == "anna"


def test_phones_fill_their_words(tmp_path):
    """Every word starts with its first phone and ends with its last: phones of one word are not another's."""
    add(tmp_path, "a", BOBBY)
    make_references(tmp_path, tmp_path / "out")
    found = tiers(tmp_path / "out" / "a.TextGrid")
    sizes = (4, 4, 2, 4)  # B AA B IY, R IH P T, DH AH, L EH JH ER
    phones = iter(found["phones"])
    for word, n_phones in zip(found["words"], sizes, strict=True):
        of_word = [next(phones) for _ in range(n_phones)]
        assert (of_word[0].start_s, of_word[-1].end_s) == (word.start_s, word.end_s)
        for a, b in pairwise(of_word):
            assert a.end_s == pytest.approx(b.start_s)


def test_times_are_those_made_by_hand_within_what_was_measured(tmp_path):
    """Three speakers with manual times: 24 to 31 ms each in docs/references.md; a wrong rate is off by far more."""
    clips = [u for u in load_corpus("demo").utterances if u.id.startswith("en_praatio")]
    for u in clips:
        add(tmp_path, u.id, u.text, u.id)
    make_references(tmp_path, tmp_path)
    errors = [
        (abs(w.start_s - v.start_s), abs(w.end_s - v.end_s))
        for u in clips
        for w, v in zip(read_words(tmp_path / f"{u.id}.TextGrid"), u.words, strict=True)
    ]
    assert 1000 * np.mean(errors) < 35


def test_the_words_of_a_textgrid_are_aligned_anew_where_there_is_no_text(tmp_path):
    add(tmp_path, "a")
    shutil.copy(bundled_path("demo") / "en_praatio_bobby.TextGrid", tmp_path / "a.TextGrid")
    make_references(tmp_path, tmp_path / "out")
    assert " ".join(w.text for w in read_words(tmp_path / "out" / "a.TextGrid")) == BOBBY


def test_a_word_that_the_lexicon_lacks_is_reported_with_its_utterances(tmp_path):
    for id_ in ("a", "b"):
        add(tmp_path, id_, f"{BOBBY} Zzyzx")
    add(tmp_path, "c", BOBBY)
    references = make_references(tmp_path, tmp_path / "out")
    assert references.made == ("c",)
    assert references.unknown == {"zzyzx": ("a", "b")}
    assert [f.id for f in references.failures] == ["a", "b"]
    assert "the lexicon lacks 'zzyzx'; add them with --lexicon" in references.failures[0].message


def test_a_text_that_does_not_match_the_audio_fails_alone(tmp_path):
    """Too many words for the audio: the first pass fails, and the utterance after it is as it is alone."""
    add(tmp_path, "a", BOBBY)
    add(tmp_path, "b", f"{BOBBY} " * 40)
    add(tmp_path, "c", BOBBY)
    references = make_references(tmp_path, tmp_path / "out")
    assert references.made == ("a", "c")
    (failure,) = references.failures
    assert failure.message.startswith(f"{tmp_path}/b.flac: the words were not found in the audio")
    assert tiers(tmp_path / "out" / "a.TextGrid") == tiers(tmp_path / "out" / "c.TextGrid")


def test_audio_longer_than_whispers_window_is_aligned(tmp_path):
    """33 s: the same clip 23 times with its silence; each copy's words are found in its own stretch."""
    add(tmp_path, "a")
    samples, rate = soundfile.read(tmp_path / "a.flac")
    copy = np.concatenate([samples, np.zeros(rate // 4)])
    n = 23
    soundfile.write(tmp_path / "a.flac", np.tile(copy, n), rate)
    (tmp_path / "a.txt").write_text(f"{BOBBY} " * n)
    make_references(tmp_path, tmp_path / "out")
    found = read_words(tmp_path / "out" / "a.TextGrid")
    length_s = len(copy) / rate
    assert n * length_s > 30
    assert [w.text for w in found] == BOBBY.split() * n
    assert all(i // 4 * length_s - 0.1 < w.start_s < (i // 4 + 1) * length_s for i, w in enumerate(found))


def no_text(folder):
    add(folder, "bad")


def empty_text(folder):
    add(folder, "bad", " — ")


def text_in_another_encoding(folder):
    add(folder, "bad", "x")
    (folder / "bad.txt").write_bytes("Zoë".encode("cp1252"))


def no_audio(folder):
    (folder / "bad.wav").write_text("nothing to hear")
    (folder / "bad.txt").write_text("one")


def made_before(folder):
    add(folder, "bad", BOBBY)
    (folder / "out").mkdir()
    (folder / "out" / "bad.TextGrid").write_text("dear to somebody")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (no_text, "bad.flac: has no .lab or .txt file and no TextGrid beside it; add bad.txt"),
        (empty_text, "bad.flac: its text has no words; write down the spoken words"),
        (text_in_another_encoding, "bad.txt, line 1: is not UTF-8"),
        (no_audio, "bad.wav: is not audio"),
        (made_before, "bad.TextGrid: exists already; choose another --out"),
    ],
)
def test_failures_are_listed_and_the_others_are_made(tmp_path, damage, message):
    add(tmp_path, "good", BOBBY)
    damage(tmp_path)
    references = make_references(tmp_path, tmp_path / "out")
    assert references.made == ("good",)
    (failure,) = references.failures
    assert failure.id == "bad"
    assert message in failure.message


def test_a_folder_without_audio_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no audio; give a folder"):
        make_references(tmp_path, tmp_path)


@pytest.mark.parametrize(
    ("written", "word"), [("“Don’t!”", "Don't"), ("well-known,", "well-known"), ("...", ""), ("'tis", "tis")]
)
def test_a_word_is_spoken_without_the_punctuation_around_it(written, word):
    assert strip_punctuation(written) == word


def test_a_word_is_looked_up_whole_then_by_its_parts():
    decoder = make_decoder()
    assert lexicon_keys(decoder, "Don't") == ("don't",)
    assert lexicon_keys(decoder, "ledger-table") == ("ledger", "table")
    assert lexicon_keys(decoder, "zzyzx-table") == ()


def test_pronunciations_are_added_from_a_file(tmp_path):
    file = tmp_path / "my.dict"
    file.write_text(";;; mine\nZzyzx Z IH Z IH K S\n\n")
    assert read_lexicon(file) == {"zzyzx": "Z IH Z IH K S"}
    assert lexicon_keys(make_decoder(read_lexicon(file)), "Zzyzx") == ("zzyzx",)


@pytest.mark.parametrize(
    ("line", "problem"), [("zzyzx", "line 1: 'zzyzx' has no phones"), ("z QQ", "'QQ' cannot be added")]
)
def test_a_lexicon_that_cannot_be_used_is_refused(tmp_path, line, problem):
    file = tmp_path / "my.dict"
    file.write_text(line)
    with pytest.raises(InputError, match=problem):
        make_decoder(read_lexicon(file))


def test_the_command_reports_unknown_words_and_exits_with_2(tmp_path):
    add(tmp_path / "in", "a", f"{BOBBY} zzyzx")
    add(tmp_path / "in", "b", BOBBY)
    done = align_eval("corpus", "reference", tmp_path / "in", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "4 words of 1 utterances aligned" in done.stdout
    assert "not in the lexicon: zzyzx (a)" in done.stdout
    report = json.loads((tmp_path / "out" / "references.json").read_text())
    assert report["unknown"] == {"zzyzx": ["a"]}
    assert report["aligner"].startswith("pocketsphinx ")


def test_a_textgrid_whose_name_is_equal_in_nfc_is_not_written_again(tmp_path):
    """macOS writes the names of files decomposed (NFD): a second file beside it would be of the same utterance."""
    add(tmp_path, "é", BOBBY)
    (tmp_path / f"{unicodedata.normalize('NFD', 'é')}.TextGrid").touch()
    (failure,) = make_references(tmp_path, tmp_path).failures
    assert "TextGrid: exists already; choose another --out, or remove it" in failure.message
