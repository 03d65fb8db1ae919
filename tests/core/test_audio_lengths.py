"""True lengths: streams whose header states none or a wrong one, joined files, and files that are cut short.

Each file is made from known samples or frames, so that the right samples are known: those that were written, or what
libsndfile decodes from each file before it was joined.
"""

import io
import struct

import numpy as np
import pytest
import soundfile

from align_eval.corpus.audio import audio_duration_s, decode, open_sound, read_audio
from align_eval.errors import InputError, InputWarning
from align_eval.records import AudioSpan

RATE = 16_000
N = 8_001  # odd, so that 8-bit and 24-bit sounds have an odd number of bytes
INTEGERS = np.random.default_rng(0).integers(-20_000, 20_000, N).astype("<i2")
RAW = INTEGERS.tobytes()
SIZES_OF_PIPES = [
    0,
    0x7FFFFFFF,
    0x7FFFF000,
    0x7FFFFFFF - 36,
    0x7FFFF024,
    0x80000000,
    0x80000024,
    0xFFFFFFFF,
    0xFFFFFFDB,
]
PCM = struct.pack("<HHIIHH", 1, 1, RATE, 2 * RATE, 2, 16)
EXTENSIBLE = struct.pack("<HHIIHHHHI", 0xFFFE, 1, RATE, 2 * RATE, 2, 16, 22, 16, 4) + bytes.fromhex(
    "0100000000001000800000aa00389b71"
)
LIST = b"LIST" + struct.pack("<I", 26) + b"INFOISFT" + struct.pack("<I", 14) + b"Lavf59.27.100\0"


def wav(riff_size, data_size, raw=RAW, fmt=PCM, more=b""):
    header = b"RIFF" + struct.pack("<I", riff_size) + b"WAVEfmt " + struct.pack("<I", len(fmt)) + fmt + more
    return header + b"data" + struct.pack("<I", data_size) + raw


def encoded(samples, rate=RATE, **form):
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, **form)
    return buffer.getvalue()


def noise(seconds, rate=RATE, n_channels=1, quiet_s=0.0):
    samples = np.random.default_rng(round(seconds * 1000)).uniform(-0.5, 0.5, (round(seconds * rate), n_channels))
    samples[: round(quiet_s * rate)] *= 1e-4
    return samples


def put(path, data):
    path.write_bytes(data)
    return path


def samples_of(path):
    """All samples, after a check that duration, span and whole agree."""
    sound = open_sound(path)
    samples = decode(sound, 0, sound.n_samples)
    assert len(samples) == sound.n_samples == round(audio_duration_s(path) * sound.rate)
    first, last = sound.n_samples // 3, sound.n_samples - 50
    np.testing.assert_allclose(decode(sound, first, last), samples[first:last], atol=1e-6)
    return samples


# WAV, AIFF and AU from pipes


@pytest.mark.parametrize("more", [b"", LIST], ids=["plain", "LIST"])
@pytest.mark.parametrize("fmt", [PCM, EXTENSIBLE], ids=["PCM", "extensible"])
@pytest.mark.parametrize("data_size", SIZES_OF_PIPES, ids=hex)
def test_a_wav_file_from_a_pipe_is_read_to_its_end(tmp_path, data_size, fmt, more):
    for riff_size in (0, 0x23, 36, 0x7FFFF024, 0x80000024, 0xFFFFFFFF, 36 + len(RAW)):
        path = put(tmp_path / f"{riff_size}.wav", wav(riff_size, data_size, fmt=fmt, more=more))
        np.testing.assert_array_equal(samples_of(path)[:, 0] * 32768, INTEGERS)
        np.testing.assert_array_equal(read_audio(AudioSpan(path)) * 32768, INTEGERS)


