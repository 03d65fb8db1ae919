"""Conversion of other layouts to folders with the same words and samples, and checks of corpora."""

import shutil

import numpy as np
import pytest
import soundfile

from align_eval.corpus.audio import read_audio
from align_eval.corpus.bundled import bundled_path, load_corpus
from align_eval.corpus.check import check_corpus
from align_eval.corpus.convert import convert_corpus
from align_eval.corpus.folder import Corpus
from align_eval.errors import InputError
from align_eval.formats.textgrids import write_words
from align_eval.records import AudioSpan, Utterance, Word
from tests.corpora import AUDIO, RATE, make_corpus, ramp
from tests.helpers.command_line import align_eval

pytestmark = pytest.mark.filterwarnings("ignore::align_eval.errors.InputWarning")


@pytest.mark.parametrize("kind", [kind for kind in AUDIO if kind != "lhotse"])
def test_a_converted_corpus_is_the_same_words_on_the_same_samples(tmp_path, kind):
    corpus = load_corpus(make_corpus(kind, tmp_path))
    failures = convert_corpus(corpus, tmp_path / "out")
    back = load_corpus(tmp_path / "out")
    assert (failures, back.failures, back.kind) == (corpus.failures, (), "folder")
    for u, v in zip(corpus.utterances, back.utterances, strict=True):
        assert (v.id, v.language, v.speaker, v.recording, v.reference) == (
            u.id, u.language, u.speaker, u.recording, u.reference
        )  # fmt: skip
        assert [(w.text, w.start_s, w.end_s) for w in v.words] == [(w.text, w.start_s, w.end_s) for w in u.words]
        np.testing.assert_array_equal(read_audio(v.audio), read_audio(u.audio))


def test_the_demo_is_copied_byte_for_byte(tmp_path):
    assert convert_corpus(load_corpus("demo-ru"), tmp_path / "out") == ()
    audio = sorted(bundled_path("demo-ru").glob("*.flac"))
    assert audio
    for path in audio:
        assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes()


def corpus_of(span):
    word = Word("word", 0.1, 0.2)
    return Corpus("one", (Utterance("a", span, (word,), "word", "en", None, "a", 0.5),), ())


@pytest.mark.parametrize(
    ("form", "subtype", "written"),
    [
        ("wav", "PCM_16", "a.flac"),
        ("wav", "PCM_24", "a.flac"),
        ("flac", "PCM_S8", "a.flac"),
        ("wav", "PCM_U8", "a.wav"),
        ("wav", "PCM_32", "a.wav"),
        ("wav", "FLOAT", "a.wav"),
        ("wav", "DOUBLE", "a.wav"),
        ("wav", "ULAW", "a.wav"),
        ("wav", "ALAW", "a.wav"),
        ("ogg", "VORBIS", "a.wav"),
        ("mp3", "MPEG_LAYER_III", "a.wav"),
    ],
)
def test_a_cut_holds_the_very_samples_of_every_form(tmp_path, form, subtype, written):
    """At another rate than the model's, and one of two channels: what is cut is the file's own samples.

    An MP3 is decoded from before the cut, because a frame uses bits of earlier frames.
    """
    noise = np.random.default_rng(0).uniform(-0.9, 0.9, (22_050, 2))
    path = tmp_path / f"long.{form}"
    soundfile.write(path, noise, 22_050, subtype=subtype)
    assert convert_corpus(corpus_of(AudioSpan(path, 1, 0.25, 0.75)), tmp_path / "out") == ()
    first, last = round(0.25 * 22_050), round(0.75 * 22_050)
    samples = soundfile.read(path, dtype="float32" if form == "mp3" else "float64")[0][first:last]
    cut, rate = soundfile.read(tmp_path / "out" / written, dtype="float64")
    assert rate == 22_050
    np.testing.assert_array_equal(cut, samples[:, 1])


