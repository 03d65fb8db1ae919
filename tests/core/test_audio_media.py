"""M4A, MP4, WebM and the sound of video: through ffmpeg, or refused with the command that converts the file."""

import gc
import shlex
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

from align_eval.corpus.audio import audio_duration_s, decode, open_sound, read_audio
from align_eval.corpus.bundled import load_corpus
from align_eval.corpus.make_references import audio_files
from align_eval.corpus.sound import ffmpeg
from align_eval.corpus.sound.suffixes import AUDIO_SUFFIXES, MEDIA_SUFFIXES
from align_eval.errors import InputError, InputWarning
from align_eval.formats.textgrids import write_words
from align_eval.records import AudioSpan, Word
from tests.helpers.command_line import align_eval

RATE = 16_000
INTEGERS = np.random.default_rng(0).integers(-20_000, 20_000, (RATE, 2)).astype(np.int16)
NO_MEDIA = b"\0\0\0\x20ftypM4A \0\0\0\0" + bytes(100)


def run_ffmpeg(*arguments):
    subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-y", *map(str, arguments)], check=True, timeout=60)


def media(path, *options, samples=INTEGERS):
    """Write samples in the codec and container of the options, by ffmpeg."""
    wav = path.with_name(f"source of {path.name}.wav")
    soundfile.write(wav, samples, RATE)
    run_ffmpeg("-i", wav, *options, f"file:{path}")
    wav.unlink()
    return path


def grid_beside(path):
    write_words(path.with_suffix(".TextGrid"), {"words": (Word("one", 0.1, 0.4), Word("two", 0.5, 0.9))}, 1.0)
    return path


# Without ffmpeg


@pytest.fixture
def no_ffmpeg(monkeypatch):
    monkeypatch.setenv("PATH", "")
    ffmpeg.decoded.cache_clear()


@pytest.mark.usefixtures("no_ffmpeg")
@pytest.mark.parametrize("name", ["a.m4a", "it's a.mp4", "-a.webm", "a.wav", "a"])
def test_without_ffmpeg_the_refusal_gives_the_command(tmp_path, monkeypatch, name):
    """Also of a relative name that looks like an option, and of an M4A file with another suffix."""
    monkeypatch.chdir(tmp_path)
    path = Path(name)
    path.write_bytes(NO_MEDIA)
    with pytest.raises(InputError) as caught:
        audio_duration_s(path)
    assert str(caught.value).startswith(f"{name}: needs ffmpeg, which is not on the PATH; install ffmpeg, or ")
    program, option, source, target = shlex.split(caught.value.remedy.split(": ", 1)[1])
    assert (program, option, Path(source)) == ("ffmpeg", "-i", path)
    assert Path(target) == path.with_suffix(".flac" if path.suffix == ".wav" else ".wav")
    assert not source.startswith("-")


@pytest.mark.usefixtures("no_ffmpeg")
def test_without_ffmpeg_an_m4a_file_beside_a_textgrid_is_named(tmp_path):
    path = grid_beside(tmp_path / "a.m4a")
    path.write_bytes(NO_MEDIA)
    done = align_eval("corpus", "check", str(tmp_path))
    assert done.returncode == 2
    assert f"{path}: needs ffmpeg" in done.stdout
    assert "no audio beside it" not in done.stdout


@pytest.mark.usefixtures("no_ffmpeg")
def test_other_audio_of_the_same_name_comes_first_and_media_without_words_are_passed_over(tmp_path):
    for name in ("a.mp4", "a.webm", "b.mp4"):
        (tmp_path / name).write_bytes(NO_MEDIA)
    soundfile.write(grid_beside(tmp_path / "a.wav"), INTEGERS, RATE)
    corpus = load_corpus(tmp_path)
    assert [u.audio.path.name for u in corpus.utterances] == ["a.wav"]
    assert corpus.failures == ()
    assert audio_files(tmp_path) == {"a": [tmp_path / "a.wav"]}


def test_no_suffix_is_in_both_lists():
    assert len({*AUDIO_SUFFIXES, *MEDIA_SUFFIXES}) == len(AUDIO_SUFFIXES) + len(MEDIA_SUFFIXES)


# With ffmpeg


@pytest.mark.ffmpeg
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.m4a", ["-c:a", "alac"]),
        ("a.mov", ["-c:a", "pcm_s16le"]),
        ("a.mkv", ["-c:a", "flac"]),
        ("a.avi", ["-c:a", "pcm_s16le"]),
        ("a.wv", []),
        ("a.ogg", ["-c:a", "flac"]),
        ("a.wav", ["-f", "ipod", "-c:a", "alac"]),
        ("a%03d.m4a", ["-c:a", "alac"]),
        ("concat:a|b.m4a", ["-c:a", "alac"]),
    ],
)
def test_every_sample_of_a_lossless_codec_is_read(tmp_path, name, options):
    path = media(tmp_path / name, *options)
    sound = open_sound(path)
    assert (sound.rate, sound.n_channels, sound.n_samples) == (RATE, 2, RATE)
    np.testing.assert_array_equal(decode(sound, 0, RATE) * 32768, INTEGERS)
    samples = read_audio(AudioSpan(path, 1, 0.25, 0.75))
    np.testing.assert_array_equal(samples * 32768, INTEGERS[4000:12000, 1])