@pytest.mark.parametrize("size", [0, 0x7FFFF000, 0xFFFFFFFF], ids=hex)
@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"])
@pytest.mark.parametrize("n_channels", [1, 2])
def test_every_sample_format_from_a_pipe_is_read_to_its_end(tmp_path, subtype, size, n_channels):
    whole = encoded(noise(0.5, n_channels=n_channels), format="WAV", subtype=subtype)
    place = whole.index(b"data") + 4
    piped = whole[:4] + struct.pack("<I", size) + whole[8:place] + struct.pack("<I", size) + whole[place + 4 :]
    expected = soundfile.read(io.BytesIO(whole), dtype="float32", always_2d=True)[0]
    np.testing.assert_array_equal(samples_of(put(tmp_path / "a.wav", piped)), expected)


@pytest.mark.parametrize("size", [0, 2**63, 2**64 - 1, 2**63 - 1], ids=hex)
@pytest.mark.parametrize("magic", [b"RF64", b"BW64"])
def test_a_long_wav_file_from_a_pipe_is_read_to_its_end(tmp_path, magic, size):
    ds64 = b"ds64" + struct.pack("<IQQQI", 28, size, size, 0, 0)
    data = (
        magic + b"\xff\xff\xff\xffWAVE" + ds64 + b"fmt " + struct.pack("<I", 16) + PCM + b"data\xff\xff\xff\xff" + RAW
    )
    np.testing.assert_array_equal(samples_of(put(tmp_path / "a.wav", data))[:, 0] * 32768, INTEGERS)


def test_a_bw64_file_with_its_sizes_is_read_and_refused_if_cut(tmp_path):
    whole = b"BW64" + encoded(INTEGERS, format="RF64", subtype="PCM_16")[4:]
    np.testing.assert_array_equal(samples_of(put(tmp_path / "a.wav", whole))[:, 0] * 32768, INTEGERS)
    with pytest.raises(InputError, match=r"is cut short: its header promises \d+ bytes, it has \d+"):
        open_sound(put(tmp_path / "b.wav", whole[:-100]))


@pytest.mark.parametrize("size", [0, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF], ids=hex)
def test_an_au_file_from_a_pipe_is_read_to_its_end(tmp_path, size):
    data = b".snd" + struct.pack(">5I", 24, size, 3, RATE, 1) + INTEGERS.astype(">i2").tobytes()
    np.testing.assert_array_equal(samples_of(put(tmp_path / "a.au", data))[:, 0] * 32768, INTEGERS)


@pytest.mark.parametrize(
    ("form_size", "sound_size", "n_frames"),
    [(0, 0, 0), (0, 8, 0), (46, 8, 0), (0x7F00002E, 0x7F000008, 0x3F800000), (0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF)],
)
def test_an_aiff_file_from_a_pipe_is_read_to_its_end(tmp_path, form_size, sound_size, n_frames):
    common = struct.pack(">hIh", 1, n_frames, 16) + bytes.fromhex("400cfa00000000000000")  # 16000 Hz
    header = b"FORM" + struct.pack(">I", form_size) + b"AIFFCOMM" + struct.pack(">I", 18) + common
    data = header + b"SSND" + struct.pack(">III", sound_size, 0, 0) + INTEGERS.astype(">i2").tobytes()
    np.testing.assert_array_equal(samples_of(put(tmp_path / "a.aiff", data))[:, 0] * 32768, INTEGERS)


@pytest.mark.parametrize("riff_size", [0, 0xFFFFFFFF, 36 + 4 * len(RAW), 36 + len(RAW)])
def test_a_wav_file_cut_short_is_refused_whatever_size_its_riff_states(tmp_path, riff_size):
    path = put(tmp_path / "a.wav", wav(riff_size, 4 * len(RAW)))
    with pytest.raises(
        InputError, match=rf"a\.wav: is cut short: its header promises \d+ bytes, it has {44 + len(RAW)}"
    ):
        open_sound(path)


def test_an_empty_wav_file_holds_no_samples_though_a_list_follows(tmp_path):
    for more in (b"", LIST):
        path = put(tmp_path / "a.wav", wav(36 + len(more), 0, raw=more))
        with pytest.raises(InputError, match="holds no samples"):
            open_sound(path)


