"""Readers of published corpora, on small corpora written by hand (``tests/corpora``)."""

import os
import re
import shutil
import unicodedata
import warnings
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

from align_eval.corpus.audio import read_audio
from align_eval.corpus.bundled import load_corpus
from align_eval.corpus.file_search import list_files
from align_eval.corpus.kinds import KINDS, detect_kind
from align_eval.errors import InputError, InputWarning
from align_eval.formats.textgrids import write_words
from align_eval.records import Word
from tests.corpora import AUDIO, RATE, make_corpus, ramp

WITHOUT_LHOTSE = [kind for kind in AUDIO if kind != "lhotse"]


def words_of(u):
    """(text, start, end) at times in the file, rounded to a tenth of a millisecond."""
    return [(w.text, round(w.start_s + u.audio.start_s, 4), round(w.end_s + u.audio.start_s, 4)) for w in u.words]


def by_id(corpus):
    return {u.id: u for u in corpus.utterances}


def load(kind, folder):
    return load_corpus(make_corpus(kind, folder))


@pytest.mark.parametrize("kind", AUDIO)
def test_the_kind_is_detected_from_the_content_of_files(tmp_path, kind):
    folder = make_corpus(kind, tmp_path).rename(tmp_path / "some name")
    assert detect_kind(folder, list_files(folder)) == kind


def test_every_kind_has_a_corpus_here():
    assert set(AUDIO) == set(KINDS)


@pytest.mark.parametrize("kind", WITHOUT_LHOTSE)
def test_every_word_lies_inside_its_audio_and_every_span_can_be_read(tmp_path, kind):
    corpus = load(kind, tmp_path)
    assert corpus.kind == kind
    assert corpus.utterances
    for u in corpus.utterances:
        assert u.text == " ".join(w.text for w in u.words)
        assert u.words[0].start_s >= 0
        assert u.words[-1].end_s <= u.duration_s + 1e-6
        assert len(read_audio(u.audio)) / RATE == pytest.approx(u.duration_s, abs=1 / RATE)
        assert u.duration_s <= 30


# TIMIT


def test_timit_times_are_samples_of_the_audio(tmp_path):
    with pytest.warns(InputWarning, match=r"SX2\.WRD: words that overlap the next: 1; they are parted"):
        corpus = load("timit", tmp_path)
    u = by_id(corpus)["TRAIN/DR1/FABC0/SA1"]
    assert words_of(u) == [("she", 0.2, 0.4), ("had", 0.4, 0.6), ("don't", 0.8, 1.2)]
    assert (u.speaker, u.reference, u.language, u.duration_s) == ("FABC0", "manual", "en", 2.0)
    np.testing.assert_array_equal(read_audio(u.audio) * 32768, ramp(2.0)[:, 0])


def test_timit_words_that_share_a_sound_are_parted_in_its_middle(tmp_path):
    """gas ends at sample 8000, station starts at 7200: the middle is 7600, 0.475 s."""
    with pytest.warns(InputWarning):
        corpus = load("timit", tmp_path)
    assert words_of(by_id(corpus)["TRAIN/DR1/FABC0/SX2"]) == [("gas", 0.1, 0.475), ("station", 0.475, 1.0)]


def test_timit_lists_a_reversed_word_with_file_and_line(tmp_path):
    with pytest.warns(InputWarning):
        (failure,) = load("timit", tmp_path).failures
    assert re.search(r"SI3\.WRD, line 1: 'backwards' lasts from 0\.2 to 0\.1 s; a word starts", failure.message)


def test_compressed_sphere_is_refused_by_name(tmp_path):
    """The header of the LDC's compressed files; what follows it is never looked at."""
    folder = make_corpus("timit", tmp_path)
    header = b"NIST_1A\n   1024\nsample_coding -s26 pcm,embedded-shorten-v2.00\nsample_rate -i 16000\nend_head\n"
    (folder / "TRAIN/DR1/FABC0/SA1.WAV").write_bytes(header.ljust(1024) + b"ajkg" + bytes(100))
    with pytest.warns(InputWarning):
        corpus = load_corpus(folder)
    message = next(f.message for f in corpus.failures if f.id.endswith("SA1"))
    assert "is SPHERE audio compressed as 'pcm,embedded-shorten-v2.00'; expand it: `sph2pipe" in message


