"""The verbs that make findings: `faithfulness` of a model's maps; `agree`, `budget`, `drift` of a finished run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from align_eval.cli.common import (
    AsJson,
    CorpusKind,
    CorpusName,
    Device,
    Language,
    Model,
    RunFolder,
    Seed,
    SpeakerCharacters,
    Tier,
    exit_for_failures,
    make_console,
    print_json,
    say,
)


def faithfulness(
    corpus: CorpusName,
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
    kind: CorpusKind = None,
    task: Annotated[
        str, typer.Option(help="transcribe (the reference words) or translate (the model's own translation).")
    ] = "transcribe",
    tier: Tier = None,
    language: Language = None,
    speaker_characters: SpeakerCharacters = None,
    device: Device = "cpu",
    as_json: AsJson = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of random orders, masks, noises and the bootstrap.")] = 0,
) -> None:
    """Delete and insert frames in the order a source ranks them, beside random orders and the loudest first.

    Also how well each map explains what random masks change (infidelity), and how steady it is (max-sensitivity).

    Without --source: attention of all heads, and the gradient at the encoder output.

    Example: align-eval faithfulness demo --source gradient:at=mel --out runs/faithfulness.json
    """
    from align_eval.cli.progress import progress
    from align_eval.corpus.bundled import load_corpus
    from align_eval.findings.faithfulness.records import FaithfulnessOptions
    from align_eval.formats.run.finding_json import write_finding
    from align_eval.formats.run.folder import prepare_folder
    from align_eval.formats.run.tracebacks import as_json as plain
    from align_eval.formats.run.tracebacks import folder_of_finding
    from align_eval.reporting.terminal.faithfulness import print_faithfulness

    options = FaithfulnessOptions(
        form=form,
        step_percent=step,
        n_random=random_orders,
        n_infidelity=infidelity_samples,
        n_sensitivity=sensitivity_samples,
        seed=seed,
        task=task,  # type: ignore[arg-type]  # it is checked there
    )
    loaded = load_corpus(corpus, kind=kind, tier=tier, language=language, speaker_characters=speaker_characters)
    prepare_folder(out.parent)
    from align_eval.findings.faithfulness.measure import DEFAULT_ORDERS, measure_faithfulness  # loads torch

    with progress(len(loaded.utterances)) as on_done:
        finding = measure_faithfulness(
            loaded, model, sources=source or DEFAULT_ORDERS, options=options, device=device, on_done=on_done
        )
    write_finding(out, finding)
    console = make_console(quiet=as_json)
    print_faithfulness(finding, console)
    say(console, f"written: {out}")
    tracebacks = folder_of_finding(out)
    if as_json:
        print_json(plain(finding, tracebacks.name))
    exit_for_failures(finding.failures, out, tracebacks)


def agree(
    run: Annotated[Path, typer.Argument(help="The folder of a run with --keep heads and some saliency.")],
    as_json: AsJson = False,
    seed: Seed = 0,
) -> None:
    """Agreement of cross-attention with every saliency that a run kept, by head, layer and average.

    Beside it: what a map faithful by construction scores on this corpus, the noise ceiling, coverage and entropy.
    Writes RUN/agree.json.

    Example: align-eval agree runs/kept
    """
    from align_eval.findings.agreement.measure import measure_agreement
    from align_eval.findings.kept_run import read_kept
    from align_eval.formats.run.finding_json import write_finding
    from align_eval.reporting.terminal.budget import print_agreement

    finding = measure_agreement(read_kept(run), seed)
    write_finding(run / "agree.json", finding)
    console = make_console(quiet=as_json)
    print_agreement(finding, console)
    say(console, f"written: {run}/agree.json")
    if as_json:
        print_json(finding)


def budget(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs with --keep heads; a missing map is named.")],
    floor_ms: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="How far two references of such speech lie apart; without it, what a run's second reference says.",
        ),
    ] = None,
    saliency: Annotated[
        str, typer.Option(help="The kept source whose residual is injected; another than this is exploratory.")
    ] = "gradient:at=encoder-output",
    as_json: AsJson = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of placebos, permutations and the bootstrap.")] = 0,
) -> None:
    """What attention's incompleteness costs its word times, and what the rest of the error is made of.

    Residual injection with its placebos, the effect of agreement per word, the cells of the error budget, Shapley
    shares. Writes budget.json and a picture, budget.png, into every run; p-values are adjusted over all of them.

    Example: align-eval budget runs/tiny runs/base --floor-ms 24
    """
    from align_eval.cli.progress import progress
    from align_eval.findings.budget.measure import measure_budget, with_holm
    from align_eval.findings.kept_run import read_kept
    from align_eval.formats.run.finding_json import write_finding
    from align_eval.reporting.figures.waterfall import draw_budget
    from align_eval.reporting.terminal.budget import print_budget
    from align_eval.reporting.terminal.scores import floors_ms

    kept = [read_kept(run) for run in runs]
    with progress(sum(len(items) for of_run in kept for items in of_run.items.values())) as on_done:
        findings = with_holm([measure_budget(of_run, seed, on_done, saliency=saliency) for of_run in kept])
    console = make_console(quiet=as_json)
    for run, of_run, finding in zip(runs, kept, findings, strict=True):
        write_finding(run / "budget.json", finding)
        references = {stratum.reference for stratum in finding.strata}
        floors = floors_ms(of_run.run) if floor_ms is None else dict.fromkeys(references, floor_ms)
        draw_budget(run / "budget.png", finding, floors)
        print_budget(finding, console, floors)
        say(console, f"written: {run}/budget.json, budget.png")
    if as_json:
        print_json(findings)


def drift(
    run: RunFolder,
    as_json: AsJson = False,
    seed: Seed = 0,
) -> None:
    """Does the error grow with time in the recording? Slopes in ms a minute, and the error of every minute.

    Writes RUN/drift.json and a picture, RUN/drift.png.

    Example: align-eval drift runs/long
    """
    from align_eval.findings.drift import measure_drift
    from align_eval.formats.run.finding_json import write_finding
    from align_eval.reporting.figures.drift import draw_drift
    from align_eval.reporting.terminal.drift import print_drift

    finding = measure_drift(run, seed)
    write_finding(run / "drift.json", finding)
    draw_drift(run / "drift.png", finding)
    console = make_console(quiet=as_json)
    print_drift(finding, console)
    say(console, f"written: {run}/drift.json, drift.png")
    if as_json:
        print_json(finding)
