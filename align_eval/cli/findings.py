"""Commands that compute findings: `faithfulness` of a corpus; `agree`, `budget` and `drift` of a finished run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from align_eval.cli.common import (
    AsJson,
    CorpusName,
    Device,
    Edited,
    Model,
    RunFolder,
    Seed,
    exit_for_failures,
    load_chosen,
    make_console,
    print_json,
    with_corpus_options,
)
from align_eval.reporting.terminal.printing import print_line

MAKE_WRITABLE = "make the folder of the run writable"


@with_corpus_options
def faithfulness(
    corpus: CorpusName,
    out: Annotated[Path, typer.Option(help="JSON file to write.")],
    model: Model = "tiny.en",
    source: Annotated[list[str] | None, typer.Option(help="Relevance source; may be repeated.")] = None,
    form: Annotated[
        str, typer.Option(help="Score: log-prob (teacher-forced) or wer (re-decoded, several times slower).")
    ] = "log-prob",
    step: Annotated[int, typer.Option(min=1, max=50, help="Percentage of frames between two points of a curve.")] = 5,
    random_orders: Annotated[int, typer.Option(min=1, help="Number of random orders in the random baseline.")] = 5,
    infidelity_samples: Annotated[
        int,
        typer.Option(min=0, help="Random masks per utterance for infidelity (log-prob only); 0 skips it."),
    ] = 50,
    sensitivity_samples: Annotated[
        int, typer.Option(min=0, help="Noises per utterance for max-sensitivity (log-prob only); 0 skips it.")
    ] = 3,
    task: Annotated[
        str, typer.Option(help="Text: transcribe (the reference words) or translate (the model's translation).")
    ] = "transcribe",
    device: Device = "cpu",
    as_json: AsJson = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of random orders, masks, noises and the bootstrap.")] = 0,
    **chosen: Any,
) -> None:
    """Measure how faithful each source is to the model: delete and insert frames in the order of its relevance.

    The baselines are random orders and the loudest frames first. Also measures infidelity (how well a map explains
    the effect of random masks) and max-sensitivity (how much noise changes a map).

    Default sources: attention of all heads, and the gradient at the encoder output.

    Example: align-eval faithfulness demo --source gradient:at=mel --out runs/faithfulness.json
    """
    from align_eval.cli.progress import progress
    from align_eval.findings.faithfulness.records import FaithfulnessOptions
    from align_eval.formats.run.finding_json import write_finding
    from align_eval.formats.run.staging import prepare_folder
    from align_eval.formats.run.tracebacks import as_json as finding_values
    from align_eval.formats.run.tracebacks import folder_of_finding
    from align_eval.reporting.terminal.faithfulness import print_faithfulness

    options = FaithfulnessOptions(
        form=form,
        step_percent=step,
        n_random=random_orders,
        n_infidelity=infidelity_samples,
        n_sensitivity=sensitivity_samples,
        seed=seed,
        task=task,  # type: ignore[arg-type]  # FaithfulnessOptions checks it
    )
    loaded = load_chosen(corpus, chosen)
    prepare_folder(out.parent)
    from align_eval.findings.faithfulness.measure import DEFAULT_ORDERS, measure_faithfulness  # loads torch

    with progress(len(loaded.utterances)) as on_done:
        finding = measure_faithfulness(
            loaded, model, sources=source or DEFAULT_ORDERS, options=options, device=device, on_done=on_done
        )
    write_finding(out, finding)
    console = make_console(quiet=as_json)
    print_faithfulness(finding, console)
    print_line(console, f"written: {out}")
    tracebacks = folder_of_finding(out)
    if as_json:
        print_json(finding_values(finding, tracebacks.name))
    exit_for_failures(finding.failures, out, tracebacks)


def agree(
    run: Annotated[Path, typer.Argument(help="Folder of a run with --keep heads and a saliency source.")],
    edited: Edited = False,
    as_json: AsJson = False,
    seed: Seed = 0,
) -> None:
    """Measure the agreement of cross-attention with each saved saliency: per head, per layer and for the average.

    Also measures the score of a map that is faithful by construction, the noise ceiling, coverage and entropy. Writes
    RUN/agree.json.

    Example: align-eval agree runs/kept
    """
    from align_eval.findings.agreement.measure import measure_agreement
    from align_eval.findings.saved_run import read_saved_run
    from align_eval.formats.run.finding_json import write_finding
    from align_eval.reporting.terminal.agreement import print_agreement

    finding = measure_agreement(read_saved_run(run, edited=edited), seed)
    write_finding(run / "agree.json", finding, MAKE_WRITABLE)
    console = make_console(quiet=as_json)
    print_agreement(finding, console)
    print_line(console, f"written: {run}/agree.json")
    if as_json:
        print_json(finding)


def budget(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs with --keep heads.")],
    floor_ms: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="Disagreement of two references of similar speech, in ms; default: from the second reference.",
        ),
    ] = None,
    saliency: Annotated[
        str, typer.Option(help="Saved source whose residual is injected. Any other than the default is exploratory.")
    ] = "gradient:at=encoder-output",
    edited: Edited = False,
    as_json: AsJson = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of controls, permutations and the bootstrap.")] = 0,
) -> None:
    """Measure how much word error the incompleteness of attention costs, and divide the rest of the error.

    Prints the answer of the run, then the cells of the error budget, residual injection with controls, Shapley shares,
    and the effect of agreement per word. Writes budget.json and budget.png into each run. p-values are adjusted over
    all runs.

    Example: align-eval budget runs/tiny runs/base --floor-ms 24
    """
    from align_eval.cli.progress import progress
    from align_eval.findings.budget.measure import measure_budget, with_holm
    from align_eval.findings.saved_run import read_saved_run
    from align_eval.formats.run.finding_json import write_finding
    from align_eval.reporting.figures.waterfall import budget_png
    from align_eval.reporting.terminal.answer import print_answer
    from align_eval.reporting.terminal.budget import print_budget
    from align_eval.reporting.terminal.scores import floors_ms

    kept_runs = [read_saved_run(run, edited=edited) for run in runs]
    with progress(sum(len(items) for kept in kept_runs for items in kept.items.values())) as on_done:
        findings = with_holm([measure_budget(kept, seed, on_done, saliency=saliency) for kept in kept_runs])
    console = make_console(quiet=as_json)
    for run, kept, finding in zip(runs, kept_runs, findings, strict=True):
        references = {stratum.reference for stratum in finding.strata}
        floors = floors_ms(kept.run) if floor_ms is None else dict.fromkeys(references, floor_ms)
        picture = {run / "budget.png": budget_png(finding, floors)}
        write_finding(run / "budget.json", finding, MAKE_WRITABLE, picture)
        print_answer(kept.run, console)
        print_budget(finding, console, floors)
        print_line(console, f"written: {run}/budget.json, budget.png")
    if as_json:
        print_json(findings)


def drift(
    run: RunFolder,
    edited: Edited = False,
    as_json: AsJson = False,
    seed: Seed = 0,
) -> None:
    """Measure drift: slope of the error against time in the recording, in ms per minute, and error per minute.

    Writes RUN/drift.json and RUN/drift.png.

    Example: align-eval drift runs/long
    """
    from align_eval.findings.drift import measure_drift
    from align_eval.formats.run.finding_json import write_finding
    from align_eval.reporting.figures.drift import drift_png
    from align_eval.reporting.terminal.drift import print_drift

    finding = measure_drift(run, seed, edited=edited)
    write_finding(run / "drift.json", finding, MAKE_WRITABLE, {run / "drift.png": drift_png(finding)})
    console = make_console(quiet=as_json)
    print_drift(finding, console)
    print_line(console, f"written: {run}/drift.json, drift.png")
    if as_json:
        print_json(finding)
