"""The end of a command that someone interrupts: the state of its work, and the command that goes on from there."""

from __future__ import annotations

import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer

from align_eval.cli.common import print_to_stderr
from align_eval.cli.progress import Report
from align_eval.errors import EXIT_INTERRUPTED
from align_eval.reporting.numbers import counted


@contextmanager
def interruptible(total: int) -> Iterator[Callable[[Report], Report]]:
    """Print the number of finished utterances after Ctrl-C (SIGINT) or SIGTERM, and exit with 130.

    Parameters
    ----------
    total
        Number of utterances.

    Yields
    ------
    function
        Makes the report of progress count the utterances.
    """
    n_done = 0

    def counting(report: Report) -> Report:
        def count(id_: str) -> None:
            nonlocal n_done
            n_done += 1
            report(id_)

        return count

    try:
        with _terminable():
            yield counting
    except KeyboardInterrupt:
        command = shlex.join(["align-eval", *sys.argv[1:]])
        of = counted(total, "utterance")
        print_to_stderr(f"interrupted after {n_done} of {of}; the same command goes on from there: {command}")
        raise typer.Exit(EXIT_INTERRUPTED) from None


@contextmanager
def _terminable() -> Iterator[None]:
    """Treat SIGTERM as SIGINT; only the main thread can."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
