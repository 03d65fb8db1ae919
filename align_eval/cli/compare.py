"""The verb `compare`: a run against a baseline."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from align_eval.cli.common import (
    AsJson,
    MarginMs,
    Seed,
    ShiftMs,
    make_console,
    print_json,
    say,
)
from align_eval.errors import EXIT_REGRESSION


def compare(
    baseline: Annotated[Path, typer.Argument(help="The folder of a run, or a baseline that --accept wrote.")],
    run: Annotated[Path, typer.Argument(help="The folder of the run that is judged.")],
    margin_ms: MarginMs = 5.0,
    shift_ms: ShiftMs = 20.0,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 where a verdict is undecided, too.")] = False,
    system: Annotated[
        list[str] | None, typer.Option(help="Compare only this system, as 'source | align'; may be repeated.")
    ] = None,
    map_: Annotated[
        list[str] | None,
        typer.Option("--map", help="A system that has another name in the run, as 'OLD -> NEW'; may be repeated."),
    ] = None,
    accept: Annotated[
        Path | None, typer.Option(help="Write the run there as the new baseline, say what moved, and exit 0.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for compare.json, summary.md, junit.xml and benchmark.json.")
    ] = None,
    as_json: AsJson = False,
    seed: Seed = 0,
) -> None:
    """Hold a run to a baseline, word by word. Exit codes: 0 pass, 1 regression, 2 bad input, 3 not comparable.

    A regression is a loss beyond the margin, a shift beyond its limit, or a lost word, overall or of a speaker with 20
    or more words. What the words are too few to decide is a warning and exit code 0, or 1 with --strict. Where
    GITHUB_STEP_SUMMARY is set, the report is appended to the file that it names.

    Example: align-eval compare baselines/demo runs/demo --margin-ms 5 --out runs/gate
    """
    from align_eval.errors import NotComparableError
    from align_eval.formats.run.folder import write_baseline
    from align_eval.gate.compare import compare_or_reason, read_side
    from align_eval.gate.pairs import parse_map
    from align_eval.gate.verdicts import GateOptions
    from align_eval.reporting.ci.files import FILES, append_summary, write_comparison
    from align_eval.reporting.ci.markdown import accepted_note
    from align_eval.reporting.terminal.gate import print_comparison

    console = make_console(quiet=as_json)
    options = GateOptions(margin_ms=margin_ms, shift_ms=shift_ms, seed=seed)
    of_baseline, of_run = read_side(baseline), read_side(run)
    found = compare_or_reason(of_baseline, of_run, options, renamed=parse_map(map_ or ()), only=system or ())
    if accept:
        write_baseline(accept, of_run.run, of_run.words, accepted_note(of_baseline, of_run, found))
    if isinstance(found, NotComparableError):
        if not accept:
            raise found
        say(console, f"not comparable: {found}")
        if as_json:
            print_json({"not_comparable": str(found)})
    else:
        print_comparison(found, console)
        if as_json:
            print_json(found)
        if out:
            write_comparison(out, found, strict=strict)
            say(console, f"written: {out}/{', '.join(FILES)}")
        if os.environ.get("GITHUB_STEP_SUMMARY"):
            append_summary(Path(os.environ["GITHUB_STEP_SUMMARY"]), found)
    if accept:
        say(console, f"accepted: {accept}")
        return
    if not isinstance(found, NotComparableError) and found.fails(strict=strict):
        raise typer.Exit(EXIT_REGRESSION)
