"""Reproduction of the paper's tables for Whisper: agreement of cross-attention with saliency by layer and head, and the
faithfulness of both.

Usage: reproduction.py CORPUS MODEL OUT.json [--masks N] [--grid-masks N] [--device cuda] [--dtype float16]
                       [--compiled yes] [--wer yes] [--step 5] [--language en] [--task translate]

Cross-attention of a set of heads is z-scored per frame over tokens and the saliency map per token over frames, without
the row of the end of the text. rho is Pearson's correlation over the flattened matrices of an utterance, averaged over
utterances (Papi et al. 2025). Deletion scores are those of `align-eval faithfulness`, in steps of `--step` %. With
`--task translate` the text is the model's own greedy translation instead of the reference words. At the encoder output
SPES is repeated with fewer masks over a grid of probabilities, and once with all frames of the window. Intervals
resample utterances, so with one speaker they hold for these recordings only.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from whisper.model import Whisper

from align_eval.alignment.energy import energy_at_columns
from align_eval.corpus.audio import read_audio
from align_eval.corpus.bundled import load_corpus
from align_eval.findings.faithfulness.curves import Order, log_prob_curves, word_error_curves
from align_eval.findings.faithfulness.deletion import frame_relevance, most_relevant_first
from align_eval.findings.faithfulness.records import ENERGY, RANDOM, UtteranceCurves
from align_eval.findings.faithfulness.summary import summarise
from align_eval.model.decode import decoded_words
from align_eval.model.forward import Pass, shared_pass
from align_eval.model.load import load_model, model_checksum
from align_eval.model.text import force_words
from align_eval.records import Utterance
from align_eval.relevance.attention import attention
from align_eval.relevance.gradient import gradient
from align_eval.relevance.options import AttentionOptions, GradientOptions, SpesOptions
from align_eval.relevance.spes import pool_map, reliability, sampler
from align_eval.relevance.spes_masks import identical_scales
from align_eval.relevance.stack import mass_on_padding
from align_eval.scoring.inference import student_interval
from align_eval.scoring.metrics import Ratio
from align_eval.scoring.statistics import draw_weights
from align_eval.units import FRAME_S, START_S

Pool = Callable[[Tensor], Tensor]
POOLS: dict[str, Pool] = {how: partial(pool_map, how=how) for how in ("max", "mean", "max-mean")}
STATES: dict[str, Pool] = {"": lambda values: values}
GRID = ("0.1", "0.3", "0.5", "0.7", "0.8", "0.9", "0.95")
N_RANDOM = 3


def z_scored(values: Tensor, axis: int) -> Tensor:
    return (values - values.mean(dim=axis, keepdim=True)) / values.std(dim=axis, keepdim=True, unbiased=False)


def rho(weights: Tensor, saliency: Tensor) -> float:
    """Pearson's correlation by the paper's recipe; both are ``(token, frame)`` without the end of the text."""
    pair = torch.stack([z_scored(weights, 0).flatten(), z_scored(saliency, 1).flatten()])
    return float(torch.corrcoef(pair)[0, 1])


def by_head(weights: Tensor, saliency: Tensor) -> dict[str, float]:
    """Agreement by head, by layer average and over all heads; ``weights`` are ``(layer, head, token, frame)``."""
    values = {"all": rho(weights.mean(dim=(0, 1)), saliency)}
    for i, layer in enumerate(weights):
        values[f"layer {i}"] = rho(layer.mean(dim=0), saliency)
        values |= {f"head {i}.{j}": rho(head, saliency) for j, head in enumerate(layer)}
    return values


def spes_maps(
    model: Whisper, shared: Pass, options: SpesOptions, masks: int, pools: Mapping[str, Pool]
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Maps ``(token, frame)`` by pooling, and facts about their computation."""
    began = time.perf_counter()
    labels, draw = sampler(model, shared, options)
    segmented_s = time.perf_counter() - began
    first, second = draw(masks, torch.Generator().manual_seed(options.seed))
    whole = {how: pool(first.plus(second).map(labels)).cpu() for how, pool in pools.items()}
    _, reliable = reliability(*(next(iter(pools.values()))(half.map(labels)) for half in (first, second)))
    facts = {
        "masks": masks,
        "segments": [int(scale.max()) + 1 for scale in labels],
        "identical_scales": identical_scales(labels) if options.at == "mel" else [],
        "reliability": reliable,
        "mass_on_padding": mass_on_padding(next(iter(whole.values())), shared.n_frames),
        "seconds": time.perf_counter() - began - segmented_s,
        "segmenting_seconds": segmented_s,
    }
    return {how: values[:, : shared.n_frames] for how, values in whole.items()}, facts