@pytest.mark.ffmpeg
@pytest.mark.parametrize(
    "name", ["a.m4a", "a.mp4", "a.webm", "a.aac", "a.wma", "a.mka", "a.mpg", "a.mov", "a.flv", "a.3gp", "a.m4b"]
)
def test_every_sample_of_a_lossy_codec_is_what_ffmpeg_writes_as_wav(tmp_path, name):
    options = {"a.flv": ["-ar", "22050"], "a.3gp": ["-c:a", "aac"], "a.m4b": ["-f", "ipod"]}.get(name, [])
    path = media(tmp_path / name, *options)
    run_ffmpeg("-i", path, "-c:a", "pcm_f32le", tmp_path / "expected.wav")
    expected, rate = soundfile.read(tmp_path / "expected.wav", dtype="float32", always_2d=True)
    sound = open_sound(path)
    assert (sound.rate, sound.n_samples) == (rate, len(expected))
    assert audio_duration_s(path) > 0.95
    np.testing.assert_array_equal(decode(sound, 0, sound.n_samples), expected)


@pytest.mark.ffmpeg
@pytest.mark.parametrize("form", ["ipod", "adts", "matroska", "webm", "asf", "mpegts", "ac3"])
def test_media_named_mp3_are_known_by_their_first_bytes(tmp_path, form):
    """Bytes of other codecs may look like a few frames of MP3."""
    options = {"webm": [], "ac3": ["-c:a", "ac3", "-ar", "48000"]}.get(form, ["-c:a", "aac"])
    path = media(tmp_path / "a.mp3", *options, "-f", form, samples=np.tile(INTEGERS, (4, 1)))
    run_ffmpeg("-i", path, "-c:a", "pcm_f32le", tmp_path / "expected.wav")
    expected, _ = soundfile.read(tmp_path / "expected.wav", dtype="float32", always_2d=True)
    sound = open_sound(path)
    np.testing.assert_array_equal(decode(sound, 0, sound.n_samples), expected)
    assert audio_duration_s(path) == pytest.approx(4, abs=0.1)


@pytest.mark.ffmpeg
def test_mp3_inside_wav_is_read_whole_and_refused_where_it_is_cut(tmp_path):
    """ffmpeg writes the frames without a Xing header; MPEG 2 adds at most an encoder delay and a frame of 36 ms."""
    path = media(tmp_path / "a.wav", "-c:a", "libmp3lame", samples=np.tile(INTEGERS, (4, 1)))
    data = path.read_bytes()
    sound = open_sound(path)
    assert 4 <= audio_duration_s(path) <= 4.15
    assert len(decode(sound, 0, sound.n_samples)) == sound.n_samples
    n_fact = data.index(b"fact")
    path.write_bytes(data[:n_fact] + b"junk" + data[n_fact + 4 :])
    assert open_sound(path).n_samples == sound.n_samples
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match="is cut short"):
        open_sound(path)


@pytest.mark.ffmpeg
def test_the_first_sound_of_a_video_is_read(tmp_path):
    for i in (0, 1):
        soundfile.write(tmp_path / f"{i}.wav", INTEGERS[:, i], RATE)
    inputs = ["-f", "lavfi", "-i", "testsrc=d=1:s=64x64", "-i", tmp_path / "1.wav", "-i", tmp_path / "0.wav"]
    maps = ["-map", "0:v", "-map", "1:a", "-map", "2:a", "-c:a", "pcm_s16le"]
    run_ffmpeg(*inputs, *maps, tmp_path / "a.mkv")
    np.testing.assert_array_equal(read_audio(AudioSpan(tmp_path / "a.mkv")) * 32768, INTEGERS[:, 1])


@pytest.mark.ffmpeg
def test_a_file_is_decoded_once_and_its_temporary_file_goes_with_it(tmp_path, monkeypatch):
    path = media(tmp_path / "a.m4a", "-c:a", "alac")
    commands = []
    run = subprocess.run
    monkeypatch.setattr(subprocess, "run", lambda *a, **k: commands.append(a[0]) or run(*a, **k))
    audio_duration_s(path)
    for start_s in (0.0, 0.5):
        read_audio(AudioSpan(path, start_s=start_s))
    temporary = Path(open_sound(path).file)
    assert len(commands) == 1
    assert temporary.is_file()
    ffmpeg.decoded.cache_clear()
    gc.collect()
    assert not temporary.exists()


