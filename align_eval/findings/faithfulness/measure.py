"""Faithfulness of maps over a corpus: frames are masked in the order of their relevance, and the model runs again.

:mod:`align_eval.findings.faithfulness.masking` defines the masks and the two forms of the measurement.

Every source is compared with two baselines: the loudest frames first, and random orders. The insertion curve of a
random order is its deletion curve read from the end, because the reverse of a random order is as random. Its two scores
therefore sum to one and are one piece of evidence, not two.

References: Gaido et al. for the deletion metric of a token map (mean over tokens of the row-standardised map).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from whisper.model import Whisper

from align_eval.alignment.energy import energy_at_columns
from align_eval.corpus.audio import check_unchanged, read_audio
from align_eval.corpus.bundled import load_corpus
from align_eval.corpus.checksums import FileChecksums
from align_eval.corpus.folder import Corpus, corpus_checksum
from align_eval.engine.head_choice import with_chosen_heads
from align_eval.engine.job import detect_languages
from align_eval.engine.utterance import all_failed, attempt, by_id
from align_eval.errors import InputError
from align_eval.findings.faithfulness.curves import Order, log_prob_curves, word_error_curves
from align_eval.findings.faithfulness.deletion import SIZE_SHARE, frame_relevance, most_relevant_first
from align_eval.findings.faithfulness.infidelity import FRAMES_PER_RUN, TokenMap, sensitivities, unexplained
from align_eval.findings.faithfulness.records import (
    BASELINES,
    ENERGY,
    FILLS,
    RANDOM,
    SCHEMA_VERSION,
    SENSITIVITY_RADIUS,
    Faithfulness,
    FaithfulnessOptions,
    UtteranceCurves,
)
from align_eval.findings.faithfulness.summary import clusters_of, hallucinations, summarise, summarise_maps
from align_eval.findings.saved_run import rng_of
from align_eval.model.decode import decoded_words
from align_eval.model.forward import Pass, shared_pass
from align_eval.model.language import language_of
from align_eval.model.load import check_precision, load_model, model_checksum
from align_eval.model.text import force_words
from align_eval.options import Plan, RunOptions
from align_eval.records import Failure, Utterance
from align_eval.relevance.source import Source, parse_source
from align_eval.relevance.stack import StackOf, stacks_of, text_rows
from align_eval.signature import package_version, run_environment, run_signature, signature_id
from align_eval.systems import with_heads
from align_eval.units import FRAME_S, START_S

DEFAULT_ORDERS = ("attention:heads=all", "gradient:at=encoder-output")

PACKAGES = ("captum", "jiwer", "whisper-normalizer")
"""Packages that decide this finding in addition to those of every run."""


def measure_faithfulness(
    corpus: Corpus | str | Path,
    model: Whisper | str = "tiny.en",
    *,
    sources: Sequence[str] = DEFAULT_ORDERS,
    options: FaithfulnessOptions | None = None,
    device: str = "cpu",
    on_done: Callable[[str], None] | None = None,
) -> Faithfulness:
    """Measure the faithfulness of sources and baselines over a corpus.

    Parameters
    ----------
    corpus
        A corpus, or its name or folder.
    model
        A loaded model, or its name or file.
    sources
        Specs of the sources.
    options
        Form of the measurement and its sizes.
    device
        Device to load the model on.
    on_done
        Called with the id of each utterance when it is finished.

    Raises
    ------
    InputError
        Where the corpus or the model cannot be used at all, or a spec is unknown. The finding lists the utterances that
        fail.
    """
    options = options or FaithfulnessOptions()
    for source in (parse_source(with_heads(text, "alignment")) for text in sources):
        if source.tokens.unit != "subword":
            raise InputError(f"source {source}", "faithfulness needs Whisper's own tokens", "leave unit= out")
        if source.tokens.prompt != "no-timestamps":
            raise InputError(f"source {source}", "faithfulness needs one prompt for all sources", "leave prompt= out")
    if isinstance(corpus, str | Path):
        corpus = load_corpus(corpus)
    name = model if isinstance(model, str) else "a loaded model"
    loaded = load_model(model, device=device) if isinstance(model, str) else model
    check_precision(loaded)
    parsed = tuple(dict.fromkeys(map(parse_source, with_chosen_heads(loaded, sources))))
    corpus, _ = detect_languages(corpus, loaded)
    checksums = FileChecksums()

    def measured(u: Utterance) -> UtteranceCurves:
        checksums.of(u.audio.path)
        result = utterance_curves(loaded, u, parsed, options)
        check_unchanged(u.audio.path, checksums.states[u.audio.path])
        return result

    curves, failures = _each_utterance(corpus, measured, on_done)
    done = list(curves.values())
    clusters, cluster = clusters_of(corpus.utterances, done)
    rows, comparisons, n_effective = summarise(options.form, done, cluster, options.seed)
    return Faithfulness(
        schema=SCHEMA_VERSION,
        signature=_signature(loaded, name, corpus, checksums, parsed, options),
        form=options.form,
        clusters=clusters,
        n_clusters=int(cluster.max()) + 1,
        n_effective_clusters=n_effective,
        rows=rows,
        comparisons=comparisons,
        hallucinations=hallucinations(done),
        utterances=tuple(done),
        failures=failures,
        map_rows=summarise_maps(done, cluster, options.seed),
        environment=run_environment(),
    )


def utterance_curves(
    model: Whisper, utterance: Utterance, sources: Sequence[Source], options: FaithfulnessOptions
) -> UtteranceCurves:
    """Measure one utterance; the result does not depend on the other utterances or sources."""
    samples = read_audio(utterance.audio, lasts_s=utterance.duration_s)
    utterance = replace(utterance, language=language_of(model, samples, utterance.language))
    if options.task == "translate":
        texts = decoded_words(model, samples, utterance.language, options.task)
    else:
        texts = [word.text for word in utterance.words]
    shared = shared_pass(model, samples, force_words(model, texts, utterance.language, task=options.task))
    energy = energy_at_columns(samples, shared.n_frames, FRAME_S, START_S)

    def maps_of(one_pass: Pass) -> dict[str, TokenMap]:
        stack_of = stacks_of(model, one_pass)
        return {source.text: source_map(stack_of, one_pass, source) for source in sources}

    maps = maps_of(shared)
    relevance = {spec: frame_relevance(rows) for spec, rows in maps.items()} | {ENERGY: energy}
    orders = [
        Order(name, 0, most_relevant_first(values, rng_of(options.seed, utterance.id, name)))
        for name, values in relevance.items()
    ]
    rng = rng_of(options.seed, utterance.id, RANDOM)
    orders += [Order(RANDOM, draw, rng.permutation(shared.n_frames)) for draw in range(options.n_random)]
    if options.form == "wer":
        return word_error_curves(model, utterance, shared, orders, options.step_percent)
    curves = log_prob_curves(model, utterance.id, shared, orders, options.step_percent)
    mask_rng, noise_rng = (rng_of(options.seed, utterance.id, measure) for measure in ("infidelity", "sensitivity"))
    return replace(
        curves,
        unexplained=unexplained(model, shared, maps, energy, options.n_infidelity, mask_rng),
        sensitivity=sensitivities(model, shared, maps, maps_of, options.n_sensitivity, noise_rng),
    )


def _each_utterance(
    corpus: Corpus, work: Callable[[Utterance], UtteranceCurves], on_done: Callable[[str], None] | None = None
) -> tuple[dict[str, UtteranceCurves], tuple[Failure, ...]]:
    """Run `work` on every utterance, and list the failed ones with those that could not be loaded, by id.

    Raises
    ------
    InputError
        Where no utterance is left: there was none, or every one failed.
    BugError
        Where every one failed, at least one by an unexpected error.
    """
    results: dict[str, UtteranceCurves] = {}
    failures = list(corpus.failures)
    for utterance in corpus.utterances:
        result = attempt(utterance, work)
        if isinstance(result, Failure):
            failures.append(result)
        else:
            results[utterance.id] = result
        if on_done:
            on_done(utterance.id)
    if not results:
        raise all_failed(corpus.name, failures)
    return results, by_id(failures)


def source_map(stack_of: StackOf, shared: Pass, source: Source) -> TokenMap:
    """Map of a source: the mean of its maps over the rows of the text's tokens, float[n_tokens, n_frames].

    Raises
    ------
    InputError
        Where a value is not finite.
    """
    stack = stack_of(source)
    values: TokenMap = text_rows(stack.values.mean(dim=0), stack.first_row, shared.text)[:-1].cpu().numpy()
    if not np.isfinite(values).all():
        raise InputError(f"source {source}", "the map is not finite", "check the model's weights")
    return values


def _signature(
    model: Whisper,
    name: str,
    corpus: Corpus,
    checksums: FileChecksums,
    sources: Sequence[Source],
    options: FaithfulnessOptions,
) -> dict[str, object]:
    """Signature of a run without systems, with the settings of this finding."""
    plan = Plan(name, (), RunOptions(device=model.device.type, seed=options.seed))
    settings = run_signature(
        plan,
        model_checksum=model_checksum(model),
        corpus=corpus.name,
        corpus_checksum=corpus_checksum(corpus.utterances, checksums),
    )
    del settings["id"]
    settings["packages"] |= {package: package_version(package) for package in PACKAGES}
    settings["faithfulness"] = {
        "sources": [source.full_text for source in sources],
        "baselines": list(BASELINES),
        "form": options.form,
        "task": options.task,
        "fills": list(FILLS),
        "step_percent": options.step_percent,
        "n_random": options.n_random,
        "size_share": SIZE_SHARE,
    }
    if options.form == "log-prob":
        settings["faithfulness"] |= {
            "n_infidelity": options.n_infidelity,
            "frames_per_run": FRAMES_PER_RUN,
            "n_sensitivity": options.n_sensitivity,
            "sensitivity_radius": SENSITIVITY_RADIUS,
        }
    return {"id": signature_id(settings), **settings}