def test_the_padding_byte_of_odd_data_is_no_sample(tmp_path):
    fmt = struct.pack("<HHIIHH", 1, 1, RATE, RATE, 1, 8)
    octets = bytes(range(1, 250)) * 8 + b"\x80"
    for more in (b"", LIST):
        data = wav(36 + len(octets) + 1 + len(more), len(octets), raw=octets + b"\0" + more, fmt=fmt)
        samples = samples_of(put(tmp_path / "a.wav", data))[:, 0]
        np.testing.assert_array_equal(samples * 128 + 128, np.frombuffer(octets, np.uint8))
    piped = wav(0xFFFFFFFF, 0xFFFFFFFF, raw=octets + b"\0", fmt=fmt)
    assert open_sound(put(tmp_path / "b.wav", piped)).n_samples == len(octets)


def test_bytes_past_the_stated_end_are_named(tmp_path):
    path = put(tmp_path / "a b.wav", wav(36 + len(RAW), len(RAW)) + RAW)
    with pytest.warns(
        InputWarning,
        match=r"16002 bytes .*, then remove a b\.wav: ffmpeg -ignore_length 1 -i '.*b\.wav' '.*b\.flac'",
    ):
        assert len(read_audio(AudioSpan(path))) == N


# Joined files


JOINED = {
    "WAV": ("wav", {"format": "WAV", "subtype": "PCM_16"}),
    "RF64": ("wav", {"format": "RF64", "subtype": "PCM_16"}),
    "AIFF": ("aiff", {"format": "AIFF", "subtype": "PCM_16"}),
    "AU": ("au", {"format": "AU", "subtype": "PCM_16"}),
    "FLAC": ("flac", {"format": "FLAC", "subtype": "PCM_16"}),
    "Vorbis": ("ogg", {"format": "OGG", "subtype": "VORBIS"}),
    "Opus": ("opus", {"format": "OGG", "subtype": "OPUS"}),
    "MP3": ("mp3", {"format": "MP3", "subtype": "MPEG_LAYER_III"}),
}


@pytest.mark.parametrize("form", JOINED)
def test_joined_files_hold_the_samples_of_each(tmp_path, form):
    """Seconds and serial numbers differ, and one file is there twice, with equal serial numbers."""
    suffix, options = JOINED[form]
    files = [encoded(noise(seconds), **options) for seconds in (0.6, 0.4)]
    files.append(files[0])
    expected = np.concatenate([soundfile.read(io.BytesIO(file), dtype="float32")[0] for file in files])
    assert len(expected) == 1.6 * RATE
    samples = samples_of(put(tmp_path / f"a.{suffix}", b"".join(files)))[:, 0]
    np.testing.assert_allclose(samples, expected, atol=1e-6)


