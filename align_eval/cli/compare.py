"""Command `compare`: compare a run with a baseline."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from align_eval.cli.common import (
    AsJson,
    Edited,
    MarginMs,
    Seed,
    ShiftMs,
    make_console,
    print_json,
)
from align_eval.errors import EXIT_REGRESSION
from align_eval.reporting.terminal.printing import print_line


def compare(
    baseline: Annotated[Path, typer.Argument(help="Folder of a run, or of a baseline that --accept wrote.")],
    run: Annotated[Path, typer.Argument(help="Folder of the run to judge.")],
    margin_ms: MarginMs = 5.0,
    shift_ms: ShiftMs = 20.0,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 also if a verdict is undecided.")] = False,
    system: Annotated[
        list[str] | None, typer.Option(help="System to compare, as 'source | align'; may be repeated. Default: all.")
    ] = None,
    map_: Annotated[
        list[str] | None,
        typer.Option("--map", help="Renamed system, as 'OLD -> NEW'; may be repeated."),
    ] = None,
    accept: Annotated[
        Path | None,
        typer.Option(help="Folder to write the run to as the new baseline; exits with 0."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder to write compare.json, summary.md, junit.xml and benchmark.json to.")
    ] = None,
    edited: Edited = False,
    as_json: AsJson = False,
    seed: Seed = 0,
) -> None:
    """Compare a run with a baseline, word by word. Exit codes: 0 pass, 1 regression, 2 bad input, 3 not comparable.

    A regression is a loss above the margin, a shift above its limit, or a lost word, overall or for a speaker with 20
    or more words. An undecided verdict, where there are too few words, is a warning with exit code 0, or 1 with
    --strict. If GITHUB_STEP_SUMMARY is set, the report is appended to the file that it names.

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
    old, new = read_side(baseline, edited=edited), read_side(run, edited=edited)
    outcome = compare_or_reason(old, new, options, renamed=parse_map(map_ or ()), only=system or ())
    if accept:
        write_baseline(accept, new.run, new.words, accepted_note(old, new, outcome))
    if isinstance(outcome, NotComparableError):
        if not accept:
            raise outcome
        print_line(console, f"not comparable: {outcome}")
        if as_json:
            print_json({"not_comparable": str(outcome)})
    else:
        print_comparison(outcome, console)
        if as_json:
            print_json(outcome)
        if out:
            write_comparison(out, outcome, strict=strict)
            print_line(console, f"written: {out}/{', '.join(FILES)}")
        if os.environ.get("GITHUB_STEP_SUMMARY"):
            append_summary(Path(os.environ["GITHUB_STEP_SUMMARY"]), outcome)
    if accept:
        print_line(console, f"accepted: {accept}")
        return
    if not isinstance(outcome, NotComparableError) and outcome.fails(strict=strict):
        raise typer.Exit(EXIT_REGRESSION)