# Buckeye


def test_buckeye_is_cut_around_other_speech_and_at_silences(tmp_path):
    """Pieces end where the interviewer, several words in one mark, a cut-off word or a bad entry stands, and at 30 s.

    long (9.9 to 20 s), longer (20.1 to 35 s) and still (35.5 to 49 s) do not fit into 30 s together: the longest pause
    between them, of 0.5 s, parts them.
    """
    corpus = load("buckeye", tmp_path)
    pieces = [words_of(u) for u in corpus.utterances]
    assert pieces == [
        [("okay", 1.0, 1.4), ("um", 1.4, 1.7), ("i'm", 2.0, 2.5)],
        [("so", 6.0, 6.5), ("funny", 6.5, 7.0)],
        [("then", 7.3, 7.5)],
        [("there", 7.7, 8.0)],
        [("long", 9.9, 20.0), ("longer", 20.1, 35.0)],
        [("still", 35.5, 49.0)],
    ]
    assert {u.speaker for u in corpus.utterances} == {"s01"}
    assert {u.recording for u in corpus.utterances} == {"s0101a"}
    assert corpus.utterances[0].id == "s0101a-00000750-00002500"


def test_buckeye_pieces_hold_no_audio_of_others(tmp_path):
    corpus = load("buckeye", tmp_path)
    spans = [(u.audio.start_s, u.audio.end_s) for u in corpus.utterances]
    assert spans[:4] == [(0.75, 2.5), (6.0, 7.0), (7.3, 7.5), (7.7, 8.0)]  # 0.25 s of the silence before okay
    assert all(a_end_s <= b_start_s for (_, a_end_s), (b_start_s, _) in pairwise(spans))
    for u in corpus.utterances:
        first, last = round(u.audio.start_s * RATE), round(u.audio.end_s * RATE)
        np.testing.assert_array_equal(read_audio(u.audio) * 32768, ramp(50.0)[first:last, 0])


def test_buckeye_counts_its_marks_and_lists_what_cannot_be(tmp_path):
    corpus = load("buckeye", tmp_path)
    assert dict(corpus.marks) == {
        "<SIL>": 4, "{B_TRANS}": 1, "{E_TRANS}": 1, "<VOCNOISE>": 1, "<IVER>": 1, "<EXT>": 1, "<LAUGH>": 2,
        "<CUTOFF>": 1,
    }  # fmt: skip
    (failure,) = corpus.failures
    assert re.search(r"s0101a\.words, line 22: 'ghost' lasts from 8 to 8 s", failure.message)


# LibriSpeech


def test_librispeech_lists_and_textgrids_are_read_and_unknown_words_restored(tmp_path):
    corpus = load("librispeech", tmp_path)
    found = by_id(corpus)
    folder = "LibriSpeech/dev-clean/84/121123/84-121123"
    go = found[f"{folder}-0000"]
    assert words_of(go) == [("go", 0.49, 0.89), ("do", 1.27, 1.38), ("you", 1.38, 1.49), ("hear", 1.49, 1.89)]
    assert (go.speaker, go.reference, go.language) == ("84", "automatic", "en")
    assert found[f"{folder}-0001"].text == "but in less than five minutes noirtier's staircase groaned"
    assert found["LibriSpeech/dev-clean/174/50561/174-50561-0000"].text == "the meeting of the vezous"
    assert dict(corpus.marks) == {"<unk>": 2, "sil": 1}


def test_librispeech_lists_what_has_no_alignment(tmp_path):
    (failure,) = load("librispeech", tmp_path).failures
    assert failure.id == "84-121123-0002"
    assert "there is no alignment, neither a TextGrid nor a line of an .alignment.txt" in failure.message


