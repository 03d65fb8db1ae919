"""A disk that counts its writes, fails at one of them, or ends the process there; and the judgement of what it left.

An *operation* is, for files under one folder: the making of a file or folder, a write that reaches the system, a cut,
a flush to disk, a rename, or the removal of a file or folder. Readings are none. The operations are the functions of
``os`` and ``io`` themselves, so that libraries and the package are counted alike.
"""

from __future__ import annotations

import builtins
import errno
import io
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

from align_eval.errors import EXIT_BAD_INPUT, InputError
from align_eval.formats.atomic import TEMPORARY
from align_eval.formats.run.folder import read_run
from align_eval.formats.run.staging import FOLDER, PLACING, RUN_NAME
from tests.helpers.command_line import Done, align_eval

KILLED = 9
N_KILLS = 20
RENAME_OF_RUN = f"replace run/{FOLDER}/{PLACING}/"

MAKE_ROOM = re.compile(
    r"^error: .*: cannot be written \(No space .*\); make room and give the same command again$", re.M
)
NOT_WRITTEN = re.compile(r"^error: .*: cannot be (written|made) \(Input/output error\); ", re.M)

REMOVALS = ("unlink", "remove", "rmdir")
OTHERS = ("replace", "rename", "mkdir", "fsync")

Snapshot = dict[str, bytes]

Reader = Callable[[Path], tuple[object, ...]]
"""From a run folder to a command that reads it."""


def compares(run: Path) -> tuple[object, ...]:
    return "compare", run, run


def agrees(run: Path) -> tuple[object, ...]:
    return "agree", run


def reports(run: Path) -> tuple[object, ...]:
    return "report", run, "--no-audio"


class Fault(Enum):
    """The fault at the chosen operation: none, a full disk from then on, one error, or the end of the process."""

    NONE, FULL, ONCE, KILL = range(4)


class Disk:
    """Counts the operations under a folder; operation number ``at`` and those after it meet a fault."""

    def __init__(self, folder: Path, fault: Fault = Fault.NONE, at: int = 0) -> None:
        self.n_operations = 0
        self.log: list[str] = []
        self._folder = os.path.realpath(folder)
        self._fault, self._at = fault, at

    def covers(self, path: Any, dir_fd: int | None = None) -> bool:
        if isinstance(path, int):
            path = os.readlink(f"/proc/self/fd/{path}")
        if dir_fd is not None:
            path = os.path.join(os.readlink(f"/proc/self/fd/{dir_fd}"), os.fsdecode(path))
        path = os.path.abspath(os.fsdecode(path))
        return path == self._folder or path.startswith(self._folder + os.sep)

    def count(self, name: str, path: object, before: Callable[[], object] = lambda: None) -> None:
        """Count an operation. One that fails does ``before`` first: the part of it that the disk had room for."""
        self.n_operations += 1
        self.log.append(f"{name} {path}")
        is_here = self.n_operations == self._at
        if self._fault is Fault.KILL and is_here:
            before()
            os._exit(KILLED)
        is_after = self._fault is Fault.FULL and self.n_operations > self._at and name not in REMOVALS
        if self._fault in (Fault.FULL, Fault.ONCE) and (is_here or is_after):
            before()
            code = errno.ENOSPC if self._fault is Fault.FULL else errno.EIO
            raise OSError(code, os.strerror(code), str(path))


