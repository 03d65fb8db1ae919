"""Parts of Ogg files: the links of a chain (RFC 3533, section 4), of which libsndfile reads the first alone."""

from __future__ import annotations

from mmap import mmap
from pathlib import Path

from align_eval.corpus.sound.flac import crc
from align_eval.corpus.sound.parts import Part
from align_eval.errors import InputError

MAGIC = b"OggS"
CHECKSUM, CHECKSUM_POLYNOMIAL = 22, 0x04C11DB7
"""Place of the checksum in the header of a page."""

PAGE_HEADER_BYTES = 27
LONGEST_PAGE = 255 * 4096
"""Most samples of a page of Vorbis: packets by half the size of a block (Vorbis I, section 4.2.2)."""

FIRST_PAGE, LAST_PAGE = 2, 4
"""Flags of the first and of the last page of a stream."""


def ogg_parts(data: mmap | bytes, path: Path) -> tuple[Part, ...]:
    """One part per link.

    A link begins with the first pages of its streams. A stream inside a link, as the sound of a video, is not a part.

    Raises
    ------
    InputError
        If the last page of a link is not marked as the last, or a page is incomplete.
    """
    starts: list[int] = []
    position, was_first, flags, stop = 0, False, 0, 0
    while (position := data.find(MAGIC, position)) >= 0 and position + PAGE_HEADER_BYTES <= len(data):
        is_first = bool(data[position + 5] & FIRST_PAGE)
        if is_first and not was_first:
            if starts:
                _check_end(path, flags, stop, len(data))
            starts.append(position)
        was_first, flags = is_first, data[position + 5]
        stop = _page_stop(data, position)
        _check_whole(data, path, position, stop)
        position = min(stop, len(data))
    _check_end(path, flags, stop, len(data))
    if len(starts) < 2:
        return (Part(0, len(data)),)
    return tuple(Part(start, stop) for start, stop in zip(starts, [*starts[1:], len(data)], strict=True))


def _page_stop(data: mmap | bytes, start: int) -> int:
    body = start + PAGE_HEADER_BYTES + data[start + PAGE_HEADER_BYTES - 1]
    return body + sum(data[start + PAGE_HEADER_BYTES : body])


def _check_whole(data: mmap | bytes, path: Path, start: int, stop: int) -> None:
    """Refuse a page inside which another file starts. Its checksum tells it from bytes that happen to look like it."""
    position = start
    while (position := data.find(MAGIC, position + 1, stop + 3)) >= 0:
        if position + PAGE_HEADER_BYTES > len(data):
            return
        page = data[position : _page_stop(data, position)]
        blank = page[:CHECKSUM] + bytes(4) + page[CHECKSUM + 4 :]
        if crc(blank, 32, CHECKSUM_POLYNOMIAL) == int.from_bytes(page[CHECKSUM : CHECKSUM + 4], "little"):
            raise InputError(path, f"is cut short: a page starts inside the one at byte {start}", "copy it again")


def _check_end(path: Path, flags: int, stop: int, size: int) -> None:
    if not flags & LAST_PAGE or stop > size:
        raise InputError(path, "is cut short: its last page is not marked as the last", "copy it again")
