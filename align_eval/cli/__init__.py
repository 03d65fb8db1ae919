"""The command line: parse, call, print. No logic. A module a family of verbs; the table of verbs is here."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from typing import Annotated

import typer
from rich.console import Console

from align_eval.cli.corpus import corpus_app
from align_eval.cli.findings import agree, budget, drift, faithfulness
from align_eval.cli.gate import compare
from align_eval.cli.given import lint, score
from align_eval.cli.heads import heads_app
from align_eval.cli.listing import list_
from align_eval.cli.report import explain, report
from align_eval.cli.run import align, run
from align_eval.cli.scale import merge
from align_eval.engine.heap import keep_freed_memory
from align_eval.errors import AlignEvalError, InputWarning

VERBS: dict[str, Callable[..., None]] = {
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

app = typer.Typer(
    name="align-eval",
    help="Word timestamps from Whisper's cross-attention and from saliency maps, scored against TextGrids.\n\n"
    "Exit codes: 0 done or passed, 1 a regression (compare), 2 an input was bad (what could be done was done), "
    "3 not comparable (compare), 130 interrupted.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version as version_of

        print(f"align-eval {version_of('align-eval')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """What stands before a verb; the help of the whole is that of ``app``."""


for _name, _verb in VERBS.items():
    app.command(name=_name)(_verb)
for _name, _group in GROUPS.items():
    app.add_typer(_group, name=_name)


def main() -> None:
    """Run the command line; an error that we raise on purpose is one line and its exit code, a warning one line."""
    stderr = Console(stderr=True)

    def show_warning(message: Warning | str, *_: object) -> None:
        stderr.print(f"warning: {message}", style="yellow", markup=False, emoji=False, highlight=False, soft_wrap=True)

    warnings.showwarning = show_warning  # type: ignore[assignment]  # it needs none of the rest
    warnings.simplefilter("always", InputWarning)
    keep_freed_memory()
    try:
        app()
    except AlignEvalError as error:
        stderr.print(f"error: {error}", style="red", markup=False, emoji=False, highlight=False, soft_wrap=True)
        sys.exit(error.exit_code)
