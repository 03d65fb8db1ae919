"""Command line: the table of commands, and exit codes. Commands parse options, call the package and print."""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from align_eval.cli.common import print_error, print_to_stderr, print_traceback
from align_eval.cli.compare import compare
from align_eval.cli.corpus import corpus_app
from align_eval.cli.encoding import print_in_any_encoding
from align_eval.cli.findings import agree, budget, drift, faithfulness
from align_eval.cli.heads import heads_app
from align_eval.cli.list import list_
from align_eval.cli.merge import merge
from align_eval.cli.report import explain, report
from align_eval.cli.run import align, run
from align_eval.cli.score import lint, score
from align_eval.engine.malloc import keep_freed_memory
from align_eval.errors import (
    EXIT_BAD_INPUT,
    EXIT_BUG,
    EXIT_CLOSED_PIPE,
    EXIT_CODES,
    EXIT_INTERRUPTED,
    AlignEvalError,
    BugError,
    InputWarning,
    bug_message,
    is_out_of_memory,
    printable,
    reason,
)
from align_eval.formats.atomic import FULL

COMMANDS: dict[str, Callable[..., None]] = {
    "run": run,
    "align": align,
    "merge": merge,
    "score": score,
    "lint": lint,
    "faithfulness": faithfulness,
    "agree": agree,
    "budget": budget,
    "compare": compare,
    "drift": drift,
    "report": report,
    "explain": explain,
    "list": list_,
}

GROUPS: dict[str, typer.Typer] = {"corpus": corpus_app, "heads": heads_app}


class _Commands(TyperGroup):
    """The commands. Errors about arguments are escaped: a shell may have made the arguments from names of files."""

    def make_context(self, *args: Any, **options: Any) -> Any:
        with _escaped():
            return super().make_context(*args, **options)

    def invoke(self, ctx: Any) -> Any:
        with _escaped():
            return super().invoke(ctx)


@contextmanager
def _escaped() -> Iterator[None]:
    try:
        yield
    except Exception as error:  # click's class, which typer has moved
        if hasattr(error, "format_message"):
            error.message = printable(error.message)  # type: ignore[attr-defined]
        raise


app = typer.Typer(
    name="align-eval",
    cls=_Commands,
    help="Word timestamps from Whisper's cross-attention and from saliency maps, scored against TextGrids.\n\n"
    f"Exit codes: {', '.join(f'{code} {meaning}' for code, meaning in EXIT_CODES.items())}.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(requested: bool) -> None:
    if requested:
        from importlib.metadata import version as version_of

        print(f"align-eval {version_of('align-eval')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Options before a command. ``app`` has the help text."""


for _name, _command in COMMANDS.items():
    app.command(name=_name)(_command)
for _name, _group in GROUPS.items():
    app.add_typer(_group, name=_name)


def main() -> None:
    """Run the command line. Print each error and each warning on one line, and exit with a code of ``EXIT_CODES``."""
    shown: set[str] = set()

    def show_warning(message: Warning, *_: object) -> None:
        if str(message) not in shown:  # the same fault in several stretches of a file
            shown.add(str(message))
            text = message if isinstance(message, InputWarning) else reason(message)
            print_to_stderr(f"warning: {text}", "yellow")

    warnings.showwarning = show_warning  # type: ignore[assignment]  # the other arguments are not used
    warnings.simplefilter("always", InputWarning)
    keep_freed_memory()
    print_in_any_encoding()
    try:
        app()
    except AlignEvalError as error:
        print_error(error)
        if isinstance(error, BugError):
            print_traceback(error.traceback)
        sys.exit(error.exit_code)
    except SystemExit as exit_:
        _exit_with_own_code(exit_)
    except Exception as error:
        _exit_with_message(error)


def _exit_with_own_code(exit_: SystemExit) -> NoReturn:
    """Exit with the code of typer or rich, except where it is 1 for an interrupt, a closed pipe or a bug."""
    causes = (exit_.__context__, getattr(exit_.__context__, "__context__", None))
    for cause in causes:
        if isinstance(cause, KeyboardInterrupt):
            sys.exit(EXIT_INTERRUPTED)
        if isinstance(cause, BrokenPipeError):
            sys.exit(EXIT_CLOSED_PIPE)
        if isinstance(cause, EOFError):
            _exit_with_message(cause)
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes again at its end
        if not isinstance(error, BrokenPipeError):
            _exit_with_message(error)
        sys.exit(exit_.code or EXIT_CLOSED_PIPE)
    raise exit_


def _exit_with_message(error: Exception) -> NoReturn:
    """Print an unexpected error and exit: a full disk and a lack of memory are bad input, all else is a bug."""
    if isinstance(error, OSError) and error.errno in FULL:
        print_error(f"{error.strerror}; make room and give the same command again")
        sys.exit(EXIT_BAD_INPUT)
    if is_out_of_memory(error):
        remedy = "use a smaller model, or a machine with more memory"
        print_error(f"out of memory: {type(error).__name__}: {reason(error)}; {remedy}")
        sys.exit(EXIT_BAD_INPUT)
    print_error(f"{bug_message(error)}; report it to the developers with the command, `align-eval --version` and this:")
    print_traceback("".join(traceback.format_exception(error)))
    sys.exit(EXIT_BUG)
