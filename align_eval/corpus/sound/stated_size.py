"""Files whose header states how many bytes they have: those that libsndfile reads without a word if they are cut short.

SPHERE, CAF and Wave64. :mod:`align_eval.corpus.sound.chunks` has WAV, AIFF and AU.
"""

from __future__ import annotations

import re
import struct
from mmap import mmap
from pathlib import Path

from align_eval.corpus.sound.chunks import is_unknown
from align_eval.corpus.sound.parts import Part, cut_short
from align_eval.errors import InputError

SPHERE_MAGIC, CAF_MAGIC, W64_MAGIC = MAGICS = (b"NIST", b"caff", b"riff")
SPHERE_HEADER_BYTES = 1024
CAF_HEADER_BYTES = 8


def stated_size_parts(data: mmap | bytes, path: Path) -> tuple[Part, ...]:
    """The one part of a file, if the file is as long as its header states.

    Raises
    ------
    InputError
        If it is shorter, or a compressed SPHERE file.
    """
    magic = data[:4]
    if magic == SPHERE_MAGIC:
        stated = _sphere_size(data[:SPHERE_HEADER_BYTES], path)
    elif magic == CAF_MAGIC:
        stated = _caf_size(data)
    else:
        (stated,) = struct.unpack_from("<Q", data, 16)
    if stated > len(data) and not is_unknown(stated):
        raise cut_short(path, stated, len(data))
    return (Part(0, len(data)),)


def _sphere_size(header: bytes, path: Path) -> int:
    """Size of a SPHERE file (NIST 1A), 0 if its header does not state it."""
    fields = dict(re.findall(rb"^(\w+) -\w+ (.+)$", header, re.MULTILINE))
    coding = fields.get(b"sample_coding", b"")
    if b"embedded-" in coding:  # libsndfile cannot read it
        raise InputError(
            path,
            f"is SPHERE audio compressed as {coding.decode('ascii', errors='replace').strip()!r}",
            "expand it: `sph2pipe -f wav IN OUT`, or `w_decode -o pcm IN OUT` of NIST's SPHERE tools",
        )
    try:
        n_samples, n_bytes = int(fields[b"sample_count"]), int(fields[b"sample_n_bytes"])
        return int(header[8:16]) + n_samples * n_bytes * int(fields.get(b"channel_count", 1))
    except (KeyError, ValueError):
        return 0


def _caf_size(data: mmap | bytes) -> int:
    """Size of a CAF file up to the end of its samples, 0 if its header does not state it."""
    position = CAF_HEADER_BYTES
    while position + 12 <= len(data):
        name, size = struct.unpack_from(">4sq", data, position)
        position += 12 + max(size, 0)
        if name == b"data":
            return position if size > 0 else 0
    return 0
