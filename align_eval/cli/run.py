"""The commands that run the pipeline: `run` on a corpus, `align` on one recording."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from align_eval.cli.common import (
    CORPUS_OPTIONS,
    AllScores,
    AsJson,
    Channel,
    CorpusName,
    Device,
    Force,
    Language,
    Model,
    Protocols,
    Recording,
    SpokenText,
    exit_for_failures,
    load_chosen,
    make_console,
    print_json,
    print_next,
    print_to_stderr,
    with_corpus_options,
)
from align_eval.cli.from_record import with_options_of
from align_eval.cli.interrupt import interruptible
from align_eval.errors import InputError, printable
from align_eval.options import RunOptions, specs_of
from align_eval.reporting.numbers import counted
from align_eval.reporting.terminal.printing import print_dropped, print_line

if TYPE_CHECKING:
    from align_eval.engine.job import Job
    from align_eval.formats.run.languages import Languages
    from align_eval.heuristics import Toggled
    from align_eval.run_record import Run


class Task(StrEnum):
    """Tasks of the decoder."""

    transcribe = "transcribe"
    translate = "translate"  # type: ignore[assignment]  # str has a method of that name


@with_corpus_options
@with_options_of(RunOptions)
def run(
    corpus: CorpusName,
    out: Annotated[Path, typer.Option(help="Folder for run.json, words.parquet and textgrids/.")],
    model: Model = "tiny.en",
    task: Annotated[
        Task, typer.Option(help="transcribe; translations have no word times to score: see `faithfulness --task`.")
    ] = Task.transcribe,
    protocols: Protocols = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Process a few utterances, forecast time and memory, and write nothing."),
    ] = False,
    every: AllScores = False,
    force: Force = False,
    as_json: AsJson = False,
    **options: Any,
) -> None:
    """Say how far off the word times of Whisper are on a corpus, and what attention's incompleteness is worth.

    Without --source, --align and --preset: Whisper's own times, attention read well, a saliency, and attention plus
    what the saliency shows and attention lacks. --grid scores 17 systems of heads, depths, preparations and paths.

    Examples: align-eval run demo --out runs/demo

    align-eval run demo --align openai --toggle --out runs/toggles
    """
    from align_eval.cli.progress import progress
    from align_eval.engine.finished import finished_job, finished_signature
    from align_eval.engine.job import ANY_HEADS, prepare_job
    from align_eval.engine.run import run_into
    from align_eval.formats.run.staging import prepare_folder
    from align_eval.formats.run.tracebacks import FOLDER
    from align_eval.heuristics import toggled_systems
    from align_eval.scoring.protocol_file import read_protocols

    if task == Task.translate:
        problem = "a translation has no word times, so that there is nothing to score"
        raise InputError("task translate", problem, "use align-eval faithfulness --task translate")
    user_protocols = read_protocols(protocols) if protocols else None
    run_values = {name: value for name, value in options.items() if name not in CORPUS_OPTIONS}
    run_options = RunOptions.from_command_line(run_values)
    if run_options.toggle:  # refused before the corpus is loaded
        specs = specs_of(run_options).with_heads(ANY_HEADS)
        toggled_systems(specs.sources, specs.aligns, specs.presets)
    loaded = load_chosen(corpus, options)
    if not dry_run:
        prepare_folder(out)
    job = prepare_job(
        loaded,
        model,
        run_options,
        before=None if force else partial(finished_signature, out),
        on_choosing=lambda: print_to_stderr(
            "no heads were chosen for this model: up to 30 utterances choose some first"
        ),
    )
    if dry_run:
        _print_forecast(job, as_json=as_json)
        return
    console = make_console(quiet=as_json)
    finished = None if force else finished_job(out, job, user_protocols)
    if finished:
        scored, languages = finished
        print_line(console, f"already done: {out} ({counted(len(job.utterances), 'utterance')})")
    else:
        with interruptible(len(job.utterances)) as count, progress(len(job.utterances)) as on_done:
            scored, languages = run_into(
                out,
                job,
                protocols=user_protocols,
                on_done=count(on_done),
                on_resumed=lambda n: print_line(
                    console, f"{n} utterances were processed before this run was interrupted"
                ),
            )
    specs = job.specs
    toggled = toggled_systems(specs.sources, specs.aligns, specs.presets) if run_options.toggle else ()
    print_dropped("corpus", loaded.marks, console)
    _print_run(
        out,
        scored,
        languages,
        toggled,
        with_maps=run_options.keep != "nothing",
        tables=every,
        written=not finished,
        as_json=as_json,
    )
    exit_for_failures(scored.failures, out / "run.json", out / FOLDER)


def _print_forecast(job: Job, *, as_json: bool) -> None:
    from align_eval.engine.forecast import forecast
    from align_eval.reporting.terminal.forecast import print_forecast

    expected = forecast(job)
    print_forecast(expected, make_console(quiet=as_json))
    if as_json:
        print_json(expected)


def _print_run(
    out: Path,
    run: Run,
    languages: Languages,
    toggled: Sequence[Toggled],
    *,
    with_maps: bool,
    tables: bool,
    written: bool,
    as_json: bool,
) -> None:
    """Print a finished run, and measure, write and print the effect of heuristics where that was asked for."""
    from align_eval.reporting.answer_sentences import with_sentences
    from align_eval.reporting.terminal.answer import print_answer, print_details
    from align_eval.reporting.terminal.scores import print_languages, print_run

    console = make_console(quiet=as_json)
    print_run(run, console, tables=tables or run.answer is None)
    print_languages(languages, console)
    if toggled:
        from pyarrow.dataset import dataset

        from align_eval.findings.toggles import measure_toggles
        from align_eval.formats.run.finding_json import write_finding
        from align_eval.reporting.terminal.toggles import print_toggles

        finding = measure_toggles(dataset(out / "words.parquet"), toggled, run.signature["id"], run.signature["seed"])
        if written or not (out / "toggles.json").is_file():
            write_finding(out / "toggles.json", finding)
        print_toggles(finding, console)
    maps = ["maps/"] * with_maps
    names = ["run.json", "words.parquet", "textgrids/", *["toggles.json"] * bool(toggled), *maps]
    if written:
        print_line(console, f"written: {out}/{', '.join(names)}")
    if tables:
        print_details(run, console)
    print_answer(run, console)
    print_next(console, out)
    if as_json:
        print_json(with_sentences(run))


def align(
    audio: Recording,
    text: SpokenText,
    out: Annotated[Path | None, typer.Option(help="TextGrid to write; by default, the words are printed.")] = None,
    model: Model = "tiny.en",
    source: Annotated[
        str | None, typer.Option(help="A relevance source. Default: attention of the heads chosen for the model.")
    ] = None,
    align: Annotated[str, typer.Option(help="An aligner, or a preset's name.")] = "viterbi",
    language: Language = None,
    channel: Channel = None,
    device: Device = "cpu",
    as_json: AsJson = False,
) -> None:
    """Align a known text with its audio.

    Example: align-eval align speech.wav --text "and you always want to see it" --out speech.TextGrid
    """
    from align_eval.api import align as align_text
    from align_eval.corpus.audio import audio_duration_s
    from align_eval.formats.textgrids import write_words
    from align_eval.model.load import load_model
    from align_eval.systems import BEST

    loaded = load_model(model, device=device)
    words = align_text(loaded, audio, text, source=source or BEST, align=align, language=language, channel=channel)
    if out:
        write_words(out, {"words": words}, audio_duration_s(audio))
    if as_json:
        print_json(words)
    for word in words if not (out or as_json) else ():
        print(f"{word.start_s:.3f}\t{word.end_s:.3f}\t{printable(word.text)}")
