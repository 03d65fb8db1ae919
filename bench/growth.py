"""Growth of the computation time with the length of audio and text, the number of masks, and the size of the corpus.

Usage: growth.py [--model tiny.en] [--device cpu] [--few] [--json PATH]

The input is noise with a text of repeated words, because the content does not change the time. For each series this
prints the times, the straight line through them with its R2, and the exponent of the power law through them: 1 is
linear; below 1 there is a fixed cost as well.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from clock import clock_of

from align_eval.api import evaluate
from align_eval.corpus.bundled import load_corpus
from align_eval.corpus.folder import Corpus
from align_eval.model.load import load_model
from align_eval.pipeline import Speech, align_speech
from align_eval.systems import System, parse_system
from align_eval.units import SAMPLE_RATE

ATTENTION = parse_system("attention:heads=all,prep=log", "viterbi")
GRADIENT = parse_system("gradient:at=encoder-output,prep=log", "viterbi")
DEEP = parse_system("gradient:at=encoder.3/4,prep=log", "viterbi")
ROUNDS = 3


def noise(audio_s: float, n_tokens: int) -> Speech:
    """Return ``audio_s`` seconds of noise with a text of ``n_tokens`` words of one token each."""
    samples = np.random.default_rng(0).standard_normal(round(audio_s * SAMPLE_RATE)).astype(np.float32) * 0.1
    return Speech(samples, ("the",) * n_tokens, "en")


def best_s(work: Callable[[], object], clock: Callable[[], float], rounds: int) -> float:
    """Shortest time of some rounds in seconds, after a warm-up round."""
    seconds = []
    for _ in range(rounds + 1):
        began = clock()
        work()
        seconds.append(clock() - began)
    return min(seconds[1:])


def fitted(sizes: Sequence[float], seconds: Sequence[float]) -> dict[str, float]:
    """Fit a straight line (intercept and slope in seconds, R2) and a power law (exponent) to the times."""
    x, y = np.array(sizes), np.array(seconds)
    slope, start = np.polyfit(x, y, 1)
    unexplained = ((y - start - slope * x) ** 2).sum() / ((y - y.mean()) ** 2).sum()
    exponent = np.polyfit(np.log(x), np.log(y), 1)[0]
    return {"start_s": float(start), "slope_s": float(slope), "r2": float(1 - unexplained), "exponent": float(exponent)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="tiny.en")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--few", action="store_true", help="only the two smallest sizes of each series, one round")
    parser.add_argument("--json", type=Path)
    a = parser.parse_args()
    clock = clock_of(a.device)
    model = load_model(a.model, device=a.device)
    seconds_long = (4, 8, 12, 16, 20, 24, 28)
    tokens = (20, 40, 80, 160, 320)
    results: list[dict[str, Any]] = []

    def series(name: str, sizes: Sequence[float], work: Callable[[Any], object]) -> None:
        sizes, rounds = (sizes[:2], 1) if a.few else (sizes, ROUNDS)
        seconds = [best_s(lambda size=size: work(size), clock, rounds) for size in sizes]
        results.append({"series": name, "sizes": list(sizes), "seconds": seconds} | fitted(sizes, seconds))
        r = results[-1]
        times = " ".join(f"{size:g}:{s:.3f}" for size, s in zip(sizes, seconds, strict=True))
        line = f"line {r['start_s']:.3f} + {r['slope_s']:.4g} n, R2 {r['r2']:.4f}, exponent {r['exponent']:.2f}"
        print(f"{name:58s} {line}   ({times})", flush=True)

    def aligned(system: System, context: str = "full") -> Callable[[Speech], object]:
        return lambda spoken: align_speech(model, spoken, [system], context=context)

    machine = torch.cuda.get_device_name() if a.device == "cuda" else f"{torch.get_num_threads()} threads"
    print(f"{a.model}, {machine}, torch {torch.__version__}")
    for system, n in ((ATTENTION, 20), (GRADIENT, 20), (DEEP, 20)):
        for context in ("full", "fit"):
            name = f"{system.source}, context {context}: seconds of audio"
            series(name, seconds_long, lambda s, x=system, n=n, c=context: aligned(x, c)(noise(s, n)))
    for system in (ATTENTION, GRADIENT, DEEP):
        series(f"{system.source}: tokens in 28 s", tokens, lambda n, x=system: aligned(x)(noise(28, n)))
    for at, counts in (("encoder-output", (200, 400, 800, 1600)), ("input", (50, 100, 200, 400))):
        spec = "spes:masks={},prep=log" if at == "input" else "spes:at=encoder-output,masks={},prep=log"
        name = f"SPES, {at}: masks of 5 s, context fit"
        series(name, counts, lambda n, s=spec: aligned(parse_system(s.format(n), "viterbi"), "fit")(noise(5, 20)))
    demo = load_corpus("demo")
    short = min(demo.utterances, key=lambda u: u.duration_s)

    def corpus_of(n: int) -> Corpus:
        copies = tuple(replace(short, id=f"{short.id}-{i:04}", recording=f"{i:04}") for i in range(n))
        return replace(demo, utterances=copies, failures=())

    series(
        "attention, context fit: utterances of 1 s",
        (50, 100, 200, 400),
        lambda n: evaluate(
            corpus_of(n), model, sources=[ATTENTION.source.text], aligns=["viterbi"], presets=(), context="fit",
            device=a.device,
        ),
    )  # fmt: skip
    if a.json:
        a.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
