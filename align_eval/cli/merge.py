"""The verb for corpora that take more than one machine: `merge` puts the shards of a run together."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from align_eval.cli.common import AsJson, Protocols, exit_for_failures, make_console, print_json, say


def merge(
    runs: Annotated[list[Path], typer.Argument(help="The folders of all shards of a run, made with run --shard i/n.")],
    out: Annotated[Path, typer.Option(help="Folder for run.json, words.parquet, textgrids/ and maps/.")],
    protocols: Protocols = None,
    as_json: AsJson = False,
) -> None:
    """Put the shards of a run together: what is written is, to the byte, the run of the whole corpus.

    With --batch it is that within a tolerance.

    Example: align-eval merge runs/part1 runs/part2 --out runs/whole
    """
    from align_eval.engine.merge import merge_into
    from align_eval.formats.run.languages import read_languages
    from align_eval.formats.run.maps import has_maps
    from align_eval.formats.run.tracebacks import FOLDER
    from align_eval.reporting.terminal.scores import print_languages, print_run
    from align_eval.scoring.protocol_file import read_protocols

    merged = merge_into(out, runs, read_protocols(protocols) if protocols else None)
    console = make_console(quiet=as_json)
    print_run(merged, console)
    print_languages(read_languages(out), console)
    maps = ", maps/" if has_maps(out) else ""
    say(console, f"written: {out}/run.json, words.parquet, textgrids/{maps}")
    if as_json:
        print_json(merged)
    exit_for_failures(merged.failures, out / "run.json", out / FOLDER)
