"""The verbs that walk the street: `run` a corpus, `align` one recording."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from align_eval.cli.common import (
    AsJson,
    CorpusKind,
    CorpusName,
    Device,
    Language,
    Model,
    Protocols,
    Recording,
    Seed,
    SpeakerCharacters,
    SpokenText,
    Tier,
    exit_for_failures,
    make_console,
    print_json,
    say,
    say_next,
)
from align_eval.errors import InputError

if TYPE_CHECKING:
    from align_eval.engine.written_run import WrittenRun
    from align_eval.presets import Toggled


class Keep(StrEnum):
    """What is kept of the sources."""

    nothing = "nothing"
    maps = "maps"
    heads = "heads"


class Text(StrEnum):
    """What is aligned."""

    words = "words"
    hypothesis = "hypothesis"
    transcript = "transcript"


class Task(StrEnum):
    """What the decoder is asked for."""

    transcribe = "transcribe"
    translate = "translate"  # type: ignore[assignment]  # str has a method of that name


class Engine(StrEnum):
    """Who does the utterances."""

    local = "local"
    ray = "ray"


class Dtype(StrEnum):
    """What the model computes in."""

    float32 = "float32"
    float16 = "float16"
    bfloat16 = "bfloat16"


class Context(StrEnum):
    """What the encoder sees."""

    full = "full"
    fit = "fit"


def run(
    corpus: CorpusName,
    out: Annotated[Path, typer.Option(help="Folder for run.json, words.parquet and textgrids/.")],
    model: Model = "tiny.en",
    source: Annotated[list[str] | None, typer.Option(help="A relevance source; may be repeated.")] = None,
    align: Annotated[list[str] | None, typer.Option(help="An alignment for every source; may be repeated.")] = None,
    preset: Annotated[list[str] | None, typer.Option(help="Another system's own pair, as openai.")] = None,
    kind: CorpusKind = None,
    best: Annotated[
        bool,
        typer.Option("--best", help="The best aligner that was chosen for the model, beside what else is asked for."),
    ] = False,
    toggle: Annotated[
        bool, typer.Option("--toggle", help="Also switch each heuristic of the presets alone: what it is worth in ms.")
    ] = False,
    task: Annotated[
        Task, typer.Option(help="transcribe; translations have no word times to score: see `faithfulness --task`.")
    ] = Task.transcribe,
    tier: Tier = None,
    language: Language = None,
    speaker_characters: SpeakerCharacters = None,
    text: Annotated[
        Text,
        typer.Option(
            help="What is aligned: the reference's own words, what the model recognises, or the .txt beside the audio."
        ),
    ] = Text.words,
    protocols: Protocols = None,
    context: Annotated[
        Context, typer.Option(help="Encode the full 30 s window, or fit it to the audio: faster, not quite the same.")
    ] = Context.full,
    window_s: Annotated[
        float,
        typer.Option(min=5, max=30, help="Longer recordings are cut at reference pauses into windows of at most that."),
    ] = 30.0,
    second_reference: Annotated[
        str | None,
        typer.Option(help="A folder of TextGrids of the same names, or another tier: the floor between references."),
    ] = None,
    keep: Annotated[
        Keep, typer.Option(help="Keep each source's mean map, or every head of attention, as agree and budget need.")
    ] = Keep.nothing,
    device: Device = "cpu",
    dtype: Annotated[
        Dtype,
        typer.Option(
            help="Number format that the model computes in; half formats pay on a GPU, and on CPUs that have them."
        ),
    ] = Dtype.float32,
    batch: Annotated[
        int, typer.Option(min=1, help="Utterances that go through the model at once, on GPUs; changes last bits.")
    ] = 1,
    as_json: AsJson = False,
    seed: Seed = 0,
    shard: Annotated[
        str | None,
        typer.Option(help="i/n: that part of the corpus alone, chosen by a hash of each id; see `merge`."),
    ] = None,
    engine: Annotated[Engine, typer.Option(help="This process, or actors of Ray (extra `ray`).")] = Engine.local,
    workers: Annotated[int | None, typer.Option(min=1, help="How many actors of Ray.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Do a few utterances, say what the run will take here, and write nothing.")
    ] = False,
    cache: Annotated[
        Path | None,
        typer.Option(help="A folder for maps by model, audio, text and source: other alignments need no model pass."),
    ] = None,
    limit_gb: Annotated[
        float, typer.Option(min=0.001, help="What the cache may hold; what was not used for longest goes first.")
    ] = 10.0,
) -> None:
    """Score word times from attention and from saliency against a corpus's TextGrids.

    Without --source, --align and --preset the default table is made: openai-whisper's own times, and attention
    (alignment heads, all heads) and gradient (encoder output, 3/4 depth), each with both preparations and both paths.

    Examples: align-eval run demo --source attention:heads=all --source gradient --align viterbi --out runs/demo

    align-eval run demo --align openai --toggle --out runs/toggles
    """
    from align_eval.cli.progress import progress
    from align_eval.corpus.bundled import load_corpus
    from align_eval.corpus.second_reference import read_second_reference
    from align_eval.engine.forecast import forecast
    from align_eval.engine.job import JobOptions, prepare_job
    from align_eval.engine.shard import parse_shard
    from align_eval.engine.store import Store
    from align_eval.engine.written_run import run_into
    from align_eval.formats.run.folder import prepare_folder
    from align_eval.formats.run.tracebacks import FOLDER
    from align_eval.presets import best_preset, toggled_systems
    from align_eval.reporting.terminal.forecast import print_forecast
    from align_eval.scoring.protocol_file import read_protocols

    if task == Task.translate:
        problem = "a translation has no word times, so that there is nothing to score"
        raise InputError("task translate", problem, "use align-eval faithfulness --task translate")
    own = read_protocols(protocols) if protocols else None
    sources, aligns, presets = _asked(source, align, preset, best_preset(model) if best else None, toggle)
    toggled = toggled_systems(sources, aligns, presets) if toggle else ()
    loaded = load_corpus(corpus, kind=kind, tier=tier, language=language, speaker_characters=speaker_characters)
    if not dry_run:
        prepare_folder(out)
    asked = JobOptions(
        sources=sources,
        aligns=aligns,
        presets=presets,
        toggle=toggle,
        text=text.value,
        context=context.value,
        window_s=window_s,
        second_reference=read_second_reference(loaded, second_reference) if second_reference else None,
        device=device,
        dtype=dtype.value,
        batch=batch,
        seed=seed,
        keep=keep.value,
        shard=parse_shard(shard) if shard else None,
    )
    job = prepare_job(loaded, model, asked)
    if dry_run:
        found = forecast(job)
        print_forecast(found, make_console(quiet=as_json))
        if as_json:
            print_json(found)
        return
    with progress(len(job.utterances)) as on_done:
        written = run_into(
            out,
            job,
            protocols=own,
            on_done=on_done,
            cache=Store(cache, round(limit_gb * 1e9)) if cache else None,
            engine=engine.value,
            workers=workers,
        )
    if written.n_recalled:
        line = f"{written.n_recalled} utterances were done before this run was cut off, and not done again"
        say(make_console(quiet=as_json), line)
    _show(out, written, toggled, kept=keep != Keep.nothing, as_json=as_json)
    exit_for_failures(written.run.failures, out / "run.json", out / FOLDER)


def _show(out: Path, written: WrittenRun, toggled: Sequence[Toggled], *, kept: bool, as_json: bool) -> None:
    """Print a run that is written, and write and print what heuristics are worth in it, where that was asked."""
    from align_eval.reporting.terminal.scores import print_languages, print_run

    console = make_console(quiet=as_json)
    print_run(written.run, console)
    print_languages(written.languages, console)
    if toggled:
        from align_eval.findings.toggles import measure_toggles
        from align_eval.formats.run.finding_json import write_finding
        from align_eval.reporting.terminal.toggles import print_toggles

        signature = written.run.signature
        finding = measure_toggles(written.words, toggled, signature["id"], signature["seed"])
        write_finding(out / "toggles.json", finding)
        print_toggles(finding, console)
    names = ["run.json", "words.parquet", "textgrids/", *["toggles.json"] * bool(toggled), *["maps/"] * kept]
    say(console, f"written: {out}/{', '.join(names)}")
    say_next(console, out)
    if as_json:
        print_json(written.run)


def _asked(
    source: list[str] | None, align: list[str] | None, preset: list[str] | None, best: str | None, toggle: bool
) -> tuple[list[str], list[str], list[str]]:
    """Sources, alignments and presets, with the defaults of what is left out."""
    from align_eval.presets import DEFAULT_ALIGNS, DEFAULT_SOURCES, PRESETS

    default = not (source or align or preset or best)
    sources = source or (list(DEFAULT_SOURCES) if default or align else [])
    aligns, presets = align or list(DEFAULT_ALIGNS), preset or (["openai"] if default else [])
    presets = [*presets, *([best] if best else [])]
    if toggle and not source:  # a preset's name as --align stands for the preset itself, and for nothing else
        presets += [name for name in align or [] if name in PRESETS]
        sources, aligns = [], [name for name in align or [] if name not in PRESETS]
    return sources, aligns, presets


def align(
    audio: Recording,
    text: SpokenText,
    out: Annotated[Path | None, typer.Option(help="TextGrid to write; without it the words are printed.")] = None,
    model: Model = "tiny.en",
    source: Annotated[str, typer.Option(help="A relevance source.")] = "gradient:at=encoder-output",
    align: Annotated[str, typer.Option(help="An alignment, or a preset's name.")] = "viterbi",
    best: Annotated[
        bool, typer.Option("--best", help="The best aligner that was chosen for the model, in place of both.")
    ] = False,
    language: Language = None,
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
    from align_eval.presets import PRESETS, best_preset

    if best:
        chosen = PRESETS[best_preset(model)]
        source, align = chosen.source, chosen.align
    words = align_text(load_model(model, device=device), audio, text, source=source, align=align, language=language)
    if out:
        write_words(out, {"words": words}, audio_duration_s(audio))
    if as_json:
        print_json(words)
    for word in words if not (out or as_json) else ():
        print(f"{word.start_s:.3f}\t{word.end_s:.3f}\t{word.text}")
