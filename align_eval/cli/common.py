"""Options that several commands share, and functions that print."""

from __future__ import annotations

import inspect
import os
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from align_eval.cli.from_record import with_parameters
from align_eval.errors import EXIT_BAD_INPUT, EXIT_BUG, InputError
from align_eval.formats.json_text import json_line
from align_eval.reporting.terminal.printing import print_line

if TYPE_CHECKING:
    from align_eval.corpus.folder import Corpus
    from align_eval.records import Failure

PIPED_WIDTH = 190
"""Width in columns of output that is not a terminal. rich would assume 80."""

CorpusName = Annotated[
    str,
    typer.Argument(
        help="Folder of audio with TextGrids, folder of another kind, audio file beside its TextGrid, or bundled name "
        "(demo, demo-ru)."
    ),
]
CorpusKind = Annotated[
    str | None,
    typer.Option("--kind", help="Kind of corpus, from `align-eval list kinds`; detected by default."),
]
Model = Annotated[
    str,
    typer.Option(
        help="Model: an openai name (tiny.en ... large-v3-turbo), a .pt file, or a CTranslate2 or transformers folder."
    ),
]
Device = Annotated[str, typer.Option(help="Torch device, such as cpu or cuda.")]
Language = Annotated[
    str | None, typer.Option(help="Language, as en, eng or English; auto detects it for each utterance.")
]
Tier = Annotated[
    list[str] | None,
    typer.Option(help="Tier of the words, by its name or else its number from 1; may be repeated."),
]
SpeakerCharacters = Annotated[
    int | None, typer.Option(min=1, help="Number of first characters of the file name that are the speaker.")
]
KeepLabel = Annotated[
    list[str] | None, typer.Option(help="A label to count as a word, though it is none by the rules; may be repeated.")
]
DropLabel = Annotated[
    list[str] | None, typer.Option(help="A label to drop, though it is a word by the rules; may be repeated.")
]
Channel = Annotated[
    int | None, typer.Option(min=0, help="Channel of the audio, counted from 0; default: the mean of all channels.")
]
Protocols = Annotated[
    Path | None, typer.Option(help="TOML file of custom protocols, to score in addition to the built-in ones.")
]
Force = Annotated[bool, typer.Option("--force", help="Replace the finished run in --out, of whatever plan it is.")]
RunFolder = Annotated[Path, typer.Argument(help="Folder of a run.")]
Recording = Annotated[Path, typer.Argument(help="Audio file of at most 30 s.")]


def _as_typed(text: str) -> str:
    """Decode a text that was typed in UTF-8 where the locale has another encoding."""
    try:
        return os.fsencode(text).decode() if re.search("[\ud800-\udfff]", text) else text
    except UnicodeError as error:
        raise InputError("--text", "is not UTF-8", "type it in a terminal of UTF-8") from error


SpokenText = Annotated[str, typer.Option(help="Spoken text.", callback=_as_typed)]
Seed = Annotated[int, typer.Option(min=0, help="Seed of the bootstrap.")]
MarginMs = Annotated[float, typer.Option(help="Largest increase in mean absolute error to tolerate, in ms.")]
ShiftMs = Annotated[float, typer.Option(help="Largest median shift of word starts or ends to tolerate, in ms.")]
Edited = Annotated[
    bool, typer.Option("--edited", help="Use runs and baselines whose files were changed since they were written.")
]
AllScores = Annotated[bool, typer.Option("--all", help="Print the scores of every system before the answer.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]

CORPUS_OPTIONS = {
    "kind": CorpusKind,
    "tier": Tier,
    "language": Language,
    "speaker_characters": SpeakerCharacters,
    "keep_label": KeepLabel,
    "drop_label": DropLabel,
    "channel": Channel,
}

with_corpus_options = with_parameters(
    [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=type_)
        for name, type_ in CORPUS_OPTIONS.items()
    ]
)
"""Give a command the options of :data:`CORPUS_OPTIONS`, in place of its ``**`` parameter."""


def load_chosen(corpus: str, options: Mapping[str, Any]) -> Corpus:
    """Load the corpus that a command names, by the values of :data:`CORPUS_OPTIONS` among its options."""
    from align_eval.corpus.bundled import load_corpus
    from align_eval.text import label_policy

    chosen = {name: options[name] for name in CORPUS_OPTIONS}
    labels = label_policy(chosen.pop("keep_label"), chosen.pop("drop_label"))
    return load_corpus(corpus, labels=labels, **chosen)


def make_console(*, quiet: bool = False) -> Console:
    """Return a console for tables. With ``quiet`` it prints nothing, for commands that print JSON."""
    width = None if sys.stdout.isatty() else PIPED_WIDTH
    return Console(width=width, quiet=quiet, markup=False, emoji=False, highlight=False)


def print_json(value: Any) -> None:
    """Print records or plain values as one JSON document on one line."""
    print(json_line(value, getattr(sys.stdout, "encoding", None), _record_values))


def _record_values(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        from align_eval.formats.run.tracebacks import as_json

        return as_json(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def print_next(
    console: Console,
    out: Path,
    corpus: str | None = None,
    *,
    kind: str | None = None,
    tier: Sequence[str] | None = None,
) -> None:
    """Print the command that shows a written run.

    Parameters
    ----------
    corpus, kind, tier
        Place of the audio, where run.json does not name it, and the options by which the corpus was read.
    """
    options = ["--corpus", corpus] if corpus else []
    if corpus:
        options += ["--kind", kind] if kind else []
        options += [word for name in tier or () for word in ("--tier", name)]
    print_line(console, f"to view it: {shlex.join(['align-eval', 'report', str(out), *options])}")


def print_error(message: object) -> None:
    """Print an error to standard error, on one line that begins with ``error:``."""
    print_to_stderr(f"error: {message}", "red")


def print_to_stderr(text: str, style: str = "") -> None:
    """Print a line to standard error, escaped and without markup; do nothing where standard error is closed."""
    with suppress(SystemExit, BrokenPipeError):  # rich 13.0 raises the pipe's error, later versions exit
        print_line(Console(stderr=True), text, style)


def print_traceback(text: str) -> None:
    """Print the lines of a traceback to standard error."""
    for line in text.rstrip().split("\n"):
        print_to_stderr(line)


def exit_for_listed(failures: Sequence[Failure]) -> None:
    """Exit with 70 if a failure that was listed is a bug, after its traceback, and with 2 for other failures."""
    bug = next((failure for failure in failures if failure.traceback), None)
    if bug and bug.traceback:
        print_to_stderr(bug.traceback)
        print_error(bug.message)
        raise typer.Exit(EXIT_BUG)
    if failures:
        raise typer.Exit(EXIT_BAD_INPUT)


def exit_for_failures(failures: Sequence[Failure], written: Path, tracebacks: Path) -> None:
    """Exit with 70 if a failure is a bug, and with 2 for other failures. Return if there is none.

    Parameters
    ----------
    written
        JSON file that lists the failures.
    tracebacks
        Folder of their tracebacks.
    """
    from align_eval.formats.run.tracebacks import traceback_name

    bugs = [failure for failure in failures if failure.traceback]
    if bugs:
        first = tracebacks / traceback_name(bugs[0].id, bugs[0].system)
        n_utterances = len({failure.id for failure in bugs})
        problem = f"{n_utterances} of the utterances met a bug in align-eval, the first at {first}"
        remedy = "report it to the developers with that traceback and the signature in the file"
        print_error(f"{written}: {problem}; {remedy}")
        raise typer.Exit(EXIT_BUG)
    if failures:
        raise typer.Exit(EXIT_BAD_INPUT)
