"""Search for files in a corpus, and strict reading of text files."""

from __future__ import annotations

import os
import warnings
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

from align_eval.corpus.disk_names import on_disk
from align_eval.corpus.sound.suffixes import AUDIO_SUFFIXES, MEDIA_SUFFIXES
from align_eval.errors import InputError, InputWarning, listed
from align_eval.reading import MAX_BYTES, read_bytes, read_head
from align_eval.text import composed

Files = Sequence[Path]
"""Sorted paths, without hidden files and the files in hidden folders."""


def list_files(folder: Path) -> tuple[Path, ...]:
    """All files under a folder, sorted, without hidden ones.

    Links to files and folders are followed. A folder that several links reach is listed under each name. A link to a
    folder that holds the link is a loop and is not entered. Everything else is listed as a file, as a broken link and a
    named pipe: the reader refuses it.
    """
    real = Path(os.path.realpath(folder))
    return tuple(sorted(_files_under(folder, real, frozenset()))) if folder.is_dir() else ()


def _files_under(folder: Path, real: Path, above: frozenset[Path]) -> Iterator[Path]:
    """Yield the files under a folder whose path without links is ``real``; folders in ``above`` are not entered."""
    above |= {real, *real.parents}
    try:
        names = os.listdir(folder)
    except OSError as error:
        warnings.warn(f"{folder}: cannot be read ({error.strerror}), and is passed over", InputWarning, stacklevel=2)
        return
    for path in (folder / name for name in names if not name.startswith(".")):
        if os.path.isdir(path):
            target = Path(os.path.realpath(path)) if path.is_symlink() else real / path.name
            if target not in above:
                yield from _files_under(path, target, above)
        else:
            yield path


def is_broken_link(path: Path) -> bool:
    """Tell whether the path is a link to something that is not there, or to itself."""
    return path.is_symlink() and not os.path.exists(path)


def refuse_broken_link(path: Path) -> None:
    """Refuse a broken link.

    Raises
    ------
    InputError
        Names the target of the link.
    """
    if is_broken_link(path):
        raise InputError(path, _broken(path), "restore its target, or remove the link")


def warn_of_broken_links(files: Files, *suffixes: str) -> None:
    """Warn of each broken link, except where its name has one of the suffixes: the reader of these files refuses it."""
    for path in files:
        if is_broken_link(path) and not path.name.lower().endswith(suffixes):
            warnings.warn(f"{path}: {_broken(path)}; nothing is read from it", InputWarning, stacklevel=3)


def _broken(path: Path) -> str:
    return f"is a link to {os.readlink(path)}, which is not there"


def is_sound(path: Path) -> bool:
    """Tell whether a path has a suffix of sound, and is no folder."""
    return path.suffix.lower() in (*AUDIO_SUFFIXES, *MEDIA_SUFFIXES) and not path.is_dir()


def with_companions(audio: Path) -> tuple[Path, ...]:
    """An audio file and the files of its name beside it that are no sound, sorted."""
    name = composed(audio.stem).lower()
    beside = (path for path in audio.parent.iterdir() if composed(path.stem).lower() == name)
    return tuple(sorted({audio, *(path for path in beside if not is_sound(path) and not path.is_dir())}))


def with_suffix(files: Files, *suffixes: str) -> list[Path]:
    """Files whose name ends with one of the suffixes, in upper or lower case."""
    return [path for path in files if path.name.lower().endswith(suffixes)]


def identity(path: Path, folder: Path) -> str:
    """Id of a file: its path without suffix, relative to the corpus, in NFC."""
    return composed(path.relative_to(folder).with_suffix("").as_posix())


def by_stem(files: Files, *suffixes: str) -> dict[str, list[Path]]:
    """Files by name without suffix, in NFC and in lower case, since copies of a corpus differ in case."""
    paths: dict[str, list[Path]] = {}
    for path in with_suffix(files, *suffixes):
        paths.setdefault(composed(path.stem).lower(), []).append(path)
    return paths


