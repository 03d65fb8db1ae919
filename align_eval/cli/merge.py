"""Command `merge`: combine the shards of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from align_eval.cli.common import (
    AllScores,
    AsJson,
    Edited,
    Force,
    Protocols,
    exit_for_failures,
    make_console,
    print_json,
    print_next,
)
from align_eval.reporting.terminal.printing import print_line


def merge(
    runs: Annotated[list[Path], typer.Argument(help="Folders of all shards, each written by run --shard i/n.")],
    out: Annotated[Path, typer.Option(help="Folder to write run.json, words.parquet, textgrids/ and maps/ to.")],
    protocols: Protocols = None,
    edited: Edited = False,
    every: AllScores = False,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Combine the shards of a run. The result is byte for byte the run of the whole corpus.

    With --batch, times can differ within a tolerance.

    Example: align-eval merge runs/part1 runs/part2 --out runs/whole
    """
    from align_eval.engine.merge import merge_into
    from align_eval.formats.run.languages import read_languages
    from align_eval.formats.run.maps import has_maps
    from align_eval.formats.run.tracebacks import FOLDER
    from align_eval.reporting.answer_sentences import with_sentences
    from align_eval.reporting.terminal.answer import print_answer, print_details
    from align_eval.reporting.terminal.scores import print_languages, print_run
    from align_eval.scoring.protocol_file import read_protocols

    already: list[str] = []
    merged = merge_into(
        out,
        runs,
        read_protocols(protocols) if protocols else None,
        edited=edited,
        force=force,
        on_already=lambda: already.append(f"already done: {out}"),
    )
    console = make_console(quiet=as_json)
    print_run(merged, console, tables=every or merged.answer is None)
    print_languages(read_languages(out), console)
    maps = ", maps/" if has_maps(out) else ""
    print_line(console, *already or [f"written: {out}/run.json, words.parquet, textgrids/{maps}"])
    if every:
        print_details(merged, console)
    print_answer(merged, console)
    print_next(console, out)
    if as_json:
        print_json(with_sentences(merged))
    exit_for_failures(merged.failures, out / "run.json", out / FOLDER)
