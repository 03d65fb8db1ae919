"""Commands for word times of other systems: `score` and `lint`."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from align_eval.cli.common import (
    AsJson,
    CorpusKind,
    DropLabel,
    Edited,
    Force,
    KeepLabel,
    Language,
    Protocols,
    Seed,
    SpeakerCharacters,
    Tier,
    exit_for_listed,
    make_console,
    print_json,
    print_next,
)
from align_eval.errors import EXIT_REGRESSION
from align_eval.reporting.terminal.printing import print_dropped, print_line
from align_eval.units import MS_PER_S


class Lint(StrEnum):
    """Treatment of words with impossible times."""

    off = "off"
    counted = "counted"
    listed = "listed"
    fail = "fail"


Form = Annotated[
    str | None,
    typer.Option("--format", help="File format, from `align-eval list formats`; detected by default."),
]


def score(
    reference: Annotated[str, typer.Argument(help="Reference words: bundled name, folder or file.")],
    hypothesis: Annotated[Path, typer.Argument(help="Word times of a system: file, or folder with the same names.")],
    out: Annotated[Path | None, typer.Option(help="Folder to write run.json, words.parquet and textgrids/ to.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the system; default: the name of its format.")] = None,
    form: Form = None,
    reference_format: Annotated[
        str | None, typer.Option(help="File format of the reference; detected by default.")
    ] = None,
    kind: CorpusKind = None,
    tier: Tier = None,
    hypothesis_tier: Annotated[
        list[str] | None,
        typer.Option(help="As --tier, of a TextGrid hypothesis; or kind of a Lhotse alignment."),
    ] = None,
    language: Language = None,
    speaker_characters: SpeakerCharacters = None,
    keep_label: KeepLabel = None,
    drop_label: DropLabel = None,
    protocols: Protocols = None,
    lint: Annotated[
        Lint,
        typer.Option(help="Impossible times: ignore, count or list them; fail: list them and exit with 1."),
    ] = Lint.counted,
    force: Force = False,
    as_json: AsJson = False,
    seed: Seed = 0,
) -> None:
    """Score word times from any system against reference words. Runs no model.

    Words are paired by their normalised text. Formats: TextGrid, CTM, SRT and WebVTT with word cues, Lhotse
    supervisions, and JSON of openai-whisper, OpenAI's web API, faster-whisper, whisper.cpp, whisper-timestamped,
    stable-ts, whisperX, transformers pipelines, MFA, Vosk and Gentle.

    Example: align-eval score demo hypotheses --out runs/theirs
    """
    from align_eval.corpus.bundled import BUNDLED
    from align_eval.corpus.file_search import is_sound
    from align_eval.engine.finished import finished_run, refuse_other_plan
    from align_eval.formats.run.folder import write_run
    from align_eval.formats.run.staging import prepare_folder
    from align_eval.reporting.terminal.lint import print_lint, print_untimed, score_values
    from align_eval.reporting.terminal.scores import print_run
    from align_eval.score_files import score_hypothesis
    from align_eval.scoring.protocol_file import read_protocols
    from align_eval.text import label_policy

    if out:
        prepare_folder(out)
    scored = score_hypothesis(
        reference,
        hypothesis,
        name=name,
        form=form,
        reference_form=reference_format,
        kind=kind,
        tier=tier,
        hypothesis_tier=hypothesis_tier,
        language=language,
        speaker_characters=speaker_characters,
        labels=label_policy(keep_label, drop_label),
        seed=seed,
        protocols=read_protocols(protocols) if protocols else None,
    )
    done = None if force or not out else finished_run(out)
    if out and done:
        refuse_other_plan(out, done, scored.run.signature)
    is_same = done is not None and replace(scored.run, environment={}) == replace(done, environment={}, files={})
    if out and not is_same:
        write_run(out, scored.run, scored.words)
    console = make_console()
    if as_json:
        print_json(score_values(scored))
    else:
        print_run(scored.run, console)
        for side, dropped in scored.dropped.items():
            print_dropped(side, dropped, console)
        print_untimed(scored.untimed, console)
        if lint != Lint.off:
            print_lint(scored.lint, scored.n_words, console, listed=lint != Lint.counted, rounded=scored.rounded)
        if out:
            files = f"written: {out}/run.json, words.parquet, textgrids/"
            print_line(console, f"already done: {out}" if is_same else files)
            corpus = (
                reference if reference in BUNDLED or Path(reference).is_dir() or is_sound(Path(reference)) else None
            )
            print_next(console, out, corpus, kind=kind, tier=tier)
    exit_for_listed(scored.run.failures)
    if scored.lint and lint == Lint.fail:
        raise typer.Exit(EXIT_REGRESSION)


def lint(
    path: Annotated[Path, typer.Argument(help="File of words, folder of word files, or folder of a run.")],
    form: Form = None,
    tier: Tier = None,
    keep_label: KeepLabel = None,
    drop_label: DropLabel = None,
    tolerance_ms: Annotated[
        float, typer.Option(min=0, help="Overlap of words to take as rounding, in ms; it is counted, not listed.")
    ] = 2.0,
    fail: Annotated[bool, typer.Option("--fail", help="Exit with 1 if there is a finding.")] = False,
    edited: Edited = False,
    as_json: AsJson = False,
) -> None:
    """List words with impossible times: zero length, pile-ups, too long, overlapping, outside the audio, unordered.

    Example: align-eval lint hypotheses --fail
    """
    from align_eval.lint_files import lint_path
    from align_eval.reporting.terminal.lint import lint_values, print_failures, print_lint
    from align_eval.text import label_policy

    labels = label_policy(keep_label, drop_label)
    result = lint_path(path, form=form, tier=tier, labels=labels, tolerance_s=tolerance_ms / MS_PER_S, edited=edited)
    if as_json:
        values = lint_values(result.findings, result.n_words, result.rounded)
        failures = [failure.message for failure in result.failures]
        print_json({"form": result.form, **values, "dropped": dict(result.dropped), "failures": failures})
    else:
        console = make_console()
        print_dropped("files", result.dropped, console)
        print_lint(result.findings, result.n_words, console, rounded=result.rounded, tolerance_s=result.tolerance_s)
        print_failures(result.failures, console)
    exit_for_listed(result.failures)
    if result.findings and fail:
        raise typer.Exit(EXIT_REGRESSION)
