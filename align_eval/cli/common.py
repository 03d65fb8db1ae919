"""What verbs share: options that mean the same everywhere, and the console."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from align_eval.errors import EXIT_BAD_INPUT, EXIT_BUG

if TYPE_CHECKING:
    from align_eval.records import Failure

PIPED_WIDTH = 190
"""A piped table is not squeezed into the 80 columns that rich assumes."""

CorpusName = Annotated[
    str,
    typer.Argument(help="A folder of audio with TextGrids or of another kind, or a bundled name (demo, demo-ru)."),
]
CorpusKind = Annotated[
    str | None,
    typer.Option("--kind", help="The kind of corpus, as `align-eval list kinds` has it; else it is found out."),
]
Model = Annotated[
    str,
    typer.Option(help="An openai name (tiny.en ... large-v3-turbo), a .pt file, a CTranslate2 or transformers folder."),
]
Device = Annotated[str, typer.Option(help="A torch device: cpu, cuda.")]
Language = Annotated[
    str | None, typer.Option(help="Whisper's code of the language, as en; auto detects it by each utterance.")
]
Tier = Annotated[str | None, typer.Option(help="Name of the tier that holds the words.")]
SpeakerCharacters = Annotated[
    int | None, typer.Option(min=1, help="The speaker is that many first characters of the file name.")
]
Protocols = Annotated[
    Path | None, typer.Option(help="TOML file of protocols of your own, scored beside those built in.")
]
RunFolder = Annotated[Path, typer.Argument(help="The folder of a run.")]
Recording = Annotated[Path, typer.Argument(help="An audio file of at most 30 s.")]
SpokenText = Annotated[str, typer.Option(help="What is spoken.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of the bootstrap.")]
MarginMs = Annotated[float, typer.Option(help="The greatest loss of mean absolute error that nobody minds.")]
ShiftMs = Annotated[float, typer.Option(help="The greatest median shift that nobody minds.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else, for programs.")]


def make_console(*, quiet: bool = False) -> Console:
    """The console that tables are printed to; a quiet one prints nothing, where JSON is asked for."""
    return Console(width=None if sys.stdout.isatty() else PIPED_WIDTH, quiet=quiet)


def print_json(found: Any) -> None:
    """Print a record, or records, or plain values as JSON: one document, on one line."""
    print(json.dumps(found, default=_plain, ensure_ascii=False, allow_nan=False))


def _plain(found: Any) -> Any:
    if is_dataclass(found) and not isinstance(found, type):
        from align_eval.formats.run.tracebacks import as_json

        return as_json(found)
    raise TypeError(f"{type(found).__name__} has no form in JSON")


def say(console: Console, line: str) -> None:
    """Print a line as it is: no markup, no wrapping."""
    console.print(line, markup=False, emoji=False, highlight=False, soft_wrap=True)


def say_next(console: Console, out: Path, corpus: str | None = None) -> None:
    """Say how the run that was written is looked at; ``corpus`` is where its audio is, if it does not say so itself."""
    where = ["--corpus", corpus] if corpus else []
    say(console, f"to look at it: {shlex.join(['align-eval', 'report', str(out), *where])}")


def say_error(message: object) -> None:
    """Print an error to standard error, as one line that begins with ``error:``."""
    say_to_stderr(f"error: {message}", "red")


def say_to_stderr(text: str, style: str = "") -> None:
    """Print to standard error in a style, and otherwise as it is; where nobody reads that, nothing is lost."""
    with suppress(SystemExit, BrokenPipeError):  # rich 13.0 lets the pipe's out, later ones exit
        console = Console(stderr=True)
        console.print(text.rstrip(), style=style, markup=False, emoji=False, highlight=False, soft_wrap=True)


def exit_for_failures(failures: Sequence[Failure], written: Path, tracebacks: Path) -> None:
    """Exit 70 if a failure is a bug, else 2; without failures go on.

    Parameters
    ----------
    written
        The JSON file that lists them.
    tracebacks
        The folder of their tracebacks.
    """
    from align_eval.formats.run.tracebacks import traceback_name

    bugs = [failure.id for failure in failures if failure.traceback]
    if bugs:
        first = tracebacks / traceback_name(bugs[0])
        problem = f"{len(bugs)} of the utterances met a bug in align-eval, the first at {first}"
        say_error(
            f"{written}: {problem}; report it to the developers with that traceback and the signature in the file"
        )
        raise typer.Exit(EXIT_BUG)
    if failures:
        raise typer.Exit(EXIT_BAD_INPUT)
