"""The command line: parse, call, print. No logic."""

from __future__ import annotations

import sys
import warnings
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from align_eval.errors import EXIT_BAD_INPUT, AlignEvalError, InputWarning

PIPED_WIDTH = 190
"""A piped table is not squeezed into the 80 columns that rich assumes."""

app = typer.Typer(
    name="align-eval",
    help="Word timestamps from Whisper's cross-attention and from saliency maps, scored against TextGrids.\n\n"
    "Exit codes: 0 done, 2 an input was bad (what could be done was done), 130 interrupted.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Model = Annotated[
    str, typer.Option(help="An openai name (tiny.en ... large-v3-turbo), a .pt file or a CTranslate2 folder.")
]
Device = Annotated[str, typer.Option(help="A torch device: cpu, cuda.")]
Language = Annotated[str | None, typer.Option(help="Whisper's code of the language, as en.")]


class Keep(StrEnum):
    """What is kept of the sources."""

    nothing = "nothing"
    maps = "maps"
    heads = "heads"


class Context(StrEnum):
    """What the encoder sees."""

    full = "full"
    fit = "fit"


@app.command()
def run(
    corpus: Annotated[str, typer.Argument(help="A folder of audio with TextGrids, or a bundled name (demo, demo-ru).")],
    out: Annotated[Path, typer.Option(help="Folder for run.json, words.parquet and textgrids/.")],
    model: Model = "tiny.en",
    source: Annotated[list[str] | None, typer.Option(help="A relevance source; may be repeated.")] = None,
    align: Annotated[list[str] | None, typer.Option(help="An alignment for every source; may be repeated.")] = None,
    preset: Annotated[list[str] | None, typer.Option(help="Another system's own pair, as openai.")] = None,
    tier: Annotated[str | None, typer.Option(help="Name of the tier that holds the words.")] = None,
    language: Language = None,
    speaker_characters: Annotated[
        int | None, typer.Option(min=1, help="The speaker is that many first characters of the file name.")
    ] = None,
    context: Annotated[
        Context, typer.Option(help="Encode the full 30 s window, or fit it to the audio: faster, not quite the same.")
    ] = Context.full,
    keep: Annotated[
        Keep, typer.Option(help="Keep each source's mean map, or every head of attention, as agree and budget need.")
    ] = Keep.nothing,
    device: Device = "cpu",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the bootstrap.")] = 0,
) -> None:
    """Score word times from attention and from saliency against a corpus's TextGrids.

    Without --source, --align and --preset the default table is made: openai-whisper's own times, and attention
    (alignment heads, all heads) and gradient (encoder output, 3/4 depth), each with both preparations and both paths.

    Example: align-eval run demo --source attention:heads=all --source gradient --align viterbi --out runs/demo
    """
    from align_eval.corpus.bundled import load_corpus
    from align_eval.engine.progress import progress
    from align_eval.engine.run import evaluate
    from align_eval.formats.maps import FOLDER, SUFFIX, drop_maps, write_maps
    from align_eval.formats.run_folder import prepare_folder, write_run
    from align_eval.presets import DEFAULT_ALIGNS, DEFAULT_SOURCES
    from align_eval.report.table import print_run

    default = not (source or align or preset)
    loaded = load_corpus(corpus, tier=tier, language=language, speaker_characters=speaker_characters)
    prepare_folder(out)
    drop_maps(out)
    with progress(len(loaded.utterances)) as on_done:
        evaluation = evaluate(
            loaded,
            model,
            sources=source or (DEFAULT_SOURCES if default or align else ()),
            aligns=align or DEFAULT_ALIGNS,
            presets=preset or (["openai"] if default else []),
            context=context.value,
            device=device,
            seed=seed,
            keep=keep.value,
            on_kept=lambda id_, kept: write_maps(out / FOLDER / f"{id_}{SUFFIX}", kept),
            on_done=on_done,
        )
    write_run(out, evaluation.run, evaluation.words, evaluation.details)
    console = Console(width=None if sys.stdout.isatty() else PIPED_WIDTH)
    print_run(evaluation.run, console)
    console.print(
        f"written: {out}/run.json, words.parquet, textgrids/{'' if keep == Keep.nothing else ', maps/'}",
        markup=False,
        emoji=False,
        highlight=False,
        soft_wrap=True,
    )
    if evaluation.run.failures:
        raise typer.Exit(EXIT_BAD_INPUT)


