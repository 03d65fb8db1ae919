"""The commands `heads search` and `heads export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from align_eval.cli.common import (
    AsJson,
    CorpusName,
    Device,
    Edited,
    Model,
    exit_for_failures,
    load_chosen,
    make_console,
    print_json,
    with_corpus_options,
)
from align_eval.cli.interrupt import interruptible
from align_eval.reporting.numbers import counted
from align_eval.reporting.terminal.printing import print_line

if TYPE_CHECKING:
    from rich.console import Console

    from align_eval.corpus.folder import Corpus
    from align_eval.options import RunOptions
    from align_eval.records import Failure

heads_app = typer.Typer(
    name="heads",
    help="Search the heads of cross-attention to read word times from, and export them for other systems.",
    no_args_is_help=True,
)


@heads_app.command()
@with_corpus_options
def search(
    corpus: CorpusName,
    out: Annotated[Path, typer.Option(help="JSON file to write; the run, where one is made, is kept beside it.")],
    model: Model = "tiny.en",
    saliency: Annotated[
        str, typer.Option(help="The source that heads are held against, for sets without reference times.")
    ] = "gradient:at=encoder-output",
    unit: Annotated[str, typer.Option(help="Tokens: subword or character.")] = "subword",
    prep: Annotated[str, typer.Option(help="How heads are prepared: zscore-median, as in openai-whisper, or log.")] = (
        "zscore-median"
    ),
    align: Annotated[str, typer.Option(help="The path that sets are read by, as dtw or viterbi.")] = "dtw",
    device: Device = "cpu",
    edited: Edited = False,
    as_json: AsJson = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of halves, permutations and the bootstrap.")] = 0,
    **chosen: Any,
) -> None:
    """Rank every head, and search sets with nested cross-validation over speakers or recordings.

    CORPUS may also be the folder of a run with --keep heads; otherwise that run is made first.

    Example: align-eval heads search my_corpus --language en --out runs/heads.json
    """
    from align_eval.cli.progress import progress
    from align_eval.findings.heads.evidence import Reading
    from align_eval.findings.heads.measure import search_heads
    from align_eval.findings.saved_run import read_saved_run
    from align_eval.formats.run.finding_json import write_finding
    from align_eval.formats.run.staging import holds_run
    from align_eval.reporting.terminal.heads import print_heads

    console = make_console(quiet=as_json)
    folder = Path(corpus)
    failures: tuple[Failure, ...] = ()
    if not holds_run(folder):
        from align_eval.findings.budget.cells import ALL_HEADS, DEFAULT_HEADS, in_unit
        from align_eval.options import RunOptions

        folder = out.with_suffix("")
        sources = [in_unit(spec, unit) for spec in (ALL_HEADS, DEFAULT_HEADS, saliency)]
        options = RunOptions(sources=sources, aligns=["dtw"], keep="heads", device=device, seed=seed)
        loaded = load_chosen(corpus, chosen)
        failures = _run(loaded, model, options, folder, console)
    kept = read_saved_run(folder, edited=edited)
    with progress(len(kept.items)) as on_done:
        finding = search_heads(kept, Reading(unit, prep, align), saliency, seed, on_done)
    write_finding(out, finding)
    print_heads(finding, console)
    print_line(console, f"written: {out}")
    if as_json:
        print_json(finding)
    exit_for_failures(failures, folder / "run.json", folder / "tracebacks")


def _run(corpus: Corpus, model: str, options: RunOptions, folder: Path, console: Console) -> tuple[Failure, ...]:
    """Make the run that a search reads, and return its failures: the search goes on with the other utterances."""
    from align_eval.cli.progress import progress
    from align_eval.engine.finished import finished_job
    from align_eval.engine.job import prepare_job
    from align_eval.engine.run import run_into
    from align_eval.formats.run.staging import prepare_folder
    from align_eval.reporting.terminal.scores import print_run

    prepare_folder(folder)
    job = prepare_job(corpus, model, options)
    finished = finished_job(folder, job, remedy="choose another --out: the run of a search goes beside it")
    if finished:
        run, _ = finished
        print_line(console, f"already done: {folder} ({counted(len(job.utterances), 'utterance')})")
    else:
        with interruptible(len(job.utterances)) as count, progress(len(job.utterances)) as on_done:
            run, _ = run_into(folder, job, on_done=count(on_done))
    print_run(run, console)
    return run.failures


@heads_app.command()
def export(
    search: Annotated[Path, typer.Argument(help="A file that `heads search` wrote.")],
    form: Annotated[str, typer.Option(help="transformers, ctranslate2, whisper.cpp or openai.")],
    of: Annotated[str, typer.Option("--set", help="A set of the search by its name.")] = "greedy by agreement",
    reference: Annotated[
        str | None, typer.Option(help="Kind of reference, where the search has several: manual, automatic.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="File to write; a generation_config.json or config.json that is there gets the entry."),
    ] = None,
) -> None:
    """Write a set of heads in the form that another system reads.

    Example: align-eval heads export runs/heads.json --form ctranslate2 --out my_model/config.json
    """
    from align_eval.findings.heads.records import heads_of_search, read_search
    from align_eval.formats.heads_export import export_heads, write_heads

    chosen, shape = heads_of_search(read_search(search), search, of, reference)
    if out:
        write_heads(out, chosen, shape, form)
    else:
        print(export_heads(chosen, shape, form))
