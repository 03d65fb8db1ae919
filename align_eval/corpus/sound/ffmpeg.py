"""Media that libsndfile cannot read, as M4A, MP4 and WebM: the first sound stream, decoded by ffmpeg.

ffmpeg runs as a program with a list of arguments, without a shell. It may open the file and nothing else: no network,
and no playlist that names other files.
"""

from __future__ import annotations

import errno
import os
import shutil
import struct
import subprocess
import tempfile
from functools import lru_cache
from mmap import mmap
from pathlib import Path
from typing import Any

from align_eval.corpus.sound.parts import converted
from align_eval.errors import InputError
from align_eval.reading import cannot_read, changed
from align_eval.records import FileState

LIMIT_S = 600
"""Longest time that ffmpeg may take for one file."""

MAX_DECODED_BYTES = 2**33
"""Most bytes of sound that ffmpeg may write for one file: 12 hours of mono at 48 kHz."""

_LARGEST_PACKET = 2**20

FORMATS = "mov,matroska,asf,aac,amr,avi,flv,mpeg,mpegts,ogg,caf,w64,ape,wv,flac,mp3,wav,ac3,eac3,tta"
"""Formats that ffmpeg may read; the others include playlists."""

DAMAGE = ("partial file", "ended prematurely", "Invalid data found")
"""Parts of messages after which sound is missing, though ffmpeg exits with 0."""

_KEPT_FILES = 4


def refuse_joined(data: mmap | bytes, path: Path) -> None:
    """Refuse M4A and MP4 files that were joined byte by byte: ffmpeg reads the first alone (ISO/IEC 14496-12).

    Raises
    ------
    InputError
        If there is a second file type or movie box.
    """
    position, names = 0, []
    while position + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, position)
        if size == 1 and position + 16 <= len(data):
            (size,) = struct.unpack_from(">Q", data, position + 8)
        if size < 8:  # to the end of the file, or no box
            return
        names.append(name)
        if names.count(b"ftyp") > 1 or names.count(b"moov") > 1:
            problem = f"is joined from files, of which the first ends at byte {position}"
            raise InputError(path, problem, "convert each before you join them: `ffmpeg -i IN OUT.wav`")
        position += size


@lru_cache(maxsize=_KEPT_FILES)
def decoded(path: Path, state: FileState) -> Any:
    """Decode a file to a temporary AU file of 32-bit floats, with the file's own rate and channels.

    The last four files stay, so that one file is decoded once for its length and its samples. A corpus asks for all
    lengths first; with more files than stay, each is decoded twice. A temporary file is deleted as soon as nothing
    refers to it.

    Parameters
    ----------
    state
        State of the file, so that a file that changes is decoded again.

    Returns
    -------
    file object
        With the path of the temporary file as ``name``.

    Raises
    ------
    InputError
        If ffmpeg is not installed, takes too long, or finds no sound or damage.
    """
    program = shutil.which("ffmpeg")
    if program is None:
        remedy = f"install ffmpeg, or {converted(path, 'where it is installed, convert it')}"
        raise InputError(path, "needs ffmpeg, which is not on the PATH", remedy)
    command = [
        *(program, "-nostdin", "-hide_banner", "-loglevel", "error"),
        *("-protocol_whitelist", "file,pipe", "-format_whitelist", FORMATS, "-i", f"file:{path.absolute()}"),
        *("-map", "0:a:0", "-c:a", "pcm_f32be", "-fs", str(MAX_DECODED_BYTES), "-f", "au", "pipe:1"),
    ]
    try:
        file = tempfile.NamedTemporaryFile(suffix=".au")  # noqa: SIM115  # it lives as long as its users
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.PIPE, timeout=LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        remedy = f"cut the file, or {converted(path)}"
        raise InputError(path, f"ffmpeg did not decode it in {LIMIT_S} s", remedy) from error
    except OSError as error:
        raise InputError(path, f"ffmpeg cannot be run ({error.strerror})", converted(path)) from error
    try:
        if FileState.of(path) != state:
            raise changed(path)
    except OSError as error:
        raise cannot_read(path, error) from error
    if os.fstat(file.fileno()).st_size >= MAX_DECODED_BYTES - _LARGEST_PACKET:
        problem = f"its sound takes more than {MAX_DECODED_BYTES // 2**30} GiB"
        raise InputError(path, problem, f"cut the file, or {converted(path)}")
    messages = done.stderr.decode(errors="replace").strip()
    if os.strerror(errno.ENOSPC) in messages:
        remedy = f"make room in {tempfile.gettempdir()}, or set TMPDIR to another folder"
        raise InputError(path, f"its sound does not fit on the disk ({os.strerror(errno.ENOSPC)})", remedy)
    if "matches no streams" in messages:
        raise InputError(path, "has no sound", "name a file with sound")
    if done.returncode or any(text in messages for text in DAMAGE):
        last = messages.splitlines()[-1] if messages else f"exit code {done.returncode}"
        raise InputError(
            path, f"cannot be decoded by ffmpeg ({last})", "the file is damaged or cut short: copy it again"
        )
    return file
