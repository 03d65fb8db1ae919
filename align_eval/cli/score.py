"""The verbs for what other systems wrote: `score` files of word times, `lint` them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from align_eval.cli.common import (
    AsJson,
    Language,
    Protocols,
    Seed,
    SpeakerCharacters,
    Tier,
    make_console,
    print_json,
    say,
    say_next,
)
from align_eval.errors import EXIT_BAD_INPUT, EXIT_REGRESSION


class Lint(StrEnum):
    """What is done about words whose times no speech has."""

    off = "off"
    counted = "counted"
    listed = "listed"
    fail = "fail"


Form = Annotated[
    str | None, typer.Option("--format", help="Form of the files; see `align-eval list formats`. Found by content.")
]


def score(
    reference: Annotated[str, typer.Argument(help="Reference words: a bundled name, a folder or a file.")],
    hypothesis: Annotated[Path, typer.Argument(help="A system's words: a file, or a folder with the same names.")],
    out: Annotated[Path | None, typer.Option(help="Folder for run.json, words.parquet and textgrids/.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the system; that of its form without.")] = None,
    form: Form = None,
    reference_format: Annotated[str | None, typer.Option(help="Form of the reference's files.")] = None,
    tier: Tier = None,
    hypothesis_tier: Annotated[
        str | None, typer.Option(help="Tier of the hypothesis, where that is a TextGrid; kind of Lhotse's alignments.")
    ] = None,
    language: Language = None,
    speaker_characters: SpeakerCharacters = None,
    protocols: Protocols = None,
    lint: Annotated[
        Lint, typer.Option(help="Times that no speech has: count them, list them, or list them and exit 1 for any.")
    ] = Lint.counted,
    as_json: AsJson = False,
    seed: Seed = 0,
) -> None:
    """Score word times that any system wrote against reference words; no model is run.

    Words are paired by their normalised text. Reads TextGrid, CTM, SRT and WebVTT with word cues, Lhotse supervisions,
    and JSON of openai-whisper, faster-whisper, whisper-timestamped, stable-ts, whisperX and transformers pipelines.

    Example: align-eval score demo hypotheses --out runs/theirs
    """
    from align_eval.corpus.bundled import BUNDLED
    from align_eval.formats.run.folder import prepare_folder, write_run
    from align_eval.reporting.terminal.lint import print_lint, score_values
    from align_eval.reporting.terminal.scores import print_run
    from align_eval.score_files import score_given
    from align_eval.scoring.protocol_file import read_protocols

    if out:
        prepare_folder(out)
    scored = score_given(
        reference,
        hypothesis,
        name=name,
        form=form,
        reference_form=reference_format,
        tier=tier,
        hypothesis_tier=hypothesis_tier,
        language=language,
        speaker_characters=speaker_characters,
        seed=seed,
        protocols=read_protocols(protocols) if protocols else None,
    )
    if out:
        write_run(out, scored.run, scored.words)
    console = make_console()
    if as_json:
        print_json(score_values(scored.run, scored.form, scored.lint, scored.n_words))
    else:
        print_run(scored.run, console)
        if lint != Lint.off:
            print_lint(scored.lint, scored.n_words, console, listed=lint != Lint.counted)
        if out:
            say(console, f"written: {out}/run.json, words.parquet, textgrids/")
            say_next(console, out, reference if reference in BUNDLED or Path(reference).is_dir() else None)
    if scored.run.failures:
        raise typer.Exit(EXIT_BAD_INPUT)
    if scored.lint and lint == Lint.fail:
        raise typer.Exit(EXIT_REGRESSION)


def lint(
    path: Annotated[Path, typer.Argument(help="A file of words, a folder of them, or the folder of a run.")],
    form: Form = None,
    tier: Tier = None,
    fail: Annotated[bool, typer.Option("--fail", help="Exit 1 where anything is found.")] = False,
    as_json: AsJson = False,
) -> None:
    """List words whose times no speech has: of no length, piled up, too long, overlapping, outside, out of order.

    Example: align-eval lint hypotheses --fail
    """
    from align_eval.lint_files import lint_path
    from align_eval.reporting.terminal.lint import lint_values, print_failures, print_lint

    linted = lint_path(path, form=form, tier=tier)
    if as_json:
        values = lint_values(linted.findings, linted.n_words)
        failures = [failure.message for failure in linted.failures]
        print_json({"form": linted.form, **values, "failures": failures})
    else:
        console = make_console()
        print_lint(linted.findings, linted.n_words, console)
        print_failures(linted.failures, console)
    if linted.failures:
        raise typer.Exit(EXIT_BAD_INPUT)
    if linted.findings and fail:
        raise typer.Exit(EXIT_REGRESSION)
