"""Files that hold several recordings: their pieces joined to one transcript a recording and channel.

A recording is known by its name; by its name and channel, as ``call.1``, where the file has several channels of it.
Names become names of files, and are refused where they would lead out of a folder.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from align_eval.errors import InputError
from align_eval.formats.praat import shorten
from align_eval.records import GivenWord, Transcript


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of words of one recording and channel; ``start_s`` puts stretches in order."""

    recording: str
    channel: str
    words: tuple[GivenWord, ...]
    start_s: float = 0.0
    speaker: str | None = None
    language: str | None = None


def check_name(where: str, name: str) -> str:
    """The name of a recording, which may have folders before it.

    Raises
    ------
    InputError
        Where it is no relative path or cannot be printed.
    """
    if not name.isprintable() or "\\" in name or any(part in ("", ".", "..") for part in name.split("/")):
        raise InputError(where, f"the recording is named {shorten(name)!a}", "name it as a file can be named")
    return name


def join_pieces(pieces: Iterable[Piece]) -> tuple[Transcript, ...]:
    """One transcript a recording and channel, in the order of their first pieces.

    Speaker and language are those that all pieces share; several are none.
    """
    of_channel: dict[tuple[str, str], list[Piece]] = {}
    channels: dict[str, set[str]] = {}
    for piece in pieces:
        of_channel.setdefault((piece.recording, piece.channel), []).append(piece)
        channels.setdefault(piece.recording, set()).add(piece.channel)
    return tuple(
        Transcript(
            words=tuple(word for piece in sorted(group, key=lambda piece: piece.start_s) for word in piece.words),
            id=f"{recording}.{channel}" if len(channels[recording]) > 1 else recording,
            speaker=_shared({piece.speaker for piece in group}),
            language=_shared({piece.language for piece in group}),
        )
        for (recording, channel), group in of_channel.items()
    )


def _shared(values: set[str | None]) -> str | None:
    return next(iter(values)) if len(values) == 1 else None