def test_librispeech_with_two_alignments_of_an_utterance_is_not_guessed(tmp_path):
    folder = make_corpus("librispeech", tmp_path)
    grid = next(folder.rglob("*.TextGrid"))
    shutil.copy(grid, grid.with_name("84-121123-0000.TextGrid"))
    failures = {f.id: f.message for f in load_corpus(folder).failures}
    assert re.search(r"is in .*alignment\.txt, line 1 too; keep one", failures["84-121123-0000"])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('84-121123-0000 ",GO" "0.1"', "line 1: has 2 words and 1 ends"),
        ('84-121123-0000 ",GO" "0.1,x"', "line 1: 'x' is not a number"),
        ('84-121123-0000 ",GO" "0.1,nan"', "line 1: the times of 'GO' are not finite"),
        ('84-121123-0000 ",GO" "0.4,0.1"', "line 1: 'GO' lasts from 0.4 to 0.1 s"),
        ('84-121123-0000 "GO" "9"', "word 1 ('go', 0 to 9 s) lies outside the audio (2 s)"),
        ('84-121123-0000 "<unk>,HEAR" "1,2"', "line 1, word 1: is <unk>; the transcript (4 words, the alignment 2)"),
        ("84-121123-0000 GO", 'line 1: \'84-121123-0000 GO\' is not `id ",WORDS" "ENDS"`'),
    ],
)
def test_librispeech_refuses_a_bad_line_with_its_place(tmp_path, line, message):
    folder = make_corpus("librispeech", tmp_path)
    (file,) = folder.rglob("*.alignment.txt")
    file.write_text(line)
    assert message in " ".join(f.message for f in load_corpus(folder).failures)


# AMI


def test_ami_words_have_punctuation_and_are_cut_around_words_without_times(tmp_path):
    corpus = load("ami", tmp_path)
    pieces = {(u.speaker, u.audio.path.name): [] for u in corpus.utterances}
    for u in corpus.utterances:
        pieces[u.speaker, u.audio.path.name].append(words_of(u))
    assert pieces == {
        ("FEE001", "ES2099a.Headset-0.wav"): [
            [("Okay.", 1.0, 1.4), ("I'm", 1.6, 2.0), ("Zoë.", 2.0, 2.5)],
            [("So", 3.0, 3.4), ("th", 3.5, 3.7)],
            [("yes", 4.5, 5.0)],
        ],
        ("MEE002", "ES2099a.Headset-2.wav"): [[("Yeah,", 4.8, 5.2), ("right", 5.3, 5.8)]],
    }
    assert {(u.recording, u.reference, u.language) for u in corpus.utterances} == {("ES2099a", "automatic", "en")}
    assert dict(corpus.marks) == {"<laugh>": 1, "<word without times>": 1, "<gap>": 1}


def test_ami_without_meetings_xml_takes_the_headset_of_the_letter(tmp_path):
    folder = make_corpus("ami", tmp_path)
    (folder / "corpusResources/meetings.xml").unlink()
    corpus = load_corpus(folder)
    assert {u.speaker for u in corpus.utterances} == {"ES2099a.A"}
    (failure,) = corpus.failures
    assert "there is no ES2099a.Headset-1.wav or ES2099a.Mix-Headset.wav" in failure.message


def test_ami_mixed_audio_is_cut_around_the_words_of_others(tmp_path):
    """yes (4.5 to 5 s) and Yeah (4.8 to 5.2 s) overlap: neither is used, and a warning reports the loss."""
    folder = make_corpus("ami", tmp_path)
    mixed = next(folder.rglob("*Headset-0.wav"))
    mixed.rename(mixed.with_name("ES2099a.Mix-Headset.wav"))
    next(folder.rglob("*Headset-2.wav")).unlink()
    with pytest.warns(InputWarning, match=r"ES2099a\.B: 1 of 2 words are spoken over and left out, the first is 'Yeah"):
        corpus = load_corpus(folder)
    assert [u.text for u in corpus.utterances] == ["Okay. I'm Zoë.", "So th", "right"]


def test_ami_mixed_audio_is_refused_if_words_of_another_agent_are_missing(tmp_path):
    folder = make_corpus("ami", tmp_path)
    mixed = next(folder.rglob("*Headset-0.wav"))
    mixed.rename(mixed.with_name("ES2099a.Mix-Headset.wav"))
    (folder / "words/ES2099a.B.words.xml").write_text("<damaged")
    corpus = load_corpus(folder)
    assert corpus.utterances == ()
    assert "there is no ES2099a.Headset-0.wav; add it" in next(f.message for f in corpus.failures if f.id[-1] == "A")


# Kaldi


