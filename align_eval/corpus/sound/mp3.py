"""Parts of MP3 files, and the number of their samples, counted frame by frame.

libsndfile estimates the length of a stream without a Xing header from its first frame, and stops there. If the header
is that of the first of several joined files, it states the length of that file alone.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from mmap import mmap
from pathlib import Path

from align_eval.corpus.sound.parts import Part
from align_eval.errors import InputError

MPEG_1, MPEG_2 = 3, 2
LAYER_1, LAYER_2, LAYER_3 = 3, 2, 1
"""Codes of versions and layers in the header of a frame; the other version is MPEG 2.5."""

_KBPS = {
    (True, LAYER_1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, LAYER_2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, LAYER_3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, LAYER_1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, LAYER_2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, LAYER_3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""Bit rates in kbit/s by version (is it MPEG 1) and layer."""

LARGEST_FRAME = 2048
"""Upper limit of the size of a frame in bytes."""

INCOMPLETE = "its last frame is incomplete, and is not read; copy the file again if it was cut short"

VBRI_OFFSET = 36
ID3_BYTES, APE_BYTES, ID3V1_BYTES = 10, 32, 128

SUFFIXES = (".mp3", ".mp2", ".mpga")
SEARCHED_BYTES = 2**16
"""Bytes before the first frame that may be something else, in a file with one of these suffixes."""

PREROLL_SAMPLES = 100 * 1152
"""A frame uses bits of earlier frames, of at most this many samples: decoding starts this much before a span."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame: its place and size in bytes, its samples per channel, and the stream that it fits into.

    A stream has one version, layer, code of the sample rate, and is mono or not.
    """

    start: int
    size: int
    n_samples: int
    stream: tuple[int, int, int, bool]


@dataclass(slots=True)
class _Stream:
    """Frames that follow each other without a gap, up to the next Xing header.

    ``promised`` is the number of frames that its Xing or VBRI header states, 0 for unknown. ``xing`` is the place of
    that number, if the decoder reads it.
    """

    start: int
    stop: int
    n_frames: int = 0
    n_samples: int = 0
    promised: int = 0
    xing: int | None = None


def mp3_parts(data: mmap | bytes, path: Path) -> tuple[Part, ...]:
    """One part per stream; the whole file if no MPEG frame is found at the start.

    Raises
    ------
    InputError
        If there are fewer frames than a VBRI header states.
    """
    streams: list[_Stream] = []
    for frame in _frames(data, SEARCHED_BYTES if path.suffix.lower() in SUFFIXES else 0):
        stop = frame.start + frame.size
        header = _header(data, frame)
        if header:
            streams.append(header)
            continue
        last = streams[-1] if streams else None
        if last is None or last.stop != frame.start or 0 < last.promised == last.n_frames:
            last = _Stream(frame.start, stop)
            streams.append(last)
        last.stop, last.n_frames, last.n_samples = stop, last.n_frames + 1, last.n_samples + frame.n_samples
    streams = [stream for stream in _with_lone_ends(streams) if stream.n_frames]
    if not streams:
        return (Part(0, len(data)),)
    tail = _frame(data, streams[-1].stop)
    is_cut = tail is not None and tail.start + tail.size > len(data)
    if len(streams) == 1 and streams[0].xing is not None and streams[0].promised == streams[0].n_frames:
        return (Part(0, len(data)),)
    for stream in streams:
        if stream.xing is None and stream.promised > stream.n_frames + 1:
            problem = f"is cut short: its header promises {stream.promised} frames, it has {stream.n_frames}"
            raise InputError(path, problem, "copy it again")
    return tuple(_part(data, stream, is_cut and stream is streams[-1]) for stream in streams)


def _with_lone_ends(streams: Iterable[_Stream]) -> Iterator[_Stream]:
    """Join a lone frame without a header to the stream before it: a count that is one too small."""
    last = None
    for stream in streams:
        is_lone = stream.n_frames == 1 and not stream.promised and stream.xing is None
        if last is not None and is_lone and stream.start == last.stop:
            last.stop, last.n_frames, last.n_samples = stream.stop, last.n_frames + 1, last.n_samples + stream.n_samples
            continue
        if last is not None:
            yield last
        last = stream
    if last is not None:
        yield last


def _part(data: mmap | bytes, stream: _Stream, is_cut: bool) -> Part:
    """The part of a stream; libsndfile counts the samples only of one with a Xing header."""
    doubt = INCOMPLETE if is_cut and not stream.promised else ""
    if stream.xing is None:
        size = (stream.n_frames + 1) * LARGEST_FRAME
        return Part(stream.start, stream.stop, size=size, n_samples=stream.n_samples, doubt=doubt)
    # Encoders that write to a pipe state 0, some count the header as a frame, and some miss the last frame.
    if stream.promised in (0, stream.n_frames - 1) or (stream.promised == stream.n_frames + 1 and not is_cut):
        head = data[stream.start : stream.xing] + struct.pack(">I", stream.n_frames)
        return Part(stream.xing + 4, stream.stop, head, doubt=doubt)
    return Part(stream.start, stream.stop)


