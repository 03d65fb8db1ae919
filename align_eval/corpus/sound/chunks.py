"""True sizes of WAV, RF64, AIFF and AU files.

A program that writes to a pipe cannot go back to its header, and leaves a size that means unknown: 0, or a number near
2^31 or 2^32. The sound then lasts to the end of the file. A plausible size that is larger than the file means that the
file was cut short.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from mmap import mmap
from pathlib import Path

from align_eval.corpus.sound.mp3 import mp3_parts
from align_eval.corpus.sound.parts import Part, converted, cut_short
from align_eval.errors import InputError

WAVE_MAGICS = (b"RIFF", b"RF64", b"BW64", b"RIFX")
"""RIFX is RIFF with the most significant byte first."""

AU_MAGICS = (b".snd", b"dns.")
"""The second has the least significant byte first."""

HEADER_BYTES = 12
"""Magic, size and form type of RIFF and IFF files."""

UNKNOWN_SIZES = (0x7F000000, 2**31, 2**32)
"""Sizes in the headers of pipes; the first is that of AIFF files by sox."""

UNKNOWN_MARGIN = 2**16
"""Largest difference from one of these sizes, since some programs subtract or add that of a block or of the header."""

MAX_SIZE = 2**62
"""A 64-bit size from here on means unknown."""

NOT_32_BIT = 0xFFFFFFFF
"""Size in RF64 files that means: see the chunk ``ds64``; in AU files: unknown."""

SSND_BYTES = 8
"""Offset and block size, at the start of the chunk with the samples of AIFF files."""

TEXT_CHUNKS, LONGEST_TEXT = (b"LIST", b"id3 ", b"ID3 ", b"bext", b"iXML", b"cue "), 2**20
"""Chunks that may follow the samples, and the most bytes before the end of a file in which one may start."""

MAX_CHUNKS = 2**16
"""Most chunks of a file that are looked at; others have some tens."""

MAX_PARTS = 2**12
"""Most files that may be joined to one."""

MPEG_TAGS, EXTENSIBLE_TAG = (0x50, 0x55), 0xFFFE
"""Sample formats of WAV: frames of MPEG layers 1 to 3, and a format that is stated in a longer header."""

EXTENSIBLE_BYTES = 24
"""Place of that format in the longer header."""

TAGS = (b"ID3", b"TAG", b"APETAGEX")


def is_unknown(size: int) -> bool:
    """Tell whether the size in a header means that the size was unknown when the header was written."""
    near = any(abs(size - unknown) <= UNKNOWN_MARGIN for unknown in UNKNOWN_SIZES)
    return size == 0 or near or size >= MAX_SIZE


def wave_parts(data: mmap | bytes, path: Path) -> tuple[Part, ...]:
    """Parts of a WAV, RF64 or BW64 file, or of several that were joined.

    Raises
    ------
    InputError
        If the file is shorter than its header states.
    """
    if data[8:12] != b"WAVE":
        return (Part(0, len(data)),)
    return tuple(piece for part in _joined(data, path, _wave_part) for piece in _of_mpeg(data, path, part))


def aiff_parts(data: mmap | bytes, path: Path) -> tuple[Part, ...]:
    """Parts of an AIFF or AIFF-C file, with the errors of :func:`wave_parts`."""
    return _joined(data, path, _aiff_part) if data[8:12] in (b"AIFF", b"AIFC") else (Part(0, len(data)),)


def au_parts(data: mmap | bytes, path: Path) -> tuple[Part, ...]:
    """Parts of an AU file, with the errors of :func:`wave_parts`."""
    return _joined(data, path, _au_part)


@dataclass(frozen=True, slots=True)
class _Found:
    """Places and sizes that a header states, in bytes.

    ``form`` is the first byte that ``form_size`` counts, ``body`` the first byte of the samples. ``open_part`` is the
    part if the size of the samples is unknown.
    """

    start: int
    form: int
    form_size: int
    body: int
    size: int
    open_part: Part


def _joined(
    data: mmap | bytes, path: Path, part_from: Callable[[mmap | bytes, Path, int], tuple[Part, int]]
) -> tuple[Part, ...]:
    """The parts of files that follow each other; ``part_from`` returns a part and the start of the next."""
    parts: list[Part] = []
    start = 0
    while start < len(data):
        if len(parts) == MAX_PARTS:
            raise InputError(path, f"is joined from more than {MAX_PARTS} files", "join them with ffmpeg or sox")
        part, start = part_from(data, path, start)
        parts.append(part)
    return tuple(parts)


def _wave_part(data: mmap | bytes, path: Path, start: int) -> tuple[Part, int]:
    magic = data[start : start + 4]
    order = _order(magic)
    (riff_size,) = struct.unpack_from(f"{order}I", data, start + 4)
    chunks = _chunks_until(b"data", data, start + HEADER_BYTES, order)
    if b"data" not in chunks:
        return Part(start, len(data)), len(data)
    body, size = chunks[b"data"]
    head = start + HEADER_BYTES
    if magic in (b"RF64", b"BW64") and b"ds64" in chunks:
        ds64, ds64_size = chunks[b"ds64"]
        long_riff_size, long_size = struct.unpack_from("<QQ", data, ds64)
        riff_size = long_riff_size if riff_size == NOT_32_BIT else riff_size
        size = long_size if size == NOT_32_BIT else size
        head = ds64 + ds64_size
    block = struct.unpack_from(f"{order}H", data, chunks[b"fmt "][0] + 12)[0] if b"fmt " in chunks else 1
    tail = data[max(body, len(data) - 2) :]
    is_padded = block == 1 and (len(data) - body) % 2 == 0 and tail[-1:] == b"\0" and tail != b"\0\0"
    stop = min(_before_text(data, body, order), len(data) - is_padded)
    open_part = Part(body, stop, _wave_header(data[head : body - 4], stop - body, block, order))
    part, stop = _part(data, path, _Found(start, start + 8, riff_size, body, size, open_part), WAVE_MAGICS, order)
    if magic == b"BW64" and not part.prefix:  # libsndfile knows it by its earlier name
        part = replace(part, start=start + 4, prefix=b"RF64")
    return part, stop


def _order(magic: bytes) -> str:
    return ">" if magic == b"RIFX" else "<"


def _of_mpeg(data: mmap | bytes, path: Path, part: Part) -> tuple[Part, ...]:
    """The streams of MPEG frames in a part of a WAV file; the part itself if its samples have another format."""
    header, start = (part.prefix, 0) if part.prefix else (data, part.start)
    order = _order(header[start : start + 4])
    chunks = _chunks_until(b"data", header, start + HEADER_BYTES, order)
    if b"data" not in chunks or b"fmt " not in chunks:
        return (part,)
    form, _ = chunks[b"fmt "]
    (tag,) = struct.unpack_from(f"{order}H", header, form)
    if tag == EXTENSIBLE_TAG:
        (tag,) = struct.unpack_from(f"{order}H", header, form + EXTENSIBLE_BYTES)
    if tag not in MPEG_TAGS:
        return (part,)
    body, stop = (part.start, part.stop) if part.prefix else (chunks[b"data"][0], sum(chunks[b"data"]))
    return tuple(
        replace(stream, start=body + stream.start, stop=body + stream.stop)
        for stream in mp3_parts(data[body : min(stop, part.stop)], path)
    )


def _wave_header(chunks: bytes, n_bytes: int, block: int, order: str) -> bytes:
    """Header of a WAV or RF64 file with ``n_bytes`` of samples; ``chunks`` end with the name of the last, ``data``."""
    n_all = len(b"WAVE") + len(chunks) + 4 + n_bytes
    if n_all < NOT_32_BIT:  # RF64 files hold fewer sample formats
        magic = b"RIFF" if order == "<" else b"RIFX"
        return struct.pack(f"{order}4sI4s", magic, n_all, b"WAVE") + chunks + struct.pack(f"{order}I", n_bytes)
    sizes = struct.pack("<QQQI", n_all, n_bytes, n_bytes // max(block, 1), 0)
    ds64 = struct.pack("<4sI", b"ds64", len(sizes)) + sizes
    return struct.pack("<4sI4s", b"RF64", NOT_32_BIT, b"WAVE") + ds64 + chunks + struct.pack("<I", NOT_32_BIT)


def _aiff_part(data: mmap | bytes, path: Path, start: int) -> tuple[Part, int]:
    (form_size,) = struct.unpack_from(">I", data, start + 4)
    chunks = _chunks_until(b"SSND", data, start + HEADER_BYTES, ">")
    if b"SSND" not in chunks:
        return Part(start, len(data)), len(data)
    chunk, size = chunks[b"SSND"]
    body = chunk + SSND_BYTES
    header = data[start : chunk - 4] + struct.pack(">I", min(len(data) - chunk, 2**31 - 1)) + data[chunk:body]
    found = _Found(start, start + 8, form_size, body, max(size - SSND_BYTES, 0), Part(body, len(data), header))
    return _part(data, path, found, (b"FORM",), ">")


def _au_part(data: mmap | bytes, path: Path, start: int) -> tuple[Part, int]:
    order = ">" if data[start : start + 4] == b".snd" else "<"
    offset, size = struct.unpack_from(f"{order}II", data, start + 4)
    body = start + offset
    header = data[start : start + 8] + struct.pack(f"{order}I", NOT_32_BIT) + data[start + 12 : body]
    return _part(data, path, _Found(start, body, size, body, size, Part(body, len(data), header)), AU_MAGICS, order)


def _part(data: mmap | bytes, path: Path, found: _Found, magics: Sequence[bytes], order: str) -> tuple[Part, int]:
    """The part that was found, and the start of the next: the end of the file if none is joined to it."""
    end = len(data)
    form_stop, stop = found.form + found.form_size, found.body + found.size
    is_open = is_unknown(found.size) and not (found.size == 0 and _only_chunks(data, found.body, order))
    # Some programs count a byte that they do not write. The size of the form may be wrong if the samples are complete.
    needed = stop if not is_open else 0 if is_unknown(found.form_size) else form_stop
    if needed > end + 1:
        raise cut_short(path, needed - found.start, end - found.start)
    if is_open:
        return found.open_part, end
    stop = min(end, stop + found.size % 2)
    if data[stop : stop + 4] not in magics and not is_unknown(found.form_size):
        stop = min(end, max(stop, form_stop))
    if data[stop : stop + 4] in magics:
        return Part(found.start, stop), stop
    if _has_content(data, stop) and not data[stop : stop + 8].startswith(TAGS) and not _only_chunks(data, stop, order):
        problem = f"{end - stop} bytes follow the end that its header states, and are not read"
        remedy = "if they are sound, write the file again"
        if magics == WAVE_MAGICS:
            remedy = converted(path, "if they are sound, convert it", ("-ignore_length", "1"))
        return Part(found.start, end, doubt=f"{problem}; {remedy}"), end
    return Part(found.start, end), end


def _chunks(data: mmap | bytes, position: int, order: str) -> Iterator[tuple[bytes, int, int]]:
    """Yield (name, first byte of the body, size of the body) of each chunk, as far as there may be chunks."""
    for _ in range(MAX_CHUNKS):
        if position + 8 > len(data):
            return
        name, size = struct.unpack_from(f"{order}4sI", data, position)
        yield name, position + 8, size
        position += 8 + size + size % 2


def _chunks_until(last: bytes, data: mmap | bytes, position: int, order: str) -> dict[bytes, tuple[int, int]]:
    """First byte and size of the chunks up to the one that is named, by name."""
    chunks = {}
    for name, body, size in _chunks(data, position, order):
        chunks[name] = (body, size)
        if name == last:
            break
    return chunks


def _before_text(data: mmap | bytes, floor: int, order: str) -> int:
    """First byte of the chunks of text at the end of a file; its length if there are none."""
    stop = len(data)
    for _ in TEXT_CHUNKS:
        for name in TEXT_CHUNKS:
            place = data.rfind(name, max(floor, stop - LONGEST_TEXT), stop - 4)
            if place >= 0 and place + 8 + struct.unpack_from(f"{order}I", data, place + 4)[0] in (stop - 1, stop):
                stop = place
    return stop


def _has_content(data: mmap | bytes, position: int) -> bool:
    """Tell whether a byte from a position on is not zero."""
    return any(data[start : start + LONGEST_TEXT].strip(b"\0") for start in range(position, len(data), LONGEST_TEXT))


def _only_chunks(data: mmap | bytes, position: int, order: str) -> bool:
    """Tell whether the rest of a file is chunks with printable names, or nothing."""
    for name, body, size in _chunks(data, position, order):
        if not name.isascii() or not name.decode("ascii").isprintable():
            return False
        position = body + size + size % 2
    return position in (len(data), len(data) + 1)