@pytest.mark.ffmpeg
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.m4a", []),
        ("a.m4a", ["-movflags", "+faststart"]),
        ("a.webm", []),
        ("a.wma", []),
        ("a.aac", []),
        ("a.mkv", []),
    ],
)
def test_media_cut_short_are_refused(tmp_path, name, options):
    path = media(tmp_path / name, *options, samples=np.tile(INTEGERS, (4, 1)))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(
        InputError, match=r"a\.\w+: cannot be decoded by ffmpeg \(.+\); the file is damaged or cut short"
    ):
        audio_duration_s(path)


@pytest.mark.ffmpeg
def test_a_video_without_sound_a_playlist_and_a_file_that_takes_too_long_are_refused(tmp_path, monkeypatch):
    run_ffmpeg("-f", "lavfi", "-i", "testsrc=d=0.2:s=64x64", tmp_path / "silent.mp4")
    with pytest.raises(InputError, match=r"silent\.mp4: has no sound; name a file with sound"):
        audio_duration_s(tmp_path / "silent.mp4")
    sound = media(tmp_path / "a.aac")
    (tmp_path / "list.m4a").write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{sound}\n#EXT-X-ENDLIST\n")
    with pytest.raises(InputError, match=r"list\.m4a: cannot be decoded by ffmpeg"):
        audio_duration_s(tmp_path / "list.m4a")
    monkeypatch.setattr(ffmpeg, "LIMIT_S", 0)
    with pytest.raises(
        InputError, match=r"a\.aac: ffmpeg did not decode it in 0 s; cut the file, or convert it: ffmpeg"
    ):
        audio_duration_s(sound)


@pytest.mark.ffmpeg
def test_a_corpus_of_m4a_files_is_checked_and_converted_and_the_remedy_works_as_typed(tmp_path, monkeypatch):
    folder = tmp_path / "a corpus"
    folder.mkdir()
    path = grid_beside(media(folder / "a.m4a", "-c:a", "alac"))
    assert align_eval("corpus", "check", str(folder)).returncode == 0
    assert align_eval("corpus", "convert", str(folder), str(tmp_path / "out")).returncode == 0
    samples, rate = soundfile.read(tmp_path / "out" / "a.wav", dtype="float32")
    assert rate == RATE
    np.testing.assert_array_equal(samples * 32768, INTEGERS)
    with monkeypatch.context() as without:
        without.setenv("PATH", "")
        ffmpeg.decoded.cache_clear()
        with pytest.raises(InputError) as caught:
            audio_duration_s(path)
        failed = align_eval("corpus", "check", str(folder))
    assert failed.returncode == 2
    subprocess.run(shlex.split(caught.value.remedy.split(": ", 1)[1]), check=True, stdin=subprocess.DEVNULL, timeout=60)
    assert [u.audio.path.name for u in load_corpus(folder).utterances] == ["a.wav"]


@pytest.mark.ffmpeg
def test_the_remedy_for_bytes_past_the_stated_end_reads_them(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, INTEGERS, RATE)
    path.write_bytes(path.read_bytes() + INTEGERS.tobytes())
    with pytest.warns(InputWarning, match="64000 bytes follow") as caught:
        read_audio(AudioSpan(path))
    subprocess.run(shlex.split(str(caught[0].message).split(": ")[-1]), check=True, stdin=subprocess.DEVNULL)
    sound = open_sound(tmp_path / "a.flac")
    np.testing.assert_array_equal(decode(sound, 0, sound.n_samples) * 32768, np.tile(INTEGERS, (2, 1)))


@pytest.mark.ffmpeg
@pytest.mark.parametrize("name", ["a.m4a", "a.mp4", "a.mov", "a.mp3"])
def test_joined_files_of_boxes_are_refused_for_ffmpeg_reads_the_first_alone(tmp_path, name):
    path = media(tmp_path / "a.m4a", "-c:a", "aac")
    (tmp_path / name).write_bytes(2 * path.read_bytes())
    with pytest.raises(InputError, match=r"is joined from files, of which the first ends at byte \d+; convert each"):
        open_sound(tmp_path / name)


@pytest.mark.ffmpeg
@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg"])
def test_the_command_that_converts_a_file_mends_its_corpus_when_typed(tmp_path, suffix):
    """libsndfile cannot read G.722; the file keeps its stem, by which it has its words."""
    folder = tmp_path / "a corpus"
    folder.mkdir()
    source = media(tmp_path / "a.wav", "-c:a", "g722", "-ac", "1")
    path = grid_beside(folder / f"a{suffix}")
    path.write_bytes(source.read_bytes())
    failed = align_eval("corpus", "check", str(folder))
    assert failed.returncode == 2
    with pytest.raises(InputError, match=rf"is not audio .*; convert it .*, then remove a{suffix}: ffmpeg") as caught:
        open_sound(path)
    subprocess.run(shlex.split(caught.value.remedy.split(": ", 1)[1]), check=True, stdin=subprocess.DEVNULL, timeout=60)
    path.unlink()
    assert align_eval("corpus", "check", str(folder)).returncode == 0
