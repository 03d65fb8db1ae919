"""Is a map faithful? Frames are masked in the order that it ranks them, and the model is asked again.

What is masked, and the two forms of asking, are in :mod:`align_eval.findings.faithfulness.masking`.

Every source is beside two baselines: the loudest frames first, and random orders. A random order's insertion curve is
its deletion curve read from the end (the reverse of a random order is as random), so that its two scores sum to one and
are one piece of evidence, not two.

References: Gaido et al., the deletion metric of a token map (mean over tokens of the row-standardised map).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from torch import Tensor
from whisper.model import Whisper

from align_eval.alignment.energy import energy_at_columns
from align_eval.corpus.audio import read_audio
from align_eval.corpus.bundled import load_corpus
from align_eval.corpus.folder import Corpus, corpus_checksum
from align_eval.engine.languages import with_languages
from align_eval.engine.process import each_utterance
from align_eval.errors import InputError
from align_eval.findings.faithfulness.deletion import (
    SIZE_SHARE,
    deletion_masks,
    frame_relevance,
    most_relevant_first,
)
from align_eval.findings.faithfulness.infidelity import FRAMES_PER_RUN, TokenMap, sensitivities, unexplained
from align_eval.findings.faithfulness.masking import (
    Decoded,
    Masks,
    against_reference,
    batch_size,
    encoded_batches,
    mean_log_prob,
    mean_log_probs,
    normalised,
    redecode,
)
from align_eval.findings.faithfulness.records import (
    BASELINES,
    ENERGY,
    FILLS,
    RANDOM,
    SCHEMA_VERSION,
    SENSITIVITY_RADIUS,
    Curve,
    Ends,
    Faithfulness,
    FaithfulnessOptions,
    Fill,
    Outputs,
    UtteranceCurves,
)
from align_eval.findings.faithfulness.summary import clusters_of, hallucinations, summarise, summarise_maps
from align_eval.findings.kept_run import rng_of
from align_eval.model.decode import decoded_words
from align_eval.model.forward import Pass, shared_pass
from align_eval.model.language import language_of
from align_eval.model.load import check_precision, load_model, model_checksum
from align_eval.model.text import force_words
from align_eval.records import Plan, Utterance
from align_eval.relevance import canonical_source, stacks_of, tokens_of, unit_of
from align_eval.relevance.stack import Stack, text_rows
from align_eval.scoring.boundaries import Ints
from align_eval.signature import package_version, run_environment, run_signature, signature_id
from align_eval.units import FRAME_S, START_S

DEFAULT_ORDERS = ("attention:heads=all", "gradient:at=encoder-output")

PACKAGES = ("captum", "jiwer", "whisper-normalizer")
"""That decide this finding beside those of every run."""


@dataclass(frozen=True, slots=True)
class Order:
    """Frames of an utterance, the most relevant first."""

    name: str
    draw: int
    frames: Ints


def measure_faithfulness(
    corpus: Corpus | str | Path,
    model: Whisper | str = "tiny.en",
    *,
    sources: Sequence[str] = DEFAULT_ORDERS,
    options: FaithfulnessOptions | None = None,
    device: str = "cpu",
    on_done: Callable[[str], None] | None = None,
) -> Faithfulness:
    """Deletion and insertion curves of sources and baselines over a corpus, and what follows from them.

    Raises
    ------
    InputError
        Where the corpus or the model cannot be used at all, or a spec is unknown. An utterance that fails is listed.
    """
    options = options or FaithfulnessOptions()
    specs = tuple(dict.fromkeys(canonical_source(source) for source in sources))
    for spec in specs:
        if unit_of(spec) != "subword":
            raise InputError(f"source {spec}", "faithfulness is asked of Whisper's own tokens", "leave unit= out")
        if tokens_of(spec)[1] != "no-timestamps":
            raise InputError(f"source {spec}", "faithfulness is asked of one prompt for all", "leave prompt= out")
    if isinstance(corpus, str | Path):
        corpus = load_corpus(corpus)
    name = model if isinstance(model, str) else "a loaded model"
    loaded = load_model(model, device=device) if isinstance(model, str) else model
    check_precision(loaded)
    corpus, _ = with_languages(corpus, loaded)
    curves, failures = each_utterance(corpus, lambda u: utterance_curves(loaded, u, specs, options), on_done)
    done = list(curves.values())
    clusters, cluster = clusters_of(corpus.utterances, done)
    rows, comparisons, n_effective = summarise(options.form, done, cluster, options.seed)
    return Faithfulness(
        schema=SCHEMA_VERSION,
        signature=_signature(loaded, name, corpus, specs, options),
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
    model: Whisper, utterance: Utterance, specs: Sequence[str], options: FaithfulnessOptions
) -> UtteranceCurves:
    """All that is measured of one utterance; the same whatever is measured before or beside."""
    samples = read_audio(utterance.audio)
    utterance = replace(utterance, language=language_of(model, samples, utterance.language))
    if options.task == "translate":
        texts = decoded_words(model, samples, utterance.language, options.task)
    else:
        texts = [word.text for word in utterance.words]
    shared = shared_pass(model, samples, force_words(model, texts, utterance.language, task=options.task))
    energy = energy_at_columns(samples, shared.n_frames, FRAME_S, START_S)

    def maps_of(given: Pass) -> dict[str, TokenMap]:
        stack_of = stacks_of(model, given)
        return {spec: source_map(stack_of, given, spec) for spec in specs}

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
    masks, noise = (rng_of(options.seed, utterance.id, measure) for measure in ("infidelity", "sensitivity"))
    return replace(
        curves,
        unexplained=unexplained(model, shared, maps, energy, options.n_infidelity, masks),
        sensitivity=sensitivities(model, shared, maps, maps_of, options.n_sensitivity, noise),
    )


def source_map(stack_of: Callable[[str], Stack], shared: Pass, spec: str) -> TokenMap:
    """The map of a source: its stack averaged over maps, the text's rows, end left out, ``(token, frame)``."""
    stack = stack_of(spec)
    values: TokenMap = text_rows(stack.values.mean(dim=0), stack.first_row, shared.text)[:-1].cpu().numpy()
    if not np.isfinite(values).all():
        raise InputError(f"source {spec}", "the map is not finite", "check the model's weights")
    return values


