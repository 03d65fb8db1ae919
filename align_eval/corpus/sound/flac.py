"""Parts of FLAC files (RFC 9639): files that were joined, and streams whose header states no length.

An encoder that writes to a pipe states a length of 0. The header of the last frame then gives the length: it holds the
number of the frame or of its first sample, and how many samples follow. Its checksum shows that the frame is complete.
"""

from __future__ import annotations

import re
from functools import cache
from mmap import mmap
from pathlib import Path

from align_eval.corpus.sound.mp3 import before_tags
from align_eval.corpus.sound.parts import Part
from align_eval.errors import InputError

MAGIC = b"fLaC"
STREAMINFO_BYTES = 34
N_SAMPLES_BITS = 36

_START = re.compile(rb"fLaC[\x00\x80]\x00\x00\x22")
"""The magic and the header of its first block, which has a fixed length and may be the last block."""

LARGEST_FRAME = 2**20
"""Upper limit of the size of a frame in bytes, where the header states none."""

LONGEST_HEADER = 16
CODED_SIZES = {1: 192, **{n: 576 << (n - 2) for n in range(2, 6)}, **{n: 256 << (n - 8) for n in range(8, 16)}}
"""Samples of a frame by the code in its header; codes 6 and 7 mean a number of 8 or 16 bits at its end."""


def flac_parts(data: mmap | bytes, path: Path) -> tuple[Part, ...]:
    """One part per FLAC file that was joined.

    Raises
    ------
    InputError
        If no length is stated and the last frame is incomplete.
    """
    starts = [match.start() for match in _START.finditer(data)]
    if not starts:
        return (Part(0, len(data)),)
    spans = list(zip([0, *starts[1:]], [*starts[1:], len(data)], strict=True))
    return tuple(_part(data, path, first, start, stop) for (first, stop), start in zip(spans, starts, strict=True))


def _part(data: mmap | bytes, path: Path, first: int, start: int, stop: int) -> Part:
    info = start + 8
    stated = int.from_bytes(data[info + 10 : info + 18], "big")
    if stated % 2**N_SAMPLES_BITS or len(data) < info + STREAMINFO_BYTES:
        return Part(first, stop)
    n_samples = _n_samples(data, info, stop)
    if n_samples is None:
        raise InputError(path, "is cut short: its last frame is incomplete", "copy it again")
    header = data[start : info + 10] + (stated + n_samples).to_bytes(8, "big")
    return Part(info + 18, stop, header)


def _n_samples(data: mmap | bytes, info: int, stop: int) -> int | None:
    """Number of samples per channel up to the end of the last frame; None if the last frame is incomplete."""
    fixed_size = int.from_bytes(data[info + 2 : info + 4], "big")
    largest = int.from_bytes(data[info + 7 : info + 10], "big") or LARGEST_FRAME
    stop = before_tags(data, stop)
    floor = max(info + STREAMINFO_BYTES, stop - largest)
    position = stop
    while (position := data.rfind(b"\xff", floor, position)) >= 0:
        header = data[position : min(position + LONGEST_HEADER, stop)]
        end = _frame_end(header, fixed_size)
        if end is not None and crc(data[position:stop], 16, 0x8005) == 0:
            return end
    return None


def _frame_end(header: bytes, fixed_size: int) -> int | None:
    """Number of samples up to the end of the frame with this header; None if it is no header."""
    if len(header) < 6 or header[1] & 0xFE != 0xF8:
        return None
    n_number = max(1, 8 - (header[4] ^ 0xFF).bit_length())  # the coding of UTF-8, with up to 7 bytes
    number = header[4] & (0x7F >> (n_number if n_number > 1 else 0))
    for byte in header[5 : 4 + n_number]:
        number = number << 6 | byte & 0x3F
    position = 4 + n_number
    code = header[2] >> 4
    n_size = {6: 1, 7: 2}.get(code, 0)
    size = int.from_bytes(header[position : position + n_size], "big") + 1 if n_size else CODED_SIZES.get(code)
    position += n_size + {12: 1, 13: 2, 14: 2}.get(header[2] & 15, 0)
    if size is None or len(header) <= position or crc(header[: position + 1], 8, 0x07):
        return None
    is_variable = header[1] & 1
    return number + size if is_variable else number * fixed_size + size


def crc(data: bytes, n_bits: int, polynomial: int) -> int:
    """Cyclic redundancy check; 0 over data that ends with its own check."""
    table, value, mask = _crc_table(n_bits, polynomial), 0, 2**n_bits - 1
    for byte in data:
        value = table[value >> (n_bits - 8) ^ byte] ^ value << 8 & mask
    return value


@cache
def _crc_table(n_bits: int, polynomial: int) -> tuple[int, ...]:
    table = []
    for byte in range(256):
        value = byte << (n_bits - 8)
        for _ in range(8):
            value = (value << 1 ^ polynomial if value >> (n_bits - 1) else value << 1) & (2**n_bits - 1)
        table.append(value)
    return tuple(table)