@app.command()
def align(
    audio: Annotated[Path, typer.Argument(help="An audio file of at most 30 s.")],
    text: Annotated[str, typer.Option(help="What is spoken.")],
    out: Annotated[Path | None, typer.Option(help="TextGrid to write; without it the words are printed.")] = None,
    model: Model = "tiny.en",
    source: Annotated[str, typer.Option(help="A relevance source.")] = "gradient:at=encoder-output",
    align: Annotated[str, typer.Option(help="An alignment, or a preset's name.")] = "viterbi",
    language: Language = None,
    device: Device = "cpu",
) -> None:
    """Align a known text with its audio.

    Example: align-eval align speech.wav --text "and you always want to see it" --out speech.TextGrid
    """
    from align_eval.api import align as align_text
    from align_eval.corpus.audio import audio_duration_s
    from align_eval.formats.textgrids import write_words
    from align_eval.model.load import load_model

    words = align_text(load_model(model, device=device), audio, text, source=source, align=align, language=language)
    if out:
        write_words(out, {"words": words}, audio_duration_s(audio))
        return
    for word in words:
        print(f"{word.start_s:.3f}\t{word.end_s:.3f}\t{word.text}")


@app.command()
def faithfulness(
    corpus: Annotated[str, typer.Argument(help="A folder of audio with TextGrids, or a bundled name (demo, demo-ru).")],
    out: Annotated[Path, typer.Option(help="JSON file to write.")],
    model: Model = "tiny.en",
    source: Annotated[list[str] | None, typer.Option(help="A relevance source; may be repeated.")] = None,
    form: Annotated[
        str, typer.Option(help="log-prob (teacher-forced) or wer (re-decoded, several times slower).")
    ] = "log-prob",
    step: Annotated[int, typer.Option(min=1, max=50, help="Percent of the frames between two points.")] = 5,
    random_orders: Annotated[int, typer.Option(min=1, help="Random orders that the baseline is averaged over.")] = 5,
    infidelity_samples: Annotated[
        int, typer.Option(min=0, help="Random masks an utterance for infidelity (log-prob only); 0 leaves it out.")
    ] = 50,
    sensitivity_samples: Annotated[
        int, typer.Option(min=0, help="Noises an utterance for max-sensitivity (log-prob only); 0 leaves it out.")
    ] = 3,
    tier: Annotated[str | None, typer.Option(help="Name of the tier that holds the words.")] = None,
    language: Language = None,
    speaker_characters: Annotated[
        int | None, typer.Option(min=1, help="The speaker is that many first characters of the file name.")
    ] = None,
    device: Device = "cpu",
    seed: Annotated[int, typer.Option(min=0, help="Seed of random orders, masks, noises and the bootstrap.")] = 0,
) -> None:
    """Delete and insert frames in the order a source ranks them, beside random orders and the loudest first.

    Also how well each map explains what random masks change (infidelity), and how steady it is (max-sensitivity).

    Without --source: attention of all heads, and the gradient at the encoder output.

    Example: align-eval faithfulness demo --source gradient:at=mel --out runs/faithfulness.json
    """
    from align_eval.corpus.bundled import load_corpus
    from align_eval.engine.progress import progress
    from align_eval.findings.records import FaithfulnessOptions
    from align_eval.formats.findings import write_finding
    from align_eval.formats.run_folder import prepare_folder
    from align_eval.report.faithfulness_table import print_faithfulness

    options = FaithfulnessOptions(
        form=form,
        step_percent=step,
        n_random=random_orders,
        n_infidelity=infidelity_samples,
        n_sensitivity=sensitivity_samples,
        seed=seed,
    )
    loaded = load_corpus(corpus, tier=tier, language=language, speaker_characters=speaker_characters)
    prepare_folder(out.parent)
    from align_eval.findings.faithfulness import DEFAULT_ORDERS, measure_faithfulness  # loads torch

    with progress(len(loaded.utterances)) as on_done:
        finding = measure_faithfulness(
            loaded, model, sources=source or DEFAULT_ORDERS, options=options, device=device, on_done=on_done
        )
    write_finding(out, finding)
    console = Console(width=None if sys.stdout.isatty() else PIPED_WIDTH)
    print_faithfulness(finding, console)
    console.print(f"written: {out}", markup=False, emoji=False, highlight=False, soft_wrap=True)
    if finding.failures:
        raise typer.Exit(EXIT_BAD_INPUT)