def test_kaldi_utterances_lie_in_their_segments(tmp_path):
    corpus = load("kaldi", tmp_path)
    found = by_id(corpus)
    anna = found["anna-001"]
    assert words_of(anna) == [("hello", 1.2, 1.5), ("bob's", 1.5, 1.8), ("world", 2.0, 2.5)]
    assert (anna.speaker, anna.recording, anna.audio.start_s, anna.audio.end_s) == ("anna", "rec1", 1.0, 3.0)
    assert [w.confidence for w in anna.words] == [0.98, 1.0, 0.75]
    assert found["ben-001"].text == "good morning"
    np.testing.assert_array_equal(read_audio(anna.audio) * 32768, ramp(6.0)[RATE : 3 * RATE, 0])
    assert dict(corpus.marks) == {"<UNK>": 1, "<eps>": 1, "[noise]": 1}


def test_kaldi_channels_are_those_of_the_ctm(tmp_path):
    u = by_id(load("kaldi", tmp_path))["rec3"]
    assert (u.audio.channel, u.text, u.speaker) == (1, "left and right", "dora")
    np.testing.assert_array_equal(read_audio(u.audio) * 32768, ramp(2.0, 2)[:, 1])


def test_kaldi_commands_are_refused_and_what_is_not_aligned_is_listed(tmp_path):
    failures = {f.id: f.message for f in load("kaldi", tmp_path).failures}
    assert set(failures) == {"cara-001", "gone-001"}
    command = r"wav\.scp, line 2: 'sph2pipe -f wav -p -c 1 audio/rec2\.sph \|' is a command, and none is run; write"
    assert re.search(command, failures["cara-001"])
    assert re.search(r"data/text: gone-001 has no words in the ctm", failures["gone-001"])


@pytest.mark.parametrize(
    "command", ["touch EXECUTED |", "| touch EXECUTED", "touch EXECUTED; cat x |", "$(touch EXECUTED)"]
)
def test_nothing_in_wav_scp_is_executed(tmp_path, monkeypatch, command):
    folder = make_corpus("kaldi", tmp_path)
    monkeypatch.chdir(folder)
    (folder / "data/wav.scp").write_text(f"rec1 {command}\nrec3 {command}\n")
    corpus = load_corpus(folder)
    assert corpus.utterances == ()
    assert not list(tmp_path.rglob("EXECUTED"))


@pytest.mark.parametrize("entry", ["foo.ark:1234", "foo.ark:1234[0:9]", "gone.wav", "audio"])
def test_kaldi_archives_and_missing_files_are_refused_with_their_line(tmp_path, entry):
    folder = make_corpus("kaldi", tmp_path)
    (folder / "data/wav.scp").write_text(f"rec1 {entry}\nrec3 {entry}\n")
    messages = {f.id: f.message for f in load_corpus(folder).failures}
    assert "wav.scp, line" in messages["anna-001"]
    assert "wav.scp, line" in messages["rec3"]


def test_a_bad_word_of_a_kaldi_ctm_fails_its_utterance_alone(tmp_path):
    folder = make_corpus("kaldi", tmp_path)
    ctm = (folder / "data/ctm").read_text()
    (folder / "data/ctm").write_text(ctm.replace("ben-001 1 0.50 0.60 MORNING", "ben-001 1 0.50 -0.60 MORNING"))
    corpus = load_corpus(folder)
    messages = {f.id: f.message for f in corpus.failures}
    assert set(messages) == {"ben-001", "cara-001", "gone-001"}  # the last two fail in the good corpus, too
    assert re.search(r"ctm, line 7: 'MORNING' ends \(-0\.1 s\) before it starts \(0\.5 s\)", messages["ben-001"])
    assert {"anna-001", "rec3"} <= set(by_id(corpus))


def test_kaldi_words_of_recordings_are_dealt_to_their_segments(tmp_path):
    """A CTM by recording: a word belongs to the segment that holds its middle."""
    folder = make_corpus("kaldi", tmp_path)
    (folder / "data/ctm").write_text(
        "rec1 1 1.2 0.3 HELLO\nrec1 1 2.0 0.5 WORLD\nrec1 1 3.1 0.4 GOOD\nrec1 1 5.5 0.2 X\n"
    )
    with pytest.warns(
        InputWarning, match=r"recording rec1: 1 of 4 words lie in no segment .* the first is 'X' at 5\.50 s"
    ):
        found = by_id(load_corpus(folder))
    assert words_of(found["anna-001"]) == [("hello", 1.2, 1.5), ("world", 2.0, 2.5)]
    assert words_of(found["ben-001"]) == [("good", 3.1, 3.5)]