def maps_of(
    model: Whisper, shared: Pass, a: argparse.Namespace
) -> tuple[dict[str, Tensor], dict[str, dict[str, Any]], Tensor]:
    """Maps ``(token, frame)`` with the end of the text, facts, both by name, and attention ``(layer, head, ...)``."""
    stack = attention(model, shared, AttentionOptions(heads="all"))
    heads = stack.values.cpu().view(model.dims.n_text_layer, -1, *stack.values.shape[1:])
    maps = {"attention": heads.mean(dim=(0, 1))}
    facts: dict[str, dict[str, Any]] = {"attention": dict(stack.details)}
    for at in ("mel", "encoder-output"):
        gradients = gradient(model, shared, GradientOptions(at=at))
        maps[f"gradient {at}"] = gradients.values[0].cpu()
        facts[f"gradient {at}"] = dict(gradients.details)
    common = {"dtype": a.dtype}
    runs = {"spes mel": (SpesOptions(at="mel", compiled=a.compiled, **common), a.masks, POOLS)}
    for mask in ("zero", "remove"):
        compiled = "no" if mask == "remove" else a.compiled
        options = SpesOptions(at="encoder-output", mask=mask, compiled=compiled, **common)  # type: ignore[arg-type]
        runs[f"spes encoder-output {mask}"] = options, a.masks, STATES
    for p in GRID:
        options = SpesOptions(at="encoder-output", p=p, compiled=a.compiled, **common)
        runs[f"spes encoder-output zero p={p}"] = options, a.grid_masks, STATES
    everywhere = SpesOptions(at="encoder-output", frames="all", compiled=a.compiled, **common)
    runs["spes encoder-output zero frames=all"] = everywhere, a.grid_masks, STATES
    for name, (options, masks, pools) in runs.items():
        by_pooling, facts[name] = spes_maps(model, shared, options, masks, pools)
        maps |= {f"{name} {how}".strip(): values for how, values in by_pooling.items()}
    return maps, facts, heads