@app.command()
def agree(
    run: Annotated[Path, typer.Argument(help="The folder of a run with --keep heads and some saliency.")],
    seed: Annotated[int, typer.Option(min=0, help="Seed of the bootstrap.")] = 0,
) -> None:
    """Agreement of cross-attention with every saliency that a run kept, by head, layer and average.

    Beside it: what a map faithful by construction scores on this corpus, the noise ceiling, coverage and entropy.
    Writes RUN/agree.json.

    Example: align-eval agree runs/kept
    """
    from align_eval.findings.agree import measure_agreement
    from align_eval.findings.kept import read_kept
    from align_eval.formats.findings import write_finding
    from align_eval.report.budget_table import print_agreement

    finding = measure_agreement(read_kept(run), seed)
    write_finding(run / "agree.json", finding)
    console = Console(width=None if sys.stdout.isatty() else PIPED_WIDTH)
    print_agreement(finding, console)
    console.print(f"written: {run}/agree.json", markup=False, emoji=False, highlight=False, soft_wrap=True)


@app.command()
def budget(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs with --keep heads; a missing map is named.")],
    floor_ms: Annotated[
        float | None,
        typer.Option(min=0, help="How far two references of such speech lie apart: a line in the picture."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of placebos, permutations and the bootstrap.")] = 0,
) -> None:
    """What attention's incompleteness costs its word times, and what the rest of the error is made of.

    Residual injection with its placebos, the effect of agreement per word, the cells of the error budget, Shapley
    shares. Writes budget.json and a picture, budget.png, into every run; p-values are adjusted over all of them.

    Example: align-eval budget runs/tiny runs/base --floor-ms 24
    """
    from align_eval.engine.progress import progress
    from align_eval.findings.budget import measure_budget, with_holm
    from align_eval.findings.kept import read_kept
    from align_eval.formats.findings import write_finding
    from align_eval.report.budget_table import print_budget
    from align_eval.report.waterfall import draw_budget

    kept = [read_kept(run) for run in runs]
    with progress(sum(len(items) for of_run in kept for items in of_run.items.values())) as on_done:
        findings = with_holm([measure_budget(of_run, seed, on_done) for of_run in kept])
    console = Console(width=None if sys.stdout.isatty() else PIPED_WIDTH)
    for run, finding in zip(runs, findings, strict=True):
        write_finding(run / "budget.json", finding)
        draw_budget(run / "budget.png", finding, floor_ms)
        print_budget(finding, console)
        console.print(
            f"written: {run}/budget.json, budget.png", markup=False, emoji=False, highlight=False, soft_wrap=True
        )


@app.command(name="list")
def list_(
    what: Annotated[str, typer.Argument(help="sources, aligns, presets, models or corpora.")],
) -> None:
    """List what can be named: sources and alignments with their keys, presets, models, corpora."""
    from align_eval.report.listing import listing

    for line in listing(what):
        print(line)


def main() -> None:
    """Run the command line; an error that we raise on purpose is one line and its exit code, a warning one line."""
    stderr = Console(stderr=True)

    def show_warning(message: Warning | str, *_: object) -> None:
        stderr.print(f"warning: {message}", style="yellow", markup=False, emoji=False, highlight=False, soft_wrap=True)

    warnings.showwarning = show_warning  # type: ignore[assignment]  # it needs none of the rest
    warnings.simplefilter("always", InputWarning)
    try:
        app()
    except AlignEvalError as error:
        stderr.print(f"error: {error}", style="red", markup=False, emoji=False, highlight=False, soft_wrap=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