def _header(data: mmap | bytes, frame: Frame) -> _Stream | None:
    """The stream that starts with a Xing, Info or VBRI header, if the frame is one."""
    version, layer, _, is_mono = frame.stream
    if layer != LAYER_3:
        return None
    stop = frame.start + frame.size
    side_bytes = (17 if is_mono else 32) if version == MPEG_1 else (9 if is_mono else 17)
    place = frame.start + 4 + side_bytes
    if data[place : place + 4] in (b"Xing", b"Info"):
        flags, n_frames = struct.unpack_from(">II", data, place + 4)
        if flags & 1:
            return _Stream(frame.start, stop, promised=n_frames, xing=place + 8)
        return _Stream(stop, stop)
    place = frame.start + VBRI_OFFSET
    if data[place : place + 4] == b"VBRI":
        return _Stream(stop, stop, promised=int.from_bytes(data[place + 14 : place + 18], "big"))
    return None


def _frames(data: mmap | bytes, searched_bytes: int) -> Iterator[Frame]:
    """Yield the complete frames of a file; tags and other bytes between them are passed over."""
    position = after_tags(data, 0)
    stream = None
    limit = position + searched_bytes
    while (position := data.find(b"\xff", position)) >= 0 and (stream or position <= limit):
        frame = _frame(data, position)
        # A frame counts if it joins the one before, or another one or the end of the file or a tag follows it.
        if frame is None or not _is_followed(data, frame):
            position += 1
            continue
        stream = frame.stream
        while frame and frame.stream == stream and frame.start + frame.size <= len(data):
            yield frame
            position = frame.start + frame.size
            frame = _frame(data, position)
        position = after_tags(data, position)


def _is_followed(data: mmap | bytes, frame: Frame) -> bool:
    stop = frame.start + frame.size
    after = _frame(data, stop)
    return bool(after and after.stream == frame.stream) or stop == len(data) or _after_tag(data, stop) > stop


def _frame(data: mmap | bytes, position: int) -> Frame | None:
    """The frame at a byte, if a header of a frame with a stated bit rate is there; the frame may be incomplete."""
    header = data[position : position + 4]
    if len(header) < 4 or header[0] != 0xFF:
        return None
    known = _frame_of_header(header[1], header[2])
    if known is None:
        return None
    size, n_samples, stream = known
    return Frame(position, size, n_samples, (*stream, header[3] >> 6 == 3))


@cache
def _frame_of_header(second: int, third: int) -> tuple[int, int, tuple[int, int, int]] | None:
    """Size, samples and stream of a frame from two bytes of its header; None if they are none (ISO/IEC 11172-3)."""
    version, layer, rate_code = second >> 3 & 3, second >> 1 & 3, third >> 2 & 3
    kbps_code = third >> 4
    if second >> 5 != 7 or version == 1 or layer == 0 or rate_code == 3 or kbps_code in (0, 15):
        return None
    is_mpeg_1 = version == MPEG_1
    rate = (44_100, 48_000, 32_000)[rate_code] // (1 if is_mpeg_1 else 2 if version == MPEG_2 else 4)
    n_samples = 384 if layer == LAYER_1 else 1152 if layer == LAYER_2 or is_mpeg_1 else 576
    slot_bytes = 4 if layer == LAYER_1 else 1
    n_slots = n_samples // 8 // slot_bytes * _KBPS[is_mpeg_1, layer][kbps_code] * 1000 // rate + (third >> 1 & 1)
    return n_slots * slot_bytes, n_samples, (version, layer, rate_code)


def before_tags(data: mmap | bytes, stop: int) -> int:
    """First byte of the tags that end at a byte: ID3v1, APEv2, ID3v2 with a footer."""
    while True:
        ape, id3 = data[max(0, stop - APE_BYTES) : stop], data[max(0, stop - ID3_BYTES) : stop]
        if data[max(0, stop - ID3V1_BYTES) : stop][:3] == b"TAG":
            n_bytes = ID3V1_BYTES
        elif ape[:8] == b"APETAGEX":
            n_bytes = int.from_bytes(ape[12:16], "little") + (APE_BYTES if ape[23] & 0x80 else 0)
        elif id3[:3] == b"3DI":
            a, b, c, d = id3[6:10]
            n_bytes = 2 * ID3_BYTES + (a << 21 | b << 14 | c << 7 | d)
        else:
            return stop
        stop = max(0, stop - max(n_bytes, 1))


def after_tags(data: mmap | bytes, position: int) -> int:
    """First byte after the tags that start at a byte: ID3v2, ID3v1, APEv2."""
    while (after := _after_tag(data, position)) > position:
        position = after
    return position


def _after_tag(data: mmap | bytes, position: int) -> int:
    """First byte after the tag that starts at a byte; that byte if none does."""
    head = data[position : position + 32]
    if head[:3] == b"ID3" and len(head) >= ID3_BYTES:
        a, b, c, d = head[6:10]
        footer = ID3_BYTES if head[5] & 0x10 else 0
        return position + ID3_BYTES + (a << 21 | b << 14 | c << 7 | d) + footer
    if head[:8] == b"APETAGEX" and len(head) == APE_BYTES:
        is_header = head[23] & 0x20
        return position + APE_BYTES + (int.from_bytes(head[12:16], "little") if is_header else 0)
    return position + ID3V1_BYTES if head[:3] == b"TAG" else position
