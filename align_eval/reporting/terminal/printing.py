"""Lines and empty tables in the style that all output on the terminal shares."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from align_eval.errors import brief, listed, printable, shorten
from align_eval.reporting.numbers import counted


def print_line(console: Console, line: str, style: str | None = None) -> None:
    """Print a line, escaped (:func:`~align_eval.errors.printable`), without markup, highlighting or wrapping."""
    console.print(printable(line), style=style, markup=False, emoji=False, highlight=False, soft_wrap=True)


def print_dropped(side: str, dropped: Sequence[tuple[str, int]], console: Console) -> None:
    """Print how many labels were dropped as no words, the most frequent first."""
    if dropped:
        names = listed(f"{shorten(label)} {n}" for label, n in dropped)
        n_labels = sum(n for _, n in dropped)
        labels = counted(n_labels, f"label of the {side} is no word", f"labels of the {side} are no words")
        print_line(console, f"dropped: {labels}: {names}")


def cell(text: str, style: str = "") -> Text:
    """Return text of a file as a cell: escaped, without markup, and without ``::``, which could begin a folded line."""
    return Text(re.sub("(?<=:):", r"\\x3a", brief(text)), style)


def add_row(table: Table, *cells: str | Text, style: str | None = None, end_section: bool = False) -> None:
    """Add a row of texts (:func:`cell`)."""
    shown = (text if isinstance(text, Text) else cell(text) for text in cells)
    table.add_row(*shown, style=style, end_section=end_section)


def titled_table(title: str) -> Table:
    """Return an empty table with a title."""
    return Table(title=cell(title), title_justify="left", box=box.SIMPLE_HEAD)


def add_columns(table: Table, names: Sequence[str], text: Collection[str] = ()) -> None:
    """Add columns of numbers, aligned right; the columns named in ``text`` are aligned left."""
    for name in names:
        table.add_column(name, justify="left" if name in text else "right", overflow="fold")