def test_kaldi_tables_and_audio_meet_by_names_in_nfc(tmp_path):
    """macOS writes the names of files decomposed (NFD), and a table made of them has such ids."""
    folder = make_corpus("kaldi", tmp_path) / "data"
    name, decomposed = "zoé", unicodedata.normalize("NFD", "zoé")
    soundfile.write(folder / "audio" / f"{decomposed}.wav", ramp(2.0), RATE)
    (folder / "wav.scp").write_text(f"{name} audio/{name}.wav\n")
    (folder / "segments").write_text(f"{name}-1 {decomposed} 0 2\n")
    (folder / "utt2spk").write_text(f"{name}-1 {decomposed}\n")
    (folder / "text").write_text(f"{decomposed}-1 salut\n")
    (folder / "ctm").write_text(f"{decomposed}-1 1 0.5 0.5 <unk>\n")
    corpus = load_corpus(folder)
    assert corpus.failures == ()
    assert [(u.id, u.recording, u.speaker, u.text) for u in corpus.utterances] == [("zoé-1", "zoé", "zoé", "salut")]


def test_a_kaldi_ctm_out_of_order_is_sorted_with_a_note(tmp_path):
    folder = make_corpus("kaldi", tmp_path)
    expected = by_id(load_corpus(folder))["ben-001"].words
    lines = (folder / "data/ctm").read_text().splitlines()
    (folder / "data/ctm").write_text("\n".join(reversed(lines)) + "\n")
    with pytest.warns(InputWarning, match=r"data/ctm: words that start before an earlier word .* sorted by time"):
        assert by_id(load_corpus(folder))["ben-001"].words == expected


def test_mfa_speakers_are_chosen_by_name_or_number_and_a_speaker_has_one_tier(tmp_path):
    folder = make_corpus("mfa", tmp_path)
    speakers = [{u.speaker for u in load_corpus(folder, tier=tier).utterances} for tier in ("3", ["1", "3"], None)]
    assert speakers == [{"ben"}, {"anna", "ben"}, {"anna", "ben"}]
    path = folder / "anna/dialogue.TextGrid"
    path.write_text(path.read_text().replace('"anna - phones"', '"ben - words"'))
    (failure,) = load_corpus(folder).failures
    assert "has 2 tiers of words of 'ben'; name one: --tier 2 or --tier 3; the tiers are 'anna" in failure.message
    assert {u.speaker for u in load_corpus(folder, tier=["anna - words", "3"]).utterances} == {"anna", "ben"}


def test_two_textgrids_of_one_mfa_recording_are_refused(tmp_path):
    folder = make_corpus("mfa", tmp_path)
    shutil.copy(folder / "anna/dialogue.TextGrid", folder / "anna/dialogue.textgrid")
    (failure,) = load_corpus(folder).failures
    assert "2 files may be its TextGrid of the same name: " in failure.message


def test_kaldi_long_recordings_without_segments_are_cut(tmp_path):
    folder = make_corpus("kaldi", tmp_path)
    for name in ("segments", "text", "utt2spk"):
        (folder / "data" / name).unlink()
    soundfile.write(folder / "data/audio/rec1.wav", ramp(40.0), RATE)
    (folder / "data/ctm").write_text("rec1 1 1 9 ONE\nrec1 1 10.5 19 TWO\nrec1 1 30 9 THREE\n")
    assert [words_of(u) for u in load_corpus(folder).utterances] == [
        [("one", 1, 10)],
        [("two", 10.5, 29.5), ("three", 30, 39)],
    ]


