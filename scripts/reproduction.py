"""The agreement of cross-attention with SPES maps on a corpus, by layer: the paper's tables redone for Whisper.

Usage: reproduction.py CORPUS MODEL OUT.json [--masks N] [--device cuda] [--half] [--language en]

Cross-attention of a set of heads is z-scored per frame over tokens, the saliency map per token over frames, the row of
the end of the text left out; rho is Pearson's over the flattened matrices of an utterance, averaged over utterances
(Papi et al. 2025). Intervals resample utterances, so with one speaker they speak of these recordings only.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from whisper.model import Whisper

from align_eval.corpus.audio import read_audio
from align_eval.corpus.bundled import load_corpus
from align_eval.model.forward import Pass, shared_pass
from align_eval.model.load import load_model, model_checksum
from align_eval.model.text import force_words
from align_eval.relevance.attention import attention
from align_eval.relevance.gradient import gradient
from align_eval.relevance.options import AttentionOptions, GradientOptions, SpesOptions
from align_eval.relevance.spes import identical_scales, pool_map, reliability, sampler
from align_eval.scoring.metrics import Ratio
from align_eval.scoring.statistics import draw_weights, estimate

Pool = Callable[[Tensor], Tensor]
POOLS = ("max", "mean", "max-mean")


def z_scored(values: Tensor, axis: int) -> Tensor:
    return (values - values.mean(dim=axis, keepdim=True)) / values.std(dim=axis, keepdim=True, unbiased=False)


def rho(weights: Tensor, saliency: Tensor) -> float:
    """Pearson's correlation by the paper's recipe; both ``(token, frame)`` without the row of EOT."""
    pair = torch.stack([z_scored(weights, 0).flatten(), z_scored(saliency, 1).flatten()])
    return float(torch.corrcoef(pair)[0, 1])


def by_layer(weights: Tensor, saliency: Tensor) -> dict[str, float]:
    """Agreement of each layer's head average and of the average over all, of ``(layer, head, token, frame)``."""
    layers = {f"layer {i}": rho(layer.mean(dim=0), saliency) for i, layer in enumerate(weights)}
    return layers | {"all": rho(weights.mean(dim=(0, 1)), saliency)}


def in_half(model: Whisper) -> Whisper:
    """Half precision, but for the norms, which openai-whisper computes in float32."""
    model.half()
    for module in model.modules():
        if isinstance(module, torch.nn.LayerNorm):
            module.float()
    return model


def halved(shared: Pass, *, half: bool) -> Pass:
    return replace(shared, taps=tuple(tap.half() for tap in shared.taps)) if half else shared


def spes_maps(
    model: Whisper, shared: Pass, options: SpesOptions, masks: int, pools: dict[str, Pool]
) -> tuple[dict[str, Tensor], dict[str, object]]:
    began = time.perf_counter()
    labels, draw = sampler(model, shared, options)
    segmented_s = time.perf_counter() - began
    first, second = draw(masks, torch.Generator().manual_seed(options.seed))
    maps = {name: pool(first.plus(second).map(labels))[:, : shared.n_frames].cpu() for name, pool in pools.items()}
    _, reliable = reliability(*(next(iter(pools.values()))(x.map(labels)) for x in (first, second)))
    facts = {
        "segments": [int(scale.max()) + 1 for scale in labels],
        "identical_scales": identical_scales(labels) if options.at == "mel" else [],
        "reliability": reliable,
        "seconds": time.perf_counter() - began - segmented_s,
        "segmenting_seconds": segmented_s,
    }
    return maps, facts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("corpus", "model", "out"):
        parser.add_argument(name)
    parser.add_argument("--masks", type=int, default=20_000)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--half", action="store_true", help="perturb in half precision")
    parser.add_argument("--language", default="en")
    a = parser.parse_args()
    model = load_model(a.model, device=a.device)
    checksum = model_checksum(model)
    perturbed = in_half(load_model(a.model, device=a.device)) if a.half else model
    rows: list[dict[str, object]] = []
    for u in load_corpus(Path(a.corpus), language=a.language).utterances:
        if any(word.text.startswith("<") for word in u.words):
            continue  # a word that the aligner did not know is not what was said
        texts = [word.text for word in u.words]
        shared = shared_pass(model, read_audio(u.audio), force_words(model, texts, u.language))
        n_layer = model.dims.n_text_layer
        weights = attention(model, shared, AttentionOptions(heads="all")).values.cpu()
        weights = weights.view(n_layer, -1, *weights.shape[1:])[:, :, :-1]
        result: dict[str, object] = {"id": u.id, "tokens": len(shared.text.tokens) - 1, "frames": shared.n_frames}
        pools: dict[str, Pool] = {how: partial(pool_map, how=how) for how in POOLS}
        places = {"mel": (SpesOptions(at="mel"), pools)}
        states: dict[str, Pool] = {"state": lambda m: m}
        places |= {
            f"encoder-output {mask}": (SpesOptions(at="encoder-output", mask=mask), states)
            for mask in ("zero", "remove")
        }
        for place, (options, of_place) in places.items():
            maps, facts = spes_maps(perturbed, halved(shared, half=a.half), options, a.masks, of_place)
            result[place] = facts | {how: by_layer(weights, m[:-1]) for how, m in maps.items()}
        for at in ("mel", "encoder-output"):
            stack = gradient(model, shared, GradientOptions(at=at)).values[0].cpu()
            result[f"gradient {at}"] = {"l2": by_layer(weights, stack[:-1])}
        rows.append(result)
        agreement = {
            f"{place} {how}": round(layers["all"], 3)
            for place, of_place in result.items()
            if isinstance(of_place, dict)
            for how, layers in of_place.items()
            if isinstance(layers, dict)
        }
        print(u.id, agreement, flush=True)
        settings = {"model": a.model, "model_checksum": checksum, "masks": a.masks, "device": a.device, "half": a.half}
        Path(a.out).write_text(json.dumps({"settings": settings, "summary": summary(rows), "rows": rows}, indent=1))


def summary(rows: list[dict[str, object]]) -> dict[str, list[float | None]]:
    """Mean over utterances and its interval, by place, map and layer."""
    weights = draw_weights(len(rows), seed=0)
    found: dict[str, list[float | None]] = {}
    for place, of_place in rows[0].items():
        if not isinstance(of_place, dict):
            continue
        for how, layers in of_place.items():
            if isinstance(layers, dict):
                for layer in layers:
                    values = np.array([row[place][how][layer] for row in rows])  # type: ignore[index]
                    found[f"{place} | {how} | {layer}"] = list(estimate(Ratio(values, np.ones(len(rows))), weights))
        if "reliability" in of_place:
            values = np.array([row[place]["reliability"] for row in rows])  # type: ignore[index]
            found[f"{place} | reliability"] = list(estimate(Ratio(values, np.ones(len(rows))), weights))
    return found


if __name__ == "__main__":
    main()
