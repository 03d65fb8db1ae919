"""True sizes of WAV, RF64, AIFF and AU files.

A program that writes to a pipe cannot go back to its header, and leaves a size that means unknown: 0, or a number near
2^31 or 2^32. The sound then lasts to the end of the file. A plausible size that is larger than the file means that the
file was cut short.
"""

from __future__ import annotations

import struct
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from mmap import mmap
from pathlib import Path

from align_eval.corpus.sound.parts import Part, conversion, cut_short
from align_eval.errors import InputWarning

WAVE_MAGICS = (b"RIFF", b"RF64", b"BW64")
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

TAGS = (b"ID3", b"TAG", b"APETAGEX")

PartsFrom = Callable[["mmap | bytes", Path, int], tuple[Part, ...]]


def is_unknown(size: int) -> bool:
    """Tell whether the size in a header means that the size was unknown when the header was written."""
    near = any(abs(size - unknown) <= UNKNOWN_MARGIN for unknown in UNKNOWN_SIZES)
    return size == 0 or near or size >= MAX_SIZE


def wave_parts(data: mmap | bytes, path: Path, start: int = 0) -> tuple[Part, ...]:
    """Parts of a WAV, RF64 or BW64 file, from the one that starts at byte ``start``.

    Raises
    ------
    InputError
        If the file is shorter than its header states.
    """
    (riff_size,) = struct.unpack_from("<I", data, start + 4)
    chunks = _chunks_until(b"data", data, start + HEADER_BYTES, "<")
    if b"data" not in chunks:
        return (Part(start, len(data)),)
    body, size = chunks[b"data"]
    head = start + HEADER_BYTES
    magic = data[start : start + 4]
    if magic != b"RIFF" and b"ds64" in chunks:
        ds64, ds64_size = chunks[b"ds64"]
        long_riff_size, long_size = struct.unpack_from("<QQ", data, ds64)
        riff_size = long_riff_size if riff_size == NOT_32_BIT else riff_size
        size = long_size if size == NOT_32_BIT else size
        head = ds64 + ds64_size
    header = b"" if magic == b"RIFF" and size else _rf64_header(data, start, head, chunks)
    found = _Found(start, start + 8, riff_size, body, size, header)
    parts = _parts(data, path, found, WAVE_MAGICS, "<", wave_parts)
    if magic == b"BW64" and not parts[0].prefix:  # libsndfile knows it by its earlier name
        return (replace(parts[0], start=start + 4, prefix=b"RF64"), *parts[1:])
    return parts


def aiff_parts(data: mmap | bytes, path: Path, start: int = 0) -> tuple[Part, ...]:
    """Parts of an AIFF or AIFF-C file; parameters and errors as of :func:`wave_parts`."""
    (form_size,) = struct.unpack_from(">I", data, start + 4)
    chunks = _chunks_until(b"SSND", data, start + HEADER_BYTES, ">")
    if b"SSND" not in chunks:
        return (Part(start, len(data)),)
    chunk, size = chunks[b"SSND"]
    body = chunk + SSND_BYTES
    header = data[start : chunk - 4] + struct.pack(">I", min(len(data) - chunk, 2**31 - 1)) + data[chunk:body]
    found = _Found(start, start + 8, form_size, body, max(size - SSND_BYTES, 0), header)
    return _parts(data, path, found, (b"FORM",), ">", aiff_parts)


def au_parts(data: mmap | bytes, path: Path, start: int = 0) -> tuple[Part, ...]:
    """Parts of an AU file; parameters and errors as of :func:`wave_parts`."""
    offset, size = struct.unpack_from(">II", data, start + 4)
    body = start + offset
    header = data[start : start + 8] + struct.pack(">I", NOT_32_BIT) + data[start + 12 : body]
    return _parts(data, path, _Found(start, body, size, body, size, header), (b".snd",), ">", au_parts)


@dataclass(frozen=True, slots=True)
class _Found:
    """Places and sizes that a header states, in bytes.

    ``form`` is the first byte that ``form_size`` counts, ``body`` the first byte of the samples. ``header`` is a header
    for samples of unknown size; if it is empty, libsndfile reads them without.
    """

    start: int
    form: int
    form_size: int
    body: int
    size: int
    header: bytes


def _parts(
    data: mmap | bytes, path: Path, found: _Found, magics: Sequence[bytes], order: str, parts_from: PartsFrom
) -> tuple[Part, ...]:
    """The part that was found, and those of further files that are joined to it."""
    end = len(data)
    form_stop, stop = found.form + found.form_size, found.body + found.size
    is_open = is_unknown(found.size) and not (found.size == 0 and _only_chunks(data, found.body, order))
    if not is_unknown(found.form_size) and form_stop > end + 1:  # some programs count a byte that they do not write
        raise cut_short(path, form_stop - found.start, end - found.start)
    if not is_open and stop > end + 1:
        raise cut_short(path, stop - found.start, end - found.start)
    if is_open and found.header:
        return (Part(found.body, end, found.header),)
    if is_open:
        return (Part(found.start, end),)
    stop = min(end, max(stop + found.size % 2, 0 if is_unknown(found.form_size) else form_stop))
    if data[stop : stop + 4] in magics:
        return (Part(found.start, stop), *parts_from(data, path, stop))
    if data[stop:].strip(b"\0") and not data[stop : stop + 8].startswith(TAGS) and not _only_chunks(data, stop, order):
        problem = f"{end - stop} bytes follow the end that its header states, and are not read"
        remedy = f"if they are sound, mend the header: {conversion(path).replace(' -i ', ' -ignore_length 1 -i ', 1)}"
        warnings.warn(InputWarning(f"{path}: {problem}; {remedy}"), stacklevel=2)
    return (Part(found.start, end),)


def _rf64_header(data: mmap | bytes, start: int, head: int, chunks: dict[bytes, tuple[int, int]]) -> bytes:
    """RF64 header of samples that last to the end of the file; ``head`` is the first byte after sizes."""
    n_bytes = len(data) - chunks[b"data"][0]
    block = struct.unpack_from("<H", data, chunks[b"fmt "][0] + 12)[0] if b"fmt " in chunks else 1
    sizes = struct.pack("<QQQI", len(data) - start, n_bytes, n_bytes // max(block, 1), 0)
    ds64 = b"ds64" + struct.pack("<I", len(sizes)) + sizes
    unknown = struct.pack("<I", NOT_32_BIT)
    return b"RF64" + unknown + b"WAVE" + ds64 + data[head : chunks[b"data"][0] - 4] + unknown


def _chunks(data: mmap | bytes, position: int, order: str) -> Iterator[tuple[bytes, int, int]]:
    """Yield (name, first byte of the body, size of the body) of each chunk."""
    while position + 8 <= len(data):
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


def _only_chunks(data: mmap | bytes, position: int, order: str) -> bool:
    """Tell whether the rest of a file is chunks with printable names, or nothing."""
    for name, body, size in _chunks(data, position, order):
        if not name.isascii() or not name.decode("ascii").isprintable():
            return False
        position = body + size + size % 2
    return position in (len(data), len(data) + 1)
