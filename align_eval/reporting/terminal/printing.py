"""Lines and empty tables in the style that all tables for the terminal share."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text


def print_line(console: Console, line: str, style: str | None = None) -> None:
    """Print a line without markup, highlighting or wrapping."""
    console.print(line, style=style, markup=False, emoji=False, highlight=False, soft_wrap=True)


def titled_table(title: str) -> Table:
    """Return an empty table with a title."""
    return Table(title=Text(title), title_justify="left", box=box.SIMPLE_HEAD)


def add_columns(table: Table, names: Sequence[str], text: Collection[str] = ()) -> None:
    """Add columns of numbers, aligned right; the columns named in ``text`` are aligned left."""
    for name in names:
        table.add_column(name, justify="left" if name in text else "right", overflow="fold")
