"""The verb `list`: what can be named."""

from __future__ import annotations

from typing import Annotated

import typer


def list_(
    what: Annotated[
        str, typer.Argument(help="sources, aligns, presets, protocols, models, corpora, formats or kinds (of corpora).")
    ],
) -> None:
    """List what can be named: sources and alignments with their keys, presets, protocols, models, corpora, formats."""
    from align_eval.report.listing import listing

    for line in listing(what):
        print(line)
