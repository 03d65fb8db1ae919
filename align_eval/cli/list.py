"""Command `list`: names that other commands accept."""

from __future__ import annotations

from typing import Annotated

import typer

from align_eval.cli.common import AsJson, print_json


def list_(
    what: Annotated[
        str,
        typer.Argument(
            help="List: sources, aligns, presets, protocols, models, corpora, formats or kinds (of corpora)."
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """List sources and alignments with their keys, presets, protocols, models, corpora, formats or corpus kinds.

    Example: align-eval list sources
    """
    from align_eval.reporting.terminal.list import listing

    lines = list(listing(what))
    if as_json:
        print_json(lines)
        return
    for line in lines:
        print(line)