def by_identity(files: Files, folder: Path, *suffixes: str) -> dict[str, list[Path]]:
    """Files with one of the suffixes by their id (:func:`identity`)."""
    paths: dict[str, list[Path]] = {}
    for path in with_suffix(files, *suffixes):
        paths.setdefault(identity(path, folder), []).append(path)
    return paths


def audio_by_stem(files: Files) -> dict[str, list[Path]]:
    """Audio files by name as of :func:`by_stem`; media for ffmpeg only where no other audio has the name."""
    return {**by_stem(files, *MEDIA_SUFFIXES), **by_stem(files, *AUDIO_SUFFIXES)}


def audio_by_identity(files: Files, folder: Path, ids: Collection[str] | None = None) -> dict[str, list[Path]]:
    """Audio files by id; media for ffmpeg only where no other audio has the id.

    Parameters
    ----------
    ids
        Ids with words, if media without words are no part of the corpus.
    """
    media = by_identity(files, folder, *MEDIA_SUFFIXES)
    wanted = {id_: paths for id_, paths in media.items() if ids is None or id_ in ids}
    return {**wanted, **by_identity(files, folder, *AUDIO_SUFFIXES)}


def the_one(candidates: Sequence[Path], place: object, what: str) -> Path:
    """The only one of the candidates.

    Parameters
    ----------
    place, what
        Place of the error, and a noun for the file, as ``audio of the same name``.

    Raises
    ------
    InputError
        If there is none, or there are several.
    """
    if len(candidates) == 1:
        return candidates[0]
    if not candidates:
        raise InputError(place, f"there is no {what}", "add it, or remove the files that belong to it")
    names = listed_apart(map(str, candidates))
    raise InputError(place, f"{len(candidates)} files may be its {what}: {names}", "keep one of them")


def listed_apart(names: Iterable[str]) -> str:
    """Names for a message, in ASCII if they look the same, as the Unicode forms of one name do."""
    distinct = list(names)
    look_the_same = len(set(map(composed, distinct))) < len(distinct)
    return listed(map(ascii, distinct) if look_the_same else distinct)


def beside(path: Path, *suffixes: str) -> list[Path]:
    """Files in the folder of a file with its name in NFC and one of the suffixes, in upper or lower case."""
    files = sorted(path.parent.glob("*")) if path.parent.is_dir() else []
    return [file for file in with_suffix(files, *suffixes) if composed(file.stem) == composed(path.stem)]


def read_text(path: Path, limit: int = MAX_BYTES) -> str:
    """Read a text file of at most ``limit`` bytes in UTF-8, with or without a byte-order mark.

    Raises
    ------
    InputError
        If the file cannot be read, is longer, or is not UTF-8.
    """
    try:
        return read_bytes(path, limit).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise InputError(f"{path}, line {line}", "is not UTF-8", "save the file as UTF-8") from error


def read_lines(path: Path) -> Iterator[tuple[str, str]]:
    """Yield (place, line) for every line that is not empty; the place is the file with the line number."""
    for number, line in enumerate(read_text(path).split("\n"), 1):
        if line.strip():
            yield f"{path}, line {number}", line.strip()


def head(path: Path, n_bytes: int = 2048) -> str:
    """First bytes of a file as text, to detect the kind of a corpus; empty if the file cannot be read."""
    try:
        return read_head(path, n_bytes).decode("utf-8", errors="replace")
    except InputError:
        return ""


def find_audio(name: str, folder: Path, place: object) -> Path:
    """Find the audio file that a table names: absolute, or relative to the table's folder or the working directory.

    Raises
    ------
    InputError
        If there is no such file.
    """
    for path in (folder / name, Path(name)):
        try:
            if (audio := on_disk(path)).is_file():
                return audio
        except (OSError, ValueError):  # no file can have this name
            break
    where = "" if Path(name).is_absolute() else f", neither in {folder} nor in the working directory"
    raise InputError(place, f"there is no audio {name[:200]!r}{where}", "correct the path")