def _deletions(orders: Sequence[Order]) -> Iterator[tuple[Order, Ints, bool]]:
    """What is deleted: orders forwards and, for insertion, from their end. A random one's reverse is as random."""
    for order in orders:
        yield order, order.frames, False
        if order.name != RANDOM:
            yield order, order.frames[::-1], True


def _interior_masks(orders: Sequence[Order], step_percent: int) -> Masks:
    """Masks of all curves without their ends, which all share, ``(curve and level, frame)``."""
    return np.concatenate([deletion_masks(frames, step_percent)[1:-1] for _, frames, _ in _deletions(orders)])


def _fully_deleted(shared: Pass) -> Masks:
    return np.ones((1, shared.n_frames), dtype=np.bool_)


def log_prob_curves(
    model: Whisper, id_: str, shared: Pass, orders: Sequence[Order], step_percent: int
) -> UtteranceCurves:
    """Curves of the text's mean log-probability as frames are masked in each order and from its end."""
    clean = mean_log_prob(shared.log_prob[:-1])
    masks = _interior_masks(orders, step_percent)
    curves: list[Curve] = []
    for fill in FILLS:
        deleted = float(mean_log_probs(model, shared, _fully_deleted(shared), fill)[0])
        interior = mean_log_probs(model, shared, masks, fill).reshape(-1, 100 // step_percent - 1)
        for (order, _, reverse), own in zip(_deletions(orders), interior, strict=True):
            values = (clean, *own.tolist(), deleted)
            curves += _curves(order, fill, reverse, values, None)
    return UtteranceCurves(id_, shared.n_frames, len(shared.log_prob) - 1, tuple(curves))


def word_error_curves(
    model: Whisper, utterance: Utterance, shared: Pass, orders: Sequence[Order], step_percent: int
) -> UtteranceCurves:
    """Curves of word errors of re-decoding as frames are masked in each order and from its end."""
    language = utterance.language
    reference = normalised(utterance.text, language)
    if not reference.split():
        raise InputError("text", f"{utterance.text!r} has no word after normalisation", "leave it out of this finding")
    n_tokens = len(shared.text.tokens)

    def decode(encoded: Tensor) -> list[Decoded]:
        outputs = redecode(model, encoded, language, n_tokens)
        return [against_reference(reference, normalised(text, language), capped=capped) for text, capped in outputs]

    (clean,) = decode(shared.taps[-1])
    masks = _interior_masks(orders, step_percent)
    n_interior = 100 // step_percent - 1
    curves: list[Curve] = []
    ends: dict[Fill, Decoded] = {}
    for fill in FILLS:
        (encoded,) = encoded_batches(model, shared, _fully_deleted(shared), fill, 1)
        (ends[fill],) = decode(encoded)
        interior = [
            d for encoded in encoded_batches(model, shared, masks, fill, batch_size(model)) for d in decode(encoded)
        ]
        for i, (order, _, reverse) in enumerate(_deletions(orders)):
            decoded = [clean, *interior[i * n_interior : (i + 1) * n_interior], ends[fill]]
            curves += _curves(order, fill, reverse, tuple(float(d.errors) for d in decoded), decoded)
    return UtteranceCurves(
        id=utterance.id,
        n_frames=shared.n_frames,
        n_units=len(reference.split()),
        curves=tuple(curves),
        ends=Ends(
            clean_text=clean.text,
            clean_errors=clean.errors,
            deleted_text={str(fill): d.text for fill, d in ends.items()},
            deleted_errors={str(fill): d.errors for fill, d in ends.items()},
        ),
    )


def _curves(
    order: Order, fill: Fill, reverse: bool, values: tuple[float, ...], decoded: list[Decoded] | None
) -> Iterator[Curve]:
    """A deletion curve as it is; of a reversed or a random order also, read from its end, as insertion curve."""
    if not reverse:
        yield Curve(order.name, order.draw, fill, "deletion", values, _outputs(decoded))
    if reverse or order.name == RANDOM:
        backwards = decoded[::-1] if decoded else None
        yield Curve(order.name, order.draw, fill, "insertion", values[::-1], _outputs(backwards))


def _outputs(decoded: list[Decoded] | None) -> Outputs | None:
    if decoded is None:
        return None
    return Outputs(
        insertions=tuple(d.insertions for d in decoded),
        empty=tuple(not d.text for d in decoded),
        capped=tuple(d.capped for d in decoded),
    )


def _signature(
    model: Whisper, name: str, corpus: Corpus, specs: Sequence[str], options: FaithfulnessOptions
) -> dict[str, object]:
    """The signature of a run without systems, and what this finding adds."""
    plan = Plan(model=name, systems=(), device=model.device.type, seed=options.seed)
    settings = run_signature(
        plan,
        model_checksum=model_checksum(model),
        corpus=corpus.name,
        corpus_checksum=corpus_checksum(corpus.utterances),
    )
    del settings["id"]
    settings["packages"] |= {package: package_version(package) for package in PACKAGES}
    settings["faithfulness"] = {
        "sources": [canonical_source(spec, full=True) for spec in specs],
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
