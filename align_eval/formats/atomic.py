"""Writing of files: beside its place, flushed to disk, and renamed when whole; and paths that stay in their folder."""

from __future__ import annotations

import errno
import os
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from align_eval.errors import InputError

TEMPORARY = ".writing"
"""Suffix of an unfinished file, after the number of the process that writes it."""

FULL = (errno.ENOSPC, errno.EDQUOT)

NOT_IN_NAMES = ("Cc", "Cs", "Zl", "Zp")
"""Unicode categories that no name may have: control characters, bytes that are no UTF-8, separators of lines."""


def inside(root: Path, name: str) -> Path:
    """Join a folder and a name from a file, such as the id of an utterance; the name may begin with folders.

    Raises
    ------
    InputError
        If the name cannot name a file (:func:`is_file_name`), or if a symbolic link leads it out of the folder.
    """
    path = root / check_name(root, name)
    real = os.path.realpath(root)
    parent = os.path.realpath(path.parent)
    if parent != real and not parent.startswith(os.path.join(real, "")):
        raise InputError(path, f"is outside {root}, to which a link leads", "remove the link, or choose another --out")
    return path


def check_name(place: object, name: object, remedy: str = "use letters, digits, - _ . and /") -> str:
    """Return a name from a file, such as an id, if it can name a file (:func:`is_file_name`).

    Raises
    ------
    InputError
        If it cannot, or is not a text; ``place`` is where it was read.
    """
    if isinstance(name, str) and is_file_name(name):
        return name
    raise InputError(place, f"the name {str(name)[:80]!a} cannot name a file", remedy)


def is_file_name(name: str) -> bool:
    r"""Tell whether a name is a relative path inside a folder, on every system.

    A part of it has less than 240 bytes, which leaves room for a suffix, and all of it has less than 1000. A part of
    dots and spaces alone is refused, since Windows drops them at its end.

    >>> [is_file_name(name) for name in ("a/b", "é c", "", "../a", "/a", "a//b", "C:a", "a\\b", "a\n", ".. /a")]
    [True, True, False, False, False, False, False, False, False, False]
    """
    if name[1:2] == ":" or "\\" in name or any(unicodedata.category(letter) in NOT_IN_NAMES for letter in name):
        return False
    parts_fit = all(part.strip(". ") and len(os.fsencode(part)) < 240 for part in name.split("/"))
    return parts_fit and len(os.fsencode(name)) < 1000


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file to write bytes. It takes its place when the context ends without an error.

    Folders are made as needed. A device or pipe is written to directly. A file that is replaced leaves its permissions
    to the new one; a link is replaced, and its target stays.

    Raises
    ------
    OSError
        If the file cannot be written. Nothing of it remains, and an earlier file at ``path`` is unchanged.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and not path.is_file() and not path.is_dir():
        with path.open("wb") as file:
            yield file
        return
    temporary = _beside(path)
    file = temporary.open("wb")
    try:
        yield file
        _flush(file, path)
        file.close()
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):  # closing writes what is left; the first error counts
            file.close()
        _remove(temporary)
        raise


@contextmanager
def written_whole(path: Path, remedy: str = "choose another --out") -> Iterator[BinaryIO]:
    """Open a file as :func:`whole_file` does, for a caller that does other work while it is open.

    Raises
    ------
    InputError
        If the file cannot be written. Errors inside the context pass unchanged.
    """
    with ExitStack() as stack:
        with writing(path, remedy):
            file = stack.enter_context(whole_file(path))
        yield file
        with writing(path, remedy):
            stack.close()


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file of bytes (see :func:`whole_file`)."""
    with whole_file(path) as file:
        file.write(data)


def write_text(path: Path, text: str) -> None:
    """Write a file of text in UTF-8 (see :func:`whole_file`); halves of surrogate pairs are escaped."""
    write_bytes(path, text.encode(errors="backslashreplace"))


def write_together(files: Mapping[Path, bytes]) -> None:
    """Write files that belong together. The last one vouches for the others: where it is there, all are of one kind.

    All are written before any takes its place. Earlier files of that kind are removed before, the last one first. A
    single file takes its place at once.

    Raises
    ------
    OSError
        If a file cannot be written. Unless one cannot be renamed or removed, all earlier files are unchanged.
    """
    *others, voucher = files
    written = {path: _beside(path) for path in files}
    try:
        for path, data in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            with written[path].open("wb") as file:
                file.write(data)
                _flush(file, path)
        for path in (voucher, *others) if others else ():
            path.unlink(missing_ok=True)
        for path, temporary in written.items():
            os.replace(temporary, path)
    except BaseException:
        for temporary in written.values():
            _remove(temporary)
        raise


def _beside(path: Path) -> Path:
    """The temporary name of a file, in its folder; short, since systems bound the length of names."""
    return path.with_name(f".{sha256(os.fsencode(path.name)).hexdigest()[:16]}.{os.getpid()}{TEMPORARY}")


def _flush(file: BinaryIO, place: Path) -> None:
    """Flush a temporary file to disk, with the permissions of the file that it will replace."""
    file.flush()
    with suppress(FileNotFoundError):
        os.chmod(file.name, place.stat().st_mode & 0o7777)
    os.fsync(file.fileno())


def _remove(temporary: Path) -> None:
    with suppress(OSError):
        temporary.unlink(missing_ok=True)


def flush_folder(folder: Path) -> None:
    """Flush the names in a folder to disk, where the system can do that."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:  # Windows opens no folders
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network disks cannot
            raise
    finally:
        os.close(descriptor)


def cannot_write(place: object, error: OSError, remedy: str) -> InputError:
    """Build the error for a place that cannot be written. On a full disk, another remedy replaces ``remedy``."""
    if error.errno in FULL:
        return InputError(place, f"cannot be written ({error.strerror})", "make room and give the same command again")
    return InputError(place, f"cannot be written ({error.strerror or error})", remedy)


@contextmanager
def writing(place: object, remedy: str = "choose another --out") -> Iterator[None]:
    """Turn an OSError inside the context into an :class:`~align_eval.errors.InputError`."""
    try:
        yield
    except OSError as error:
        raise cannot_write(place, error, remedy) from error