@pytest.mark.parametrize("form", JOINED)
def test_a_joined_file_that_is_cut_short_is_refused(tmp_path, form):
    suffix, options = JOINED[form]
    data = b"".join(encoded(noise(seconds), **options) for seconds in (0.6, 1.4))
    path = put(tmp_path / f"a.{suffix}", data[: -len(data) // 4])
    with pytest.raises(InputError, match=r"is cut short|cannot be decoded|is not audio"):
        read_audio(AudioSpan(path))


@pytest.mark.parametrize("form", JOINED)
def test_joined_files_of_different_kinds_are_refused(tmp_path, form):
    suffix, options = JOINED[form]
    files = [encoded(noise(0.4, rate, n), rate, **options) for rate, n in ((16_000, 1), (24_000, 2))]
    path = put(tmp_path / f"a.{suffix}", b"".join(files))
    kinds = r"16000 Hz with 1 channels, 24000 Hz with 2 channels"
    with pytest.raises(
        InputError, match=rf"a\.{suffix}: is joined from files of different kinds: {kinds}; .*ffmpeg -i"
    ):
        audio_duration_s(path)


@pytest.mark.parametrize(("form", "subtype"), [("W64", "PCM_16"), ("CAF", "PCM_16"), ("NIST", "PCM_16")])
def test_other_files_cut_short_are_refused_and_whole_ones_are_not(tmp_path, form, subtype):
    whole = encoded(INTEGERS, format=form, subtype=subtype)
    np.testing.assert_array_equal(samples_of(put(tmp_path / "a", whole))[:, 0] * 32768, INTEGERS)
    with pytest.raises(InputError, match=r"b: is cut short: its header promises \d+ bytes, it has \d+"):
        open_sound(put(tmp_path / "b", whole[:-1000]))


@pytest.mark.parametrize("subtype", ["IMA_ADPCM", "MS_ADPCM", "GSM610"])
@pytest.mark.parametrize("size", [0, 0x7FFFF000])
def test_compressed_wav_files_from_a_pipe_are_read_to_their_end(tmp_path, subtype, size):
    whole = encoded(noise(0.5), format="WAV", subtype=subtype)
    place = whole.index(b"data") + 4
    piped = whole[:4] + struct.pack("<I", size) + whole[8:place] + struct.pack("<I", size) + whole[place + 4 :]
    sound, expected = open_sound(put(tmp_path / "a.wav", piped)), soundfile.read(io.BytesIO(whole), dtype="float32")[0]
    np.testing.assert_array_equal(decode(sound, 0, len(expected))[:, 0], expected)
    np.testing.assert_array_equal(decode(sound, 1000, 2000)[:, 0], expected[1000:2000])


def test_a_thousand_files_are_joined(tmp_path):
    path = put(tmp_path / "a.wav", wav(36 + 200, 200, raw=RAW[:200]) * 1100)
    np.testing.assert_array_equal(samples_of(path)[:, 0] * 32768, np.tile(INTEGERS[:100], 1100))


# MP3


def mp3_frames(data):
    """(start, size) of each frame of an MPEG layer III file that libsndfile wrote."""
    position, frames = 0, []
    while position < len(data):
        second, third = data[position + 1 : position + 3]
        is_mpeg_1 = second >> 3 & 3 == 3
        kbps = ([32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320] if is_mpeg_1 else
                [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160])[(third >> 4) - 1]  # fmt: skip
        rate = [44_100, 48_000, 32_000][third >> 2 & 3] // {3: 1, 2: 2, 0: 4}[second >> 3 & 3]
        frames.append((position, (144 if is_mpeg_1 else 72) * kbps * 1000 // rate + (third >> 1 & 1)))
        position += frames[-1][1]
    return frames


def without_xing(data):
    frames = mp3_frames(data)
    return data[frames[1][0] :], len(frames) - 1


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 24_000, 44_100, 48_000])
@pytest.mark.parametrize(("quiet_s", "n_channels"), [(0.9, 1), (0.0, 2)], ids=["loud end", "stereo"])
def test_an_mp3_stream_without_a_length_is_counted(tmp_path, rate, quiet_s, n_channels):
    """The first frame is small or large, so that a length estimated from it is too long or too short."""
    data, n_frames = without_xing(
        encoded(noise(1.8, rate, n_channels, quiet_s), rate, format="MP3", bitrate_mode="VARIABLE")
    )
    samples = samples_of(put(tmp_path / "a.mp3", data))
    assert len(samples) == n_frames * (1152 if rate >= 32_000 else 576)  # ISO/IEC 11172-3 and 13818-3
    assert 0.1 < samples[-3000:-1500].std() < 0.6  # the last frames are decoded, and are the noise


ID3V2 = b"ID3\x04\x00\x00\x00\x00\x02\x00" + b"TXXX" + b"\xff\xfb\x90\x64" * 63  # 256 bytes with false frame headers
ID3V1 = b"TAG" + bytes(125)
APE = b"APETAGEX" + struct.pack("<IIII", 2000, 32 + 40, 1, 0xA0000000) + bytes(8)  # a header, items and a footer
APE_TAG = APE + b"\xff" * 40 + APE[:20] + struct.pack("<I", 0x80000000) + bytes(8)


@pytest.mark.parametrize("is_plain", [False, True], ids=["Xing", "plain"])
def test_tags_around_and_between_mp3_streams_are_no_sound(tmp_path, is_plain):
    xing = encoded(noise(0.7), format="MP3")
    stream = without_xing(xing)[0] if is_plain else xing
    expected = samples_of(put(tmp_path / "stream.mp3", stream))
    tagged = ID3V2 + stream + APE_TAG + ID3V1
    np.testing.assert_allclose(samples_of(put(tmp_path / "tagged.mp3", tagged)), expected, atol=1e-6)
    twice = samples_of(put(tmp_path / "twice.mp3", tagged + tagged))
    np.testing.assert_allclose(twice, np.concatenate([expected, expected]), atol=1e-6)


def test_a_stream_without_xing_behind_one_with_it_is_read(tmp_path):
    first, second = (encoded(noise(seconds), format="MP3") for seconds in (0.6, 0.8))
    plain, n_frames = without_xing(second)
    samples = samples_of(put(tmp_path / "a.mp3", first + plain))
    assert len(samples) == 0.6 * RATE + n_frames * 576


@pytest.mark.parametrize("change", ["zero", "one more"])
def test_a_xing_header_from_a_pipe_or_that_counts_itself_is_corrected(tmp_path, change):
    """The encoder's delay and padding, which the header states too, are still left out."""
    data = encoded(noise(1.0), format="MP3", bitrate_mode="VARIABLE")
    place = data.index(b"Xing") + 8
    (n_frames,) = struct.unpack_from(">I", data, place)
    wrong = struct.pack(">I", 0 if change == "zero" else n_frames + 1)
    samples = samples_of(put(tmp_path / "a.mp3", data[:place] + wrong + data[place + 4 :]))
    np.testing.assert_array_equal(samples, soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)[0])


def test_a_vbri_header_is_no_sound_and_its_count_is_believed_only_as_a_limit(tmp_path):
    stream, n_frames = without_xing(encoded(noise(1.0), format="MP3", bitrate_mode="CONSTANT", compression_level=0.5))
    header = bytearray(mp3_frames(stream)[0][1])
    header[:4] = stream[:4]
    header[36:54] = b"VBRI" + struct.pack(">HHHII", 1, 0, 0, len(stream), n_frames)
    assert len(samples_of(put(tmp_path / "a.mp3", bytes(header) + stream))) == n_frames * 576
    cut = put(tmp_path / "cut.mp3", bytes(header) + stream[: len(stream) // 2])
    with pytest.raises(InputError, match=r"cut\.mp3: is cut short: its header promises \d+ frames, it has \d+"):
        audio_duration_s(cut)


def test_an_mp3_stream_that_ends_inside_a_frame_is_named(tmp_path):
    stream, n_frames = without_xing(encoded(noise(1.0), format="MP3"))
    path = put(tmp_path / "a.mp3", stream[:-10])
    with pytest.warns(InputWarning, match=r"a\.mp3: its last frame is incomplete"):
        assert len(read_audio(AudioSpan(path))) == (n_frames - 1) * 576


def test_bytes_before_and_among_mp3_frames_are_passed_over(tmp_path):
    stream, n_frames = without_xing(encoded(noise(1.0), format="MP3", bitrate_mode="CONSTANT", compression_level=0.5))
    middle = mp3_frames(stream)[10][0]
    junk = bytes(3000) + b"\xff\xf3 no frame" * 20
    samples = samples_of(put(tmp_path / "a.mp3", junk + stream[:middle] + junk + stream[middle:] + bytes(500)))
    assert len(samples) == n_frames * 576


# FLAC and Ogg


def of_unknown_length(flac):
    """The file as an encoder writes it to a pipe: the 36 bits of the number of samples are 0 (RFC 9639, 8.2)."""
    bits = int.from_bytes(flac[18:26], "big") >> 36 << 36
    return flac[:18] + bits.to_bytes(8, "big") + flac[26:]


@pytest.mark.parametrize("n", [1_000, 4_096, 4_097, 100_000, 700_000])
@pytest.mark.parametrize(("rate", "subtype", "n_channels"), [(16_000, "PCM_16", 1), (44_100, "PCM_24", 2)])
def test_a_flac_stream_without_a_length_is_counted(tmp_path, n, rate, subtype, n_channels):
    """Frames hold 4096 samples, and 700,000 samples need frame numbers of more than one byte."""
    flac = encoded(noise(n / rate, rate, n_channels), rate, format="FLAC", subtype=subtype)
    expected = soundfile.read(io.BytesIO(flac), dtype="float32", always_2d=True)[0]
    for before, after in ((b"", b""), (ID3V2, ID3V1)):
        path = put(tmp_path / f"a{len(before)}.flac", before + of_unknown_length(flac) + after)
        np.testing.assert_array_equal(samples_of(path), expected)


@pytest.mark.parametrize("lost", [1, 1000])
def test_a_flac_stream_without_a_length_that_is_cut_short_is_refused(tmp_path, lost):
    flac = of_unknown_length(encoded(noise(1.0), format="FLAC"))
    with pytest.raises(InputError, match=r"a\.flac: is cut short: its last frame is incomplete; copy it again"):
        audio_duration_s(put(tmp_path / "a.flac", flac[:-lost]))


@pytest.mark.parametrize("lost", [1, 100, 5000])
def test_an_ogg_file_that_ends_inside_a_page_is_refused(tmp_path, lost):
    data = encoded(noise(2.0), format="OGG", subtype="VORBIS")
    with pytest.raises(InputError, match=r"a\.ogg: is cut short"):
        audio_duration_s(put(tmp_path / "a.ogg", data[:-lost]))


@pytest.mark.parametrize(
    ("rate", "n_samples"),
    [(8_000, 1_100_000), (16_000, 320_000), (22_050, 441_000), (44_100, 882_000)],
    ids=["8 kHz, longer than a page may be", "16 kHz", "22 kHz", "44 kHz"],
)
def test_a_span_of_vorbis_is_the_slice_of_the_whole_also_in_the_last_page(tmp_path, rate, n_samples):
    """libsndfile 1.2.2 goes to a place 11 to 24 ms late in the last page, which is longest at few bits a second."""
    tone = 0.3 * np.sin(np.arange(n_samples) * 0.1) + np.random.default_rng(0).normal(0, 1e-3, n_samples)
    path = put(tmp_path / "a.ogg", encoded(tone, rate, format="OGG", subtype="VORBIS"))
    sound = open_sound(path)
    whole = decode(sound, 0, sound.n_samples)
    starts = [*range(0, n_samples, n_samples // 30), *range(n_samples - rate, n_samples, rate // 30)]
    for first in starts:
        last = min(first + 2_000, n_samples)
        np.testing.assert_array_equal(decode(sound, first, last), whole[first:last])


def test_a_riff_size_that_counts_its_own_header_is_no_cut(tmp_path):
    """RIFF states the size of the file less 8; some programs state the whole size. The samples are all there."""
    path = put(tmp_path / "a.wav", wav(44 + len(RAW), len(RAW)))
    np.testing.assert_array_equal(samples_of(path)[:, 0] * 32768, INTEGERS)
    joined = put(tmp_path / "b.wav", 2 * path.read_bytes())
    np.testing.assert_array_equal(samples_of(joined)[:, 0] * 32768, np.tile(INTEGERS, 2))


@pytest.mark.parametrize("size", [0, 0x7FFFFFFF, 0xFFFFFFFF, len(RAW)], ids=hex)
@pytest.mark.parametrize("form", ["RIFX", "little-endian AU"])
def test_the_other_byte_order_is_read_to_its_end_and_refused_if_cut(tmp_path, form, size):
    if form == "RIFX":
        fmt = struct.pack(">4sIHHIIHH", b"fmt ", 16, 1, 1, RATE, 2 * RATE, 2, 16)
        riff_size = 36 + len(RAW) if size == len(RAW) else size
        header = b"RIFX" + struct.pack(">I", riff_size) + b"WAVE" + fmt + b"data" + struct.pack(">I", size)
        data = header + INTEGERS.astype(">i2").tobytes()
    else:
        data = b"dns." + struct.pack("<5I", 24, size, 3, RATE, 1) + RAW
    np.testing.assert_array_equal(samples_of(put(tmp_path / "a", data))[:, 0] * 32768, INTEGERS)
    if size == len(RAW):
        joined = samples_of(put(tmp_path / "b", 2 * data))[:, 0]
        np.testing.assert_array_equal(joined * 32768, np.tile(INTEGERS, 2))
        with pytest.raises(InputError, match=r"is cut short: its header promises \d+ bytes, it has \d+"):
            open_sound(put(tmp_path / "c", data[:-1000]))


def test_one_frame_more_than_a_xing_header_counts_belongs_to_the_stream(tmp_path):
    whole = encoded(noise(1), **JOINED["MP3"][1])
    place = max(whole.find(b"Xing"), whole.find(b"Info")) + 8
    (n_frames,) = struct.unpack_from(">I", whole, place)
    expected = samples_of(put(tmp_path / "a.mp3", whole))
    path = put(tmp_path / "b.mp3", whole[:place] + struct.pack(">I", n_frames - 1) + whole[place + 4 :])
    np.testing.assert_array_equal(samples_of(path), expected)


@pytest.mark.parametrize("form", ["Vorbis", "Opus"])
def test_an_ogg_file_cut_inside_a_page_with_a_whole_one_behind_it_is_refused(tmp_path, form):
    """The first page of the second file lies inside the page that was cut."""
    data = encoded(noise(2), **JOINED[form][1])
    last_page = data.rindex(b"OggS")
    path = put(tmp_path / "a.ogg", data[: (last_page + len(data)) // 2] + data)
    with pytest.raises(InputError, match=rf"is cut short: a page starts inside the one at byte {last_page};"):
        open_sound(path)


@pytest.mark.parametrize(
    "tail", [LIST, LIST + b"id3 " + struct.pack("<I", 10) + bytes(10)], ids=["LIST", "LIST and id3"]
)
@pytest.mark.parametrize("size", [0x7FFFFFFF, 0xFFFFFFFF], ids=hex)
def test_chunks_behind_the_samples_of_a_pipe_are_no_sound(tmp_path, size, tail):
    path = put(tmp_path / "a.wav", wav(size, size, raw=RAW + tail))
    np.testing.assert_array_equal(samples_of(path)[:, 0] * 32768, INTEGERS)


APE_ITEM = struct.pack("<II", 3, 0) + b"Title\0abc"
APE_FIELDS = b"APETAGEX" + struct.pack("<III", 2000, len(APE_ITEM) + 32, 1)
APE_WITHOUT_HEADER = APE_ITEM + APE_FIELDS + bytes(12)
APE = APE_FIELDS + struct.pack("<I", 0xA0000000) + bytes(8) + APE_ITEM + APE_FIELDS
APE += struct.pack("<I", 0x80000000) + bytes(8)
ID3V1 = b"TAG" + bytes(125)


@pytest.mark.parametrize("tags", [APE, APE + ID3V1, APE_WITHOUT_HEADER], ids=["APE", "APE and ID3v1", "no header"])
def test_tags_behind_a_flac_file_from_a_pipe_are_no_sound(tmp_path, tags):
    """The header of an APEv2 tag is optional; a bit of its footer tells whether there is one."""
    data = bytearray(encoded(INTEGERS, format="FLAC", subtype="PCM_16"))
    data[21] &= 0xF0
    data[22:26] = bytes(4)  # the number of samples: unknown
    np.testing.assert_array_equal(samples_of(put(tmp_path / "a.flac", data + tags))[:, 0] * 32768, INTEGERS)
