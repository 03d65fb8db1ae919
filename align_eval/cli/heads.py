"""The verbs `heads search` and `heads export`."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated

import typer

from align_eval.cli.common import (
    AsJson,
    CorpusName,
    Device,
    Language,
    Model,
    SpeakerCharacters,
    Tier,
    make_console,
    print_json,
    say,
)

heads_app = typer.Typer(
    name="heads",
    help="Search the heads of cross-attention to read word times from, and export them for other systems.",
    no_args_is_help=True,
)


@heads_app.command()
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
    tier: Tier = None,
    language: Language = None,
    speaker_characters: SpeakerCharacters = None,
    device: Device = "cpu",
    as_json: AsJson = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of halves, permutations and the bootstrap.")] = 0,
) -> None:
    """Rank every head, and search sets with nested cross-validation over speakers or recordings.

    CORPUS may also be the folder of a run with --keep heads; otherwise that run is made first.

    Example: align-eval heads search my_corpus --language en --out runs/heads.json
    """
    from align_eval.cli.progress import progress
    from align_eval.findings.heads.evidence import Reading
    from align_eval.findings.heads.measure import search_heads
    from align_eval.findings.kept_run import read_kept
    from align_eval.formats.run.finding_json import write_finding
    from align_eval.reporting.terminal.heads import print_heads

    folder, code = Path(corpus), 0
    if not (folder / "run.json").is_file():
        folder = out.with_suffix("")
        with redirect_stdout(sys.stderr if as_json else sys.stdout):
            code = _keep_heads(folder, corpus, model, saliency, unit, tier, language, speaker_characters, device, seed)
    kept = read_kept(folder)
    with progress(len(kept.items)) as on_done:
        finding = search_heads(kept, Reading(unit, prep, align), saliency, seed, on_done)
    write_finding(out, finding)
    console = make_console(quiet=as_json)
    print_heads(finding, console)
    say(console, f"written: {out}")
    if as_json:
        print_json(finding)
    if code:
        raise typer.Exit(code)


def _keep_heads(
    folder: Path,
    corpus: str,
    model: str,
    saliency: str,
    unit: str,
    tier: str | None,
    language: str | None,
    speaker_characters: int | None,
    device: str,
    seed: int,
) -> int:
    """Make the run that a search reads; its exit code."""
    from align_eval.cli.run import Keep, run
    from align_eval.findings.budget.cells import ALL_HEADS, DEFAULT_HEADS, in_unit

    try:
        run(
            corpus,
            folder,
            model=model,
            source=[in_unit(spec, unit) for spec in (ALL_HEADS, DEFAULT_HEADS, saliency)],
            align=["dtw"],
            tier=tier,
            language=language,
            speaker_characters=speaker_characters,
            keep=Keep.heads,
            device=device,
            seed=seed,
        )
    except typer.Exit as ended:  # some utterances failed: the search goes on with the others
        return ended.exit_code
    return 0


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
    from align_eval.findings.heads.records import heads_of_search
    from align_eval.formats.heads_export import export_heads, write_heads
    from align_eval.formats.run.finding_json import read_finding

    chosen, shape = heads_of_search(read_finding(search), search, of, reference)
    if out:
        write_heads(out, chosen, shape, form)
    else:
        print(export_heads(chosen, shape, form))