def orders_of(maps: Mapping[str, Tensor], utterance: Utterance, shared: Pass) -> list[Order]:
    """Frames by relevance of each map, by energy, and at random."""
    rng = np.random.default_rng(0)
    relevance = {name: frame_relevance(values[:-1].numpy()) for name, values in maps.items()}
    samples = read_audio(utterance.audio)
    relevance[ENERGY] = energy_at_columns(samples, shared.n_frames, FRAME_S, START_S)
    orders = [Order(name, 0, most_relevant_first(values, rng)) for name, values in relevance.items()]
    return orders + [Order(RANDOM, draw, rng.permutation(shared.n_frames)) for draw in range(N_RANDOM)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("corpus", "model", "out"):
        parser.add_argument(name)
    parser.add_argument("--masks", type=int, default=20_000)
    parser.add_argument("--grid-masks", type=int, default=4_800)
    parser.add_argument("--step", type=int, default=5, help="distance of deletion levels in percent")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32", choices=["float32", "float16"], help="type of the masked passes")
    parser.add_argument("--compiled", default="no", choices=["no", "yes"])
    parser.add_argument("--wer", default="no", choices=["no", "yes"], help="measure deletion by re-decoding too")
    parser.add_argument("--language", default="en")
    parser.add_argument("--task", default="transcribe", choices=["transcribe", "translate"])
    a = parser.parse_args()
    if a.wer == "yes" and a.task == "translate":
        parser.error("--wer yes: there is no reference translation to count errors by")
    model = load_model(a.model, device=a.device).requires_grad_(False)
    settings = {name: value for name, value in vars(a).items() if name not in ("corpus", "out")}
    settings |= {"model_checksum": model_checksum(model), "torch": torch.__version__}
    rows: list[dict[str, Any]] = []
    curves: dict[str, list[UtteranceCurves]] = {"log-prob": [], "wer": []}
    for u in load_corpus(Path(a.corpus), language=a.language).utterances:
        if any(word.text.startswith("<") for word in u.words):
            continue  # the aligner marked a word that is not in its dictionary
        samples, texts = read_audio(u.audio), [word.text for word in u.words]
        if a.task == "translate":
            texts = decoded_words(model, samples, u.language, a.task)
        shared = shared_pass(model, samples, force_words(model, texts, u.language, task=a.task))
        maps, facts, heads = maps_of(model, shared, a)
        agreement = {name: by_head(heads[:, :, :-1], m[:-1]) for name, m in maps.items() if name != "attention"}
        rows.append(
            {
                "id": u.id,
                "text": " ".join(texts),
                "n_tokens": len(shared.text.tokens) - 1,
                "n_frames": shared.n_frames,
                "facts": facts,
            }
        )
        rows[-1]["agreement"] = agreement
        orders = orders_of(maps, u, shared)
        curves["log-prob"].append(log_prob_curves(model, u.id, shared, orders, a.step))
        if a.wer == "yes":
            few = [order for order in orders if "p=" not in order.name and order.draw == 0]
            curves["wer"].append(word_error_curves(model, u, shared, few, a.step))
        print(u.id, {name: round(values["all"], 3) for name, values in agreement.items()}, flush=True)
        result = {"settings": settings, "agreement": agreement_summary(rows), "facts": facts_summary(rows)}
        result |= {"deletion": {form: deletion_summary(form, done) for form, done in curves.items() if done}}
        Path(a.out).write_text(json.dumps(result | {"rows": rows}, indent=1), encoding="utf-8")


def mean_and_interval(values: list[float]) -> list[float | None]:
    """Mean over utterances with its interval."""
    return list(student_interval(Ratio(np.array(values), np.ones(len(values))), draw_weights(len(values), seed=0)))


def agreement_summary(rows: list[dict[str, Any]]) -> dict[str, dict[str, list[float | None]]]:
    """Agreement by map, and for each map by head, by layer and over all heads."""
    return {
        name: {part: mean_and_interval([row["agreement"][name][part] for row in rows]) for part in parts}
        for name, parts in rows[0]["agreement"].items()
    }


def facts_summary(rows: list[dict[str, Any]]) -> dict[str, dict[str, list[float | None]]]:
    """Reliability, mass on the padding, and masks per second by map."""
    summary: dict[str, dict[str, list[float | None]]] = {}
    for name, facts in rows[0]["facts"].items():
        keys = sorted(key for key in ("reliability", "mass_on_padding") if key in facts)
        summary[name] = {key: mean_and_interval([row["facts"][name][key] for row in rows]) for key in keys}
        if "seconds" in facts:
            rates = [row["facts"][name]["masks"] / row["facts"][name]["seconds"] for row in rows]
            summary[name]["masks_per_s"] = [float(np.median(rates)), None, None]
    return summary


def deletion_summary(form: str, done: list[UtteranceCurves]) -> dict[str, list[float | None]]:
    """Deletion scores by order, fill and pooling."""
    rows, _, _ = summarise(form, done, np.arange(len(done)), seed=0)
    return {
        f"{row.order} | {row.fill} | {row.pooling}": [row.value, row.ci_low, row.ci_high]
        for row in rows
        if row.metric == "deletion"
    }


if __name__ == "__main__":
    main()
