"""Progress: a bar on a terminal, a plain line an utterance elsewhere. Both go to standard error."""

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
from rich.text import Text

Report = Callable[[str], None]
"""Called with an utterance's id when it is done."""


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        rate = task.finished_speed or task.speed
        return Text(f"{rate:.2f}/s" if rate else "-/s")


@contextmanager
def progress(total: int, console: Console | None = None) -> Iterator[Report]:
    """Show how far a run is: utterance, rate and time left."""
    console = console or Console(stderr=True)
    if not console.is_terminal:
        done, began = 0, time.monotonic()

        def line(id_: str) -> None:
            nonlocal done
            done += 1
            rate = done / max(time.monotonic() - began, 1e-9)
            console.print(
                f"[{done}/{total}] {id_}  {rate:.2f}/s, {(total - done) / rate:.0f} s left",
                markup=False, emoji=False, highlight=False, soft_wrap=True,
            )  # fmt: skip

        yield line
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=total)

        def step(id_: str) -> None:
            bar.update(task, advance=1, description=id_)

        yield step