@pytest.mark.parametrize(("end_s", "is_read"), [("2.5", True), ("2.481", True), ("2.479", False), ("2.3", False)])
def test_kaldi_words_end_in_their_segment_but_for_a_frame(tmp_path, end_s, is_read):
    """WORLD ends at 2.5 s of the recording; aligners round to frames, so that 20 ms more are taken as rounding."""
    folder = make_corpus("kaldi", tmp_path)
    (folder / "data/segments").write_text(f"anna-001 rec1 1.0 {end_s}\n")
    corpus = load_corpus(folder)
    failures = {failure.id: failure.message for failure in corpus.failures}
    assert ("anna-001" in by_id(corpus)) == is_read
    assert is_read or f"its segment (1 to {end_s} s) does not hold its words" in failures["anna-001"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("segments", "anna-001 rec1 3.0 1.0\n", r"segments, line 1: anna-001 lasts from 3 to 1 s"),
        ("segments", "anna-001 rec1 1.0\n", r"segments, line 1: is not `utterance recording start end`"),
        ("segments", "a rec1 0 1\na rec1 1 2\n", r"segments, line 2: 'a' occurs twice"),
        ("ctm", "anna-001 1 x 0.3 HELLO\n", r"ctm, line 1: .*'x'"),
        ("ctm", "", r"ctm: "),
    ],
)
def test_a_malformed_table_of_kaldi_is_refused_with_its_place(tmp_path, name, text, message):
    folder = make_corpus("kaldi", tmp_path)
    (folder / "data" / name).write_text(text)
    with pytest.raises(InputError, match=message):
        load_corpus(folder)


# MFA


def test_mfa_tiers_of_several_speakers_are_cut_around_each_other(tmp_path):
    """thanks (5.5 to 6 s) and great (5.75 to 6.25 s) overlap: neither is used, and a warning reports the loss."""
    with pytest.warns(
        InputWarning, match=r"dialogue/anna: 1 of 4 words are spoken over and left out, the first is 'th"
    ):
        corpus = load("mfa", tmp_path)
    assert [(u.speaker, words_of(u)) for u in corpus.utterances] == [
        ("anna", [("good", 1.0, 1.5), ("morning", 1.5, 2.0)]),
        ("anna", [("fine", 5.0, 5.5)]),
        ("ben", [("how's", 2.5, 3.0), ("life", 3.0, 3.5)]),
    ]
    assert {(u.recording, u.reference) for u in corpus.utterances} == {("anna/dialogue", "automatic")}
    assert corpus.utterances[0].id == "anna/dialogue/anna-00000750-00002250"
    assert dict(corpus.marks) == {"sil": 1, "sp": 1}


def test_mfa_tier_selects_one_speaker_still_cut_around_the_others(tmp_path):
    with pytest.warns(InputWarning):
        corpus = load_corpus(make_corpus("mfa", tmp_path), tier="anna - words")
    assert [u.text for u in corpus.utterances] == ["good morning", "fine"]


def test_mfa_files_are_opened_for_detection_without_a_warning(tmp_path):
    """The second word of anna starts 0.5 ms before the first one ends. The reader of the words warns once."""
    words = [Word("good", 0.1, 0.4), Word("morning", 0.4, 0.9)]
    write_words(tmp_path / "a.TextGrid", {"anna - words": words, "ben - words": [Word("so", 1.2, 1.5)]}, 2.0)
    text = (tmp_path / "a.TextGrid").read_text()
    (tmp_path / "a.TextGrid").write_text(text.replace("xmin = 0.4\n", "xmin = 0.3995\n"))
    soundfile.write(tmp_path / "a.wav", ramp(2.0), RATE)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert detect_kind(tmp_path, list_files(tmp_path)) == "mfa"
    with pytest.warns(InputWarning, match=r"'anna - words': 1 of its intervals overlap .* 0\.5 ms") as warned:
        load_corpus(tmp_path)
    assert [str(each.message) for each in warned if "rounding" in str(each.message)] == [str(warned[0].message)]


def test_mfa_with_one_speaker_a_file_is_a_folder(tmp_path):
    soundfile.write(tmp_path / "a.wav", ramp(1.0), RATE)
    write_words(tmp_path / "a.TextGrid", {"anna - words": [Word("hello", 0.2, 0.6)]}, 1.0)
    corpus = load_corpus(tmp_path)
    assert (corpus.kind, [u.id for u in corpus.utterances]) == ("folder", ["a"])


# Detection of the kind


def test_several_fitting_kinds_are_refused(tmp_path):
    folder = make_corpus("timit", tmp_path)
    shutil.copytree(make_corpus("kaldi", tmp_path), folder / "kaldi")
    with pytest.raises(
        InputError, match=r"may be of several kinds: timit \(SI3\.WRD\), kaldi \(wav\.scp\); name one with"
    ):
        load_corpus(folder)
    with pytest.warns(InputWarning):
        assert load_corpus(folder, kind="timit").kind == "timit"