@contextmanager
def faulty(disk: Disk) -> Iterator[Disk]:
    """Let all operations of this process go through a disk."""
    real_open, real_os_open = io.open, os.open

    class CountedFile(io.FileIO):
        """A file whose writes are counted. A write that fails writes its first half."""

        def __init__(self, file: Any, mode: str = "r", closefd: bool = True, opener: Any = None) -> None:
            self._counted = set(mode) & set("wax+") and disk.covers(file)
            if self._counted and opener is None:  # an opener calls os.open, which counts
                disk.count("open", file)
            super().__init__(file, mode, closefd, opener)

        def write(self, data: Any) -> int:
            if self._counted:
                half = memoryview(data).cast("B")[: memoryview(data).nbytes // 2]
                disk.count("write", self.name, partial(super().write, half))
            return super().write(data)

        def truncate(self, size: int | None = None) -> int:
            if self._counted:
                disk.count("truncate", self.name)
            return super().truncate(size)

    def counted_open(
        file: Any, mode: str = "r", buffering: int = -1, encoding: Any = None, errors: Any = None,
        newline: Any = None, closefd: bool = True, opener: Any = None,
    ) -> Any:  # fmt: skip
        if not (set(mode) & set("wax+") and disk.covers(file)):
            return real_open(file, mode, buffering, encoding, errors, newline, closefd, opener)
        raw = CountedFile(file, mode.replace("b", "").replace("t", ""), closefd, opener)
        if not buffering:
            return raw
        buffered = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
        return buffered if "b" in mode else io.TextIOWrapper(buffered, encoding, errors, newline)

    def counted_os_open(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if flags & (os.O_CREAT | os.O_TRUNC) and disk.covers(path, dir_fd):
            disk.count("open", path)
        return real_os_open(path, flags, mode, dir_fd=dir_fd)

    def counted(name: str) -> Callable[..., Any]:
        real = getattr(os, name)

        def function(*arguments: Any, **options: Any) -> Any:
            dir_fd = options.get("dir_fd", options.get("dst_dir_fd"))
            paths = arguments[:2] if name in ("replace", "rename") else arguments[:1]
            if any(disk.covers(path, dir_fd) for path in paths):
                disk.count(name, arguments[0])
            return real(*arguments, **options)

        return function

    with ExitStack() as stack:
        for name in (*REMOVALS, *OTHERS):
            stack.enter_context(mock.patch.object(os, name, counted(name)))
        stack.enter_context(mock.patch.object(os, "open", counted_os_open))
        stack.enter_context(mock.patch.object(io, "FileIO", CountedFile))
        for module in (io, builtins):
            stack.enter_context(mock.patch.object(module, "open", counted_open))
        yield disk


def snapshot(folder: Path) -> Snapshot:
    """The bytes of all files of a folder. Left out are unfinished files, which no reader looks at."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and FOLDER not in path.parts and not path.name.endswith(TEMPORARY)
    }


@dataclass(frozen=True)
class Verb:
    """A command that writes.

    Attributes
    ----------
    folder
        The folder that it writes into, which lies on the disk.
    old
        The state before it, copied there each time; None for no folder.
    command
        Its arguments.
    is_run
        Whether the folder is that of a run or a baseline, which :func:`read_run` reads.
    group
        The files that the command writes together, the last of which vouches for the others.
    readers
        Commands that read the folder. They read a copy, into which they may write.
    """

    folder: Path
    old: Path | None
    command: tuple[object, ...]
    is_run: bool = True
    group: tuple[str, ...] = ()
    readers: tuple[Reader, ...] = ()

    def restore(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.old:
            shutil.copytree(self.old, self.folder, symlinks=True)

    def do(self) -> Done:
        return align_eval(*self.command)

    def kill_at(self, n: int) -> None:
        """Do it in a process that ends at an operation, without any clean-up."""
        self.restore()
        child = os.fork()
        if not child:
            try:
                with faulty(Disk(self.folder, Fault.KILL, n)):
                    self.do()
            finally:
                os._exit(0)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == KILLED, f"not killed at operation {n}"

    def read(self, reader: int) -> Done:
        """Run a reader on a copy of the folder, so that the folder stays as it was found."""
        copy = self.folder.with_name("copy")
        shutil.rmtree(copy, ignore_errors=True)
        if self.folder.exists():
            shutil.copytree(self.folder, copy, symlinks=True)
        return align_eval(*self.readers[reader](copy))


@dataclass
class Tally:
    """Number of operations of a verb, and of the states that its faults left."""

    n_operations: int
    n_faults: int = 0
    old: int = 0
    new: int = 0
    absent: int = 0
    refused: int = 0


class Trial:
    """A verb between faults: its old state, its new state, and what readers print of both."""

    def __init__(self, verb: Verb) -> None:
        self.verb = verb
        verb.restore()
        self.old = snapshot(verb.folder)
        self.old_printed = self._printed()
        verb.restore()
        with faulty(Disk(verb.folder)) as disk:
            assert verb.do().returncode == 0
        self.log = [line.replace(str(verb.folder), verb.folder.name) for line in disk.log]
        self.new = snapshot(verb.folder)
        self.new_printed = self._printed()
        assert self.old != self.new
        self.tally = Tally(disk.n_operations)

    def fail_at(self, n: int, fault: Fault) -> None:
        """Meet an error at an operation, in this process; judge the folder, and finish."""
        self.verb.restore()
        with faulty(Disk(self.verb.folder, fault, n)) as disk:
            done = self.verb.do()
        if disk.n_operations >= n:
            state = self._judge(f"{fault.name} at {self._at(n)}")
            if done.returncode == 0:
                assert state == "new", self._at(n)
            else:
                assert done.returncode == EXIT_BAD_INPUT, f"{self._at(n)}: {done}"
                expected = MAKE_ROOM if fault is Fault.FULL else NOT_WRITTEN
                assert expected.search(done.stderr), f"{self._at(n)}: {done}"
            self._finish(n)

    def kill_at(self, n: int) -> None:
        """Lose the process at an operation; judge the folder, and finish."""
        self.verb.kill_at(n)
        self._judge(f"kill at {self._at(n)}")
        self._finish(n)

    def _at(self, n: int) -> str:
        return f"operation {n} of {self.tally.n_operations}, {self.log[n - 1]}"

    def _finish(self, n: int) -> None:
        done = self.verb.do()
        assert done.returncode == 0, f"again after {self._at(n)}: {done}"
        assert snapshot(self.verb.folder) == self.new, f"again after {self._at(n)}"
        left = [path for path in (self.verb.folder / FOLDER).rglob("*") if path.is_file() and path.name != "lock"]
        assert not left, f"again after {self._at(n)}"

    def _judge(self, place: str) -> str:
        """Tell which state the folder is in, as readers find it: the old one, the new one, or one that they refuse."""
        reader = self.tally.n_faults % len(self.verb.readers) if self.verb.readers else None
        self.tally.n_faults += 1
        read = None if reader is None else self.verb.read(reader)  # before anything settles the folder
        state = self._state(place)
        setattr(self.tally, state, getattr(self.tally, state) + 1)
        if read is None or reader is None:
            return state
        if state == "refused":
            for done in (read, *map(self.verb.read, range(len(self.verb.readers)))):
                assert done.returncode == EXIT_BAD_INPUT, f"{place}: {done}"
                assert "was interrupted" in done.stderr or (not self.old and not snapshot(self.verb.folder)), (
                    f"{place}: {done}"
                )
        else:
            expected = self.new_printed if state == "new" else self.old_printed
            assert (read.returncode, read.stdout) == expected[reader], f"{place}, {state}: {read}"
        return state

    def _state(self, place: str) -> str:
        refusal = _refusal(self.verb.folder) if self.verb.is_run else None
        found = snapshot(self.verb.folder)
        if refusal:
            assert RUN_NAME not in found, f"{place}: {refusal}"
            assert "was interrupted" in refusal or not found, f"{place}: {refusal}"
            return "refused"
        if found in (self.old, self.new):
            return "new" if found == self.new else "old"
        outside = {name: data for name, data in found.items() if name not in self.verb.group}
        changed = sorted(name for name in found if found[name] not in (self.old.get(name), self.new.get(name)))
        assert self.verb.group, f"{place}: a mix"
        assert outside == {name: data for name, data in self.old.items() if name not in self.verb.group}, place
        assert not changed, f"{place}: {changed}"
        *others, voucher = self.verb.group
        assert voucher not in found, f"{place}: {voucher} beside files of another"
        there = {name: found[name] for name in others if name in found}
        assert all(data == self.new.get(name) for name, data in there.items()), (
            f"{place}: files of an earlier {voucher}"
        )
        return "absent"

    def _printed(self) -> list[tuple[int, str]]:
        done = map(self.verb.read, range(len(self.verb.readers)))
        return [(d.returncode, d.stdout) for d in done]


def _refusal(folder: Path) -> str | None:
    try:
        read_run(folder)
    except InputError as error:
        return str(error)
    return None


def spread(n: int, most: int) -> list[int]:
    """Numbers spread evenly from 1 to ``n``, both included, and no more than asked for."""
    return sorted({1 + round(i * (n - 1) / max(most - 1, 1)) for i in range(most)})


def try_faults(verb: Verb, every: bool, name: str) -> Tally:
    """Try a full disk and one error at every operation, and 20 kills.

    Without ``every``, a full disk at a tenth of the operations, and kills at the first renames into the folder, where a
    mix would begin.
    """
    trial = Trial(verb)
    n = trial.tally.n_operations
    renames = [i for i, line in enumerate(trial.log, 1) if line.startswith(RENAME_OF_RUN)]
    for number in range(1, n + 1) if every else spread(n, max(3, n // 10)):
        for fault in (Fault.FULL, Fault.ONCE) if every else (Fault.FULL,):
            trial.fail_at(number, fault)
    for number in spread(n, N_KILLS) if every else (renames[:3] or spread(n, 2)):
        trial.kill_at(number)
    print(f"\nfaults of {name}: {trial.tally}")
    return trial.tally