def test_no_file_is_overwritten(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").touch()
    with pytest.raises(InputError, match=r"out: exists and is not empty; name a new folder"):
        convert_corpus(load_corpus("demo-ru"), tmp_path / "out")


def test_damaged_audio_is_left_out_and_listed(tmp_path):
    folder = tmp_path / "mine"
    shutil.copytree(bundled_path("demo-ru"), folder)
    (folder / "ru_0003.flac").write_bytes((folder / "ru_0003.flac").read_bytes()[:5000])
    (failure,) = convert_corpus(load_corpus(folder), tmp_path / "out")
    assert failure.id == "ru_0003"
    assert "ru_0003.flac: " in failure.message
    assert not list((tmp_path / "out").glob("ru_0003*"))


# Checks


def test_check_counts_what_can_be_used(tmp_path):
    """The text files say: 3 utterances on rec1 and rec3 of 2, 2 and 2 s with 3, 2 and 3 words of 1.1, 1 and 1 s."""
    checked = check_corpus(load_corpus(make_corpus("kaldi", tmp_path), language="en"))
    assert (checked.kind, checked.n_utterances, checked.n_words, checked.n_recordings) == ("kaldi", 3, 8, 2)
    assert checked.audio_h * 3600 == pytest.approx(6.0)
    assert checked.words_h * 3600 == pytest.approx(3.1)
    assert (checked.n_speakers, checked.n_without_speaker) == (3, 0)
    assert (checked.words_by_reference, checked.words_by_language) == ({"unstated": 8}, {"en": 8})
    assert [p.id for p in checked.problems] == ["cara-001", "gone-001"]


def test_check_decodes_audio_and_lists_what_cannot_be(tmp_path):
    folder = make_corpus("kaldi", tmp_path)
    samples = ramp(6.0)
    soundfile.write(folder / "data/audio/rec1.wav", samples, RATE)
    data = (folder / "data/audio/rec1.wav").read_bytes()
    (folder / "data/audio/rec1.wav").write_bytes(data[:50_000])
    problems = {p.id: p.message for p in check_corpus(load_corpus(folder)).problems}
    assert "rec1.wav: is cut short" in problems["anna-001"]


def test_the_command_prints_counts_and_every_problem_with_exit_code_2(tmp_path):
    make_corpus("librispeech", tmp_path)
    done = align_eval("corpus", "check", "librispeech", cwd=tmp_path)
    lines = done.stdout.splitlines()
    assert done.returncode == 2
    assert lines[:8] == [
        "corpus      librispeech, of kind librispeech",
        "utterances  3 of 3 recordings",
        "words       18 (automatic 18)",
        "audio       0.002 h, 0.001 h of it in words",
        "speakers    2",
        "languages   en 18",
        "marks       <unk> 2, sil 1",
        "problems    1",
    ]
    assert "84-121123-0002.flac: there is no alignment" in lines[8]


def test_the_commands_end_with_0_where_all_is_well(tmp_path):
    done = align_eval("corpus", "check", "demo-ru")
    assert (done.returncode, done.stderr) == (0, "")
    done = align_eval("corpus", "convert", "demo-ru", "out", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "written: out, 6 utterances\n")
    assert load_corpus(tmp_path / "out").utterances[0].language == "ru"


def test_convert_lists_what_it_leaves_out_with_exit_code_2(tmp_path):
    make_corpus("kaldi", tmp_path)
    done = align_eval("corpus", "convert", "kaldi", "out", cwd=tmp_path)
    assert done.returncode == 2
    *left_out, written = done.stdout.splitlines()
    assert (len(left_out), written) == (2, "written: out, 3 utterances")


def test_recordings_longer_than_the_window_are_checked_and_converted_for_run_cuts_them(tmp_path):
    """Damage past the first window is found all the same."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    for name in ("good", "cut"):
        samples = np.random.default_rng(0).integers(-9_000, 9_000, 31 * RATE).astype(np.int16)
        soundfile.write(folder / f"{name}.flac", samples, RATE)
        write_words(folder / f"{name}.TextGrid", {"words": (Word("one", 0.1, 0.4),)}, 31.0)
    path = folder / "cut.flac"
    path.write_bytes(path.read_bytes()[: -(path.stat().st_size // 62)])
    corpus = load_corpus(folder)
    check = check_corpus(corpus)
    assert (check.n_utterances, [f.id for f in check.problems]) == (1, ["cut"])
    assert check.audio_h == pytest.approx(31 / 3600)
    assert [f.id for f in convert_corpus(corpus, tmp_path / "out")] == ["cut"]
    assert (tmp_path / "out" / "good.flac").is_file()
