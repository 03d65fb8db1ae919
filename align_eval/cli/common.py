"""What verbs share: options that mean the same everywhere, and the console."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.console import Console

PIPED_WIDTH = 190
"""A piped table is not squeezed into the 80 columns that rich assumes."""

CorpusName = Annotated[str, typer.Argument(help="A folder of audio with TextGrids, or a bundled name (demo, demo-ru).")]
Model = Annotated[
    str,
    typer.Option(help="An openai name (tiny.en ... large-v3-turbo), a .pt file, a CTranslate2 or transformers folder."),
]
Device = Annotated[str, typer.Option(help="A torch device: cpu, cuda.")]
Language = Annotated[str | None, typer.Option(help="Whisper's code of the language, as en.")]
Tier = Annotated[str | None, typer.Option(help="Name of the tier that holds the words.")]
SpeakerCharacters = Annotated[
    int | None, typer.Option(min=1, help="The speaker is that many first characters of the file name.")
]


def make_console() -> Console:
    """The console that tables are printed to."""
    return Console(width=None if sys.stdout.isatty() else PIPED_WIDTH)


def say(console: Console, line: str) -> None:
    """Print a line as it is: no markup, no wrapping."""
    console.print(line, markup=False, emoji=False, highlight=False, soft_wrap=True)
