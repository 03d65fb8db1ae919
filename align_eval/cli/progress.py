"""Progress on standard error: a bar on a terminal, else one plain line per utterance."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Column
from rich.text import Text

from align_eval.errors import brief
from align_eval.reporting.terminal.printing import print_line

Report = Callable[[str], None]
"""Function to call with the id of each finished utterance."""


class _Rate(ProgressColumn):
    """Utterances per second."""

    def render(self, task: Task) -> Text:
        rate = task.finished_speed or task.speed
        return Text(f"{rate:.2f}/s" if rate else "-/s")


@contextmanager
def progress(total: int, console: Console | None = None) -> Iterator[Report]:
    """Show the last finished utterance, the count, the rate and the remaining time.

    Parameters
    ----------
    total
        Number of utterances.
    console
        Standard error by default.

    Yields
    ------
    Report
    """
    console = console or Console(stderr=True)
    if console.is_terminal:
        columns = (
            TextColumn("{task.description}", markup=False, table_column=Column(overflow="fold")),
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task("", total=total)
            yield lambda id_: bar.update(task, advance=1, description=brief(id_))
    else:
        yield _line_printer(total, console)


def _line_printer(total: int, console: Console) -> Report:
    n_done, start_s = 0, time.monotonic()

    def print_progress(id_: str) -> None:
        nonlocal n_done
        n_done += 1
        rate = n_done / max(time.monotonic() - start_s, 1e-9)
        print_line(console, f"[{n_done}/{total}] {brief(id_)}  {rate:.2f}/s, {(total - n_done) / rate:.0f} s left")

    return print_progress
