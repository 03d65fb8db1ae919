"""Replacement of a run folder: the new files are made in ``OUT/.partial/new`` and take their places together.

1. The new files are written. The earlier run stays whole, and is what readers find.
2. ``run.json`` is written beside them as the last one. It has their checksums. From now on, the new run counts.
3. The earlier ``run.json`` is removed, then its other files. The new ones are moved, ``run.json`` again as the last.

An interruption before the end of step 2 leaves the earlier run. After it, whoever opens the folder next finishes step 3
(:func:`settle`). A folder without ``run.json`` is therefore unfinished, and one with it is whole.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from align_eval.errors import InputError
from align_eval.formats.atomic import FULL, cannot_write, flush_folder, inside, writing

FOLDER = ".partial"
NEW, PLACING = "new", "placing"
RUN_NAME = "run.json"

VOUCHED = ("words.parquet", "details.json", "languages.json", "audio.json", "shard.json", "maps.json")
"""Files whose checksums ``run.json`` has, where they are there."""

OWNED = (
    *VOUCHED, "accepted.md", "textgrids", "maps", "tracebacks",
    "agree.json", "budget.json", "budget.png", "drift.json", "drift.png", "toggles.json", "report.html",
)  # fmt: skip
"""Files and folders that belong to a run, beside ``run.json``: its parts, and the results that were made from it."""


def prepare_folder(out: Path, option: str = "--out") -> None:
    """Make the folder of a run. Call it before the work, so that an unusable folder is reported early.

    Parameters
    ----------
    option
        Option of the command that names the folder.

    Raises
    ------
    InputError
        If the folder cannot be made.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if error.errno in FULL:
            raise cannot_write(out, error, f"choose another {option}") from error
        raise InputError(out, f"cannot be made ({error.strerror})", f"choose another {option}") from error


@contextmanager
def staging(out: Path, *, option: str = "--out", kept: tuple[str, ...] = (), resumable: bool = False) -> Iterator[Path]:
    """Lock a folder and give the place for the new files of its run, which :func:`place` puts into it.

    Parameters
    ----------
    option
        Option of the command that names the folder.
    kept
        Names of files and folders that an interrupted run left there, to use again.
    resumable
        Leave the new files after an error, for the next run.

    Raises
    ------
    InputError
        If another process uses the folder, it cannot be written, or it is that of no run and has a file or folder that
        a run would replace.
    """
    prepare_folder(out, option)
    if not holds_run(out):
        _check_free(out, option)
    new = inside(out, f"{FOLDER}/{NEW}/{RUN_NAME}").parent
    with _locked(out, f"choose another {option}"):
        with writing(out, f"choose another {option}"):
            _finish_placing(out)
            new.mkdir(parents=True, exist_ok=True)
            for path in new.iterdir():
                if path.name not in kept:
                    _remove(path)
        try:
            yield new
        except BaseException:
            if not (resumable or _is_decided(out)):
                shutil.rmtree(out / FOLDER, ignore_errors=True)
            raise


def place(out: Path) -> None:
    """Put the new files of a folder into their places, once ``run.json`` is among them. The folder is locked.

    Raises
    ------
    OSError
        If a file cannot be moved or removed. :func:`settle` then finishes the work.
    """
    flush_folder(out / FOLDER / NEW)
    _finish_placing(out)
    shutil.rmtree(out / FOLDER, ignore_errors=True)


def settle(folder: Path) -> None:
    """Finish the placing of a run that was interrupted, before the folder is read.

    Raises
    ------
    InputError
        If that cannot be done: the folder is in use, or cannot be written.
    """
    if not _is_decided(folder):
        return
    remedy = "make it writable, or give the command that wrote it again"
    with _locked(folder, remedy), writing(folder, remedy):
        _finish_placing(folder)
        shutil.rmtree(folder / FOLDER, ignore_errors=True)


def holds_run(folder: Path) -> bool:
    """Tell whether a folder is that of a run, finished or not."""
    return (folder / RUN_NAME).is_file() or (folder / FOLDER).is_dir()


def is_unfinished(folder: Path) -> bool:
    """Tell whether a run was interrupted in a folder that holds no finished one."""
    return (folder / FOLDER).is_dir() and not (folder / RUN_NAME).is_file()


def open_no_link(path: str | Path, flags: int) -> int:
    """Open a file of the folder of new files; a link in its place, which would lead out of it, is refused."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o644)


def _check_free(out: Path, option: str) -> None:
    name = next((name for name in OWNED if os.path.lexists(out / name)), None)
    if name:
        raise InputError(out / name, "is of no run, and a run would replace it", f"move it, or choose another {option}")


def _is_decided(folder: Path) -> bool:
    """Tell whether step 2 is done and step 3 is not."""
    return (folder / FOLDER / NEW / RUN_NAME).is_file() or (folder / FOLDER / PLACING).is_dir()


def _finish_placing(out: Path) -> None:
    """Do the rest of step 3. Each part can be done twice."""
    new, placing = out / FOLDER / NEW, out / FOLDER / PLACING
    if (new / RUN_NAME).is_file():
        _remove(out / RUN_NAME)
        flush_folder(out)
        for name in OWNED:
            _remove(out / name)
        os.replace(new, placing)
    if placing.is_dir():
        for path in placing.iterdir():
            if path.name != RUN_NAME:
                os.replace(path, out / path.name)
        flush_folder(out)
        with suppress(FileNotFoundError):  # it was the last to move before the interruption
            os.replace(placing / RUN_NAME, out / RUN_NAME)
        flush_folder(out)
        placing.rmdir()


def _remove(path: Path) -> None:
    """Remove a file, a folder, or a link without its target; do nothing where it is missing."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def _locked(out: Path, remedy: str) -> Iterator[None]:
    """Hold the lock of a folder, a file in it; the system frees it when this process ends, however.

    A lock file that another run removed meanwhile is made again. Where the system has no such locks (Windows), nothing
    is locked.

    Raises
    ------
    InputError
        Where another process holds it.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    path = inside(out, f"{FOLDER}/lock")
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = open_no_link(path, os.O_RDWR | os.O_CREAT)
        except FileNotFoundError:
            continue  # its folder was removed in between
        except OSError as error:
            raise cannot_write(path, error, remedy) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            problem = (
                "is in use by another run" if isinstance(error, BlockingIOError) else f"cannot be locked ({error})"
            )
            raise InputError(out, problem, "wait for it to end, or choose another folder") from error
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                break
        os.close(descriptor)
    try:
        yield
    finally:
        os.close(descriptor)
