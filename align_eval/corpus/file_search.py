"""The files of a corpus, listed once, and text files read strictly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from align_eval.errors import InputError

Files = Sequence[Path]
"""Paths in order, none of them hidden or in a hidden folder."""


def list_files(folder: Path) -> tuple[Path, ...]:
    """All files under a folder in order; hidden ones are not looked at."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return tuple(p for p in found if not any(part.startswith(".") for part in p.relative_to(folder).parts))


def with_suffix(files: Files, *suffixes: str) -> list[Path]:
    """Those whose name ends like that, in any case."""
    return [path for path in files if path.name.lower().endswith(suffixes)]


def identity(path: Path, folder: Path) -> str:
    """The path without its suffix, relative to the corpus."""
    return path.relative_to(folder).with_suffix("").as_posix()


def by_stem(files: Files, *suffixes: str) -> dict[str, list[Path]]:
    """Paths by their name without suffix, in lower case: corpora differ in case between disk and disk."""
    found: dict[str, list[Path]] = {}
    for path in with_suffix(files, *suffixes):
        found.setdefault(path.stem.lower(), []).append(path)
    return found


def the_one(found: Sequence[Path], place: object, what: str) -> Path:
    """The only one of the paths.

    Raises
    ------
    InputError
        Where there is none, or several.
    """
    if len(found) == 1:
        return found[0]
    if not found:
        raise InputError(place, f"there is no {what}", "add it, or remove what belongs to it")
    listed = ", ".join(str(path) for path in found)
    raise InputError(place, f"there are {len(found)} files that may be its {what}: {listed}", "leave one of them")


def read_text(path: Path) -> str:
    """Text in UTF-8, with or without a byte-order mark.

    Raises
    ------
    InputError
        Where the file cannot be read, or is in another encoding.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})", "check the path and its permissions") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise InputError(f"{path}, line {line}", "is not UTF-8", "save the file as UTF-8") from error


def read_lines(path: Path) -> Iterator[tuple[str, str]]:
    """(place, line) of every line that is not empty; the place names file and line."""
    for number, line in enumerate(read_text(path).split("\n"), 1):
        if line.strip():
            yield f"{path}, line {number}", line.strip()


def head(path: Path, n_bytes: int = 2048) -> str:
    """The beginning of a file, as far as it is text: what a kind of corpus is told by. Never fails."""
    try:
        with path.open("rb") as file:
            return file.read(n_bytes).decode("utf-8", errors="replace")
    except OSError:
        return ""


def find_audio(name: str, folder: Path, place: object) -> Path:
    """The file that a table names: absolute, or relative to the table's folder or to the working directory.

    Raises
    ------
    InputError
        Where there is none.
    """
    for path in (folder / name, Path(name)):
        try:
            if path.is_file():
                return path
        except (OSError, ValueError):  # a name that no file can have
            break
    where = "" if Path(name).is_absolute() else f", neither in {folder} nor in the working directory"
    raise InputError(place, f"there is no audio {name[:200]!r}{where}", "correct the path")
