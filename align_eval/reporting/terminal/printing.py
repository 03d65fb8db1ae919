"""Lines and empty tables in the style that all output on the terminal shares."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from align_eval.formats.praat_tokens import shorten
from align_eval.reporting.numbers import counted

MOST_LABELS = 12
"""Most labels that are listed on the terminal; JSON has all."""


def print_line(console: Console, line: str, style: str | None = None) -> None:
    """Print a line without markup, highlighting or wrapping."""
    console.print(line, style=style, markup=False, emoji=False, highlight=False, soft_wrap=True)


def print_dropped(side: str, dropped: Sequence[tuple[str, int]], console: Console) -> None:
    """Print how many labels were dropped as no words, the most frequent first."""
    if dropped:
        listed = ", ".join(f"{shorten(label)} {n}" for label, n in dropped[:MOST_LABELS])
        more = f" and {counted(len(dropped) - MOST_LABELS, 'other label')}" if len(dropped) > MOST_LABELS else ""
        n_labels = sum(n for _, n in dropped)
        labels = counted(n_labels, f"label of the {side} is no word", f"labels of the {side} are no words")
        print_line(console, f"dropped: {labels}: {listed}{more}")


def titled_table(title: str) -> Table:
    """Return an empty table with a title."""
    return Table(title=Text(title), title_justify="left", box=box.SIMPLE_HEAD)


def add_columns(table: Table, names: Sequence[str], text: Collection[str] = ()) -> None:
    """Add columns of numbers, aligned right; the columns named in ``text`` are aligned left."""
    for name in names:
        table.add_column(name, justify="left" if name in text else "right", overflow="fold")