def test_textgrids_beside_another_kind_of_reference_are_not_passed_over(tmp_path):
    folder = make_corpus("timit", tmp_path)
    write_words(folder / "TRAIN/DR1/FABC0/SA1.TextGrid", {"words": [Word("she", 0.2, 0.4)]}, 2.0)
    with pytest.raises(InputError, match=r"several kinds: timit \(SI3\.WRD\), folder \(SA1\.TextGrid\)"):
        load_corpus(folder)
    assert [u.text for u in load_corpus(folder, kind="folder").utterances] == ["she"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"kind": "switchboard"},
            r"kind 'switchboard': there is no such kind of corpus; use one of folder, mfa",
        ),
        ({"kind": "buckeye"}, r"timit: holds no utterances of kind buckeye; check the path, or name another --kind"),
        ({"tier": "words"}, r"timit: a corpus of kind timit has no tiers; leave --tier out"),
    ],
)
def test_a_kind_or_tier_that_does_not_fit_is_refused(tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        load_corpus(make_corpus("timit", tmp_path), **options)


@pytest.mark.parametrize("id_", ["/etc/x", "a/../../x", "..", "a\\b", "a\u0080b", "x" * 240])
def test_an_id_that_would_lead_out_of_a_folder_is_refused(tmp_path, id_):
    folder = make_corpus("kaldi", tmp_path)
    (folder / "data/segments").write_text(f"{id_} rec1 1.0 3.0\n")
    (folder / "data/ctm").write_text(f"{id_} 1 0.2 0.3 HELLO\n")
    corpus = load_corpus(folder)
    assert corpus.utterances == ()
    assert any("cannot name a file" in f.message for f in corpus.failures)


def test_language_and_speaker_are_completed_from_options(tmp_path):
    u = by_id(load_corpus(make_corpus("kaldi", tmp_path), language="en", speaker_characters=2))["anna-001"]
    assert (u.language, u.speaker) == ("en", "an")


def test_a_manifest_without_lhotse_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setattr("align_eval.corpus.readers.lhotse.find_spec", lambda _name: None)
    with pytest.raises(
        InputError, match=r"recordings\.jsonl: is a manifest of Lhotse, and lhotse is not installed; pip"
    ):
        load("lhotse", tmp_path)


def test_a_file_that_is_no_corpus_is_refused(tmp_path):
    Path(tmp_path / "notes.txt").write_text("nothing to hear")
    with pytest.raises(InputError, match=r"notes\.txt: is a file, not a folder"):
        load_corpus(tmp_path / "notes.txt")


@pytest.mark.parametrize("stem", ["s01\n01b", "s01\\01b", "x" * 225, os.fsdecode(b"caf\xe9")])
@pytest.mark.parametrize("kind", ["buckeye", "timit"])
def test_a_file_whose_name_cannot_be_an_id_is_one_failure(tmp_path, kind, stem):
    """Cut stretches of a recording have longer ids than its name, which must leave room for them."""
    folder = make_corpus(kind, tmp_path)
    good = load_corpus(folder)
    audio = good.utterances[0].audio.path
    beside = [path for path in audio.parent.iterdir() if path.stem.lower() == audio.stem.lower()]
    for path in beside:
        shutil.copyfile(path, audio.with_name(stem + path.suffix))
    corpus = load_corpus(folder)
    if kind == "timit" and len(stem) == 225:  # one utterance, whose id is the name alone
        assert len(corpus.utterances) == len(good.utterances) + 1
        return
    assert corpus.utterances == good.utterances
    new = [f for f in corpus.failures if f not in good.failures]
    assert [bool(re.search("cannot name a file|its name is not UTF-8", f.message)) for f in new] == [True]


def test_a_speaker_of_mfa_who_cannot_name_a_file_is_one_failure(tmp_path):
    folder = make_corpus("mfa", tmp_path)
    good = load_corpus(folder)
    grid = next(folder.rglob("*.TextGrid"))
    text = grid.read_text()
    assert '"ben - words"' in text
    grid.write_text(text.replace('"ben - words"', '"../ben - words"'))
    corpus = load_corpus(folder)
    assert {u.id for u in corpus.utterances} == {u.id for u in good.utterances if "ben" not in u.id}
    assert [f.message.endswith("its speaker cannot name a file; rename the tier") for f in corpus.failures] == [True]
