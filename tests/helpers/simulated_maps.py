"""Corpora of maps with a planted answer, to test that residual injection finds it and nothing else.

40 speakers say an utterance of six words each. Every token of attention has a peak near the middle of its word, off by
a normal number of frames that all heads share and one of each head's own; their mean is what is injected into. The
saliency is one of two:

timing
    a separate peak, nearer to the middle than attention's: the residual holds the position of the word;
no timing
    the log of attention at another temperature plus smooth noise: the residual holds no information.

Attention is the mean of three of the four heads; the control of other heads has the fourth. The reference is off by a
constant and by noise, the same for all arms.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter1d

from align_eval.findings.budget.cost import summarise_injection
from align_eval.findings.budget.injection import injection_errors
from align_eval.findings.budget.records import Injection
from align_eval.findings.saved_run import Item, read_saved_run, with_interior
from align_eval.scoring.statistics import draw_weights
from tests.helpers.planted_run import CHOSEN, DEFAULT, EVERY, HEADS, OUTPUT, Planted, write_planted

N_SPEAKERS = 40
N_WORDS = 6
ATTENTION_SD_FRAMES = 3.0
HEAD_SD_FRAMES = 1.0
SALIENCY_SD_FRAMES = 1.5
WIDTH_FRAMES = 5.0
PEAK = 4.0
NOISE = 0.5
BIAS_FRAMES = 2


def utterances(rng: np.random.Generator) -> list[Planted]:
    """Words of 8 to 20 frames; the reference a constant later."""
    return [
        Planted(
            f"u{i:02d}", f"s{i:02d}", tuple(np.cumsum([4, *rng.integers(8, 21, N_WORDS)]).tolist()), late=BIAS_FRAMES
        )
        for i in range(N_SPEAKERS)
    ]


def peaks(u: Planted, centres: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Log of rows that peak at the centres, with smooth noise, ``(row, frame)``."""
    frames = np.arange(u.n_frames)
    bumps = PEAK * np.exp(-0.5 * ((frames - centres[:, None]) / WIDTH_FRAMES) ** 2)
    return bumps + smooth(rng, bumps.shape)


def smooth(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Noise that is similar in neighbouring frames."""
    values = gaussian_filter1d(rng.normal(size=shape), 1.5, axis=-1)
    return NOISE * values / values.std()


def distributions(log_rows: np.ndarray) -> np.ndarray:
    """Rows that sum to one, ``(..., frame)``."""
    weights = np.exp(log_rows - log_rows.max(axis=-1, keepdims=True))
    return (weights / weights.sum(axis=-1, keepdims=True)).astype(np.float32)


def stacks(u: Planted, seed: int, *, timing: bool) -> dict[str, np.ndarray]:
    """Stacks of one utterance by source, ``(map, row, frame)``."""
    rng = np.random.default_rng([seed, int(u.id[1:])])
    edges = np.array([*u.edges, u.n_frames])
    middle = (edges[:-1] + edges[1:]) / 2
    shared = rng.normal(0, ATTENTION_SD_FRAMES, len(middle))
    heads = [peaks(u, middle + shared + rng.normal(0, HEAD_SD_FRAMES, len(middle)), rng) for _ in HEADS]
    attention = distributions(np.stack(heads))
    of_attention = np.log(attention.mean(axis=0, dtype=np.float64))
    if timing:
        saliency = peaks(u, middle + rng.normal(0, SALIENCY_SD_FRAMES, len(middle)), rng)
    else:
        saliency = 0.7 * of_attention + 2 * smooth(rng, of_attention.shape)
    return {
        EVERY: attention,
        DEFAULT: attention[:1],
        OUTPUT: distributions(saliency)[None],
    }


def items(folder: Path, seed: int, *, timing: bool) -> tuple[Item, ...]:
    """The utterances of one corpus."""
    made = utterances(np.random.default_rng(seed))
    of = {u.id: stacks(u, seed, timing=timing) for u in made}
    signals = {spec: (lambda u, _, spec=spec: of[u.id][spec]) for spec in (EVERY, DEFAULT, OUTPUT)}
    return with_interior(read_saved_run(write_planted(folder, made, signals)).items["manual"])


def simulate(folder: Path, seed: int, *, timing: bool) -> Injection:
    """One corpus, from its maps to the cost of incompleteness."""
    injected = injection_errors(items(folder, seed, timing=timing), "subword", seed, CHOSEN.split("+"), OUTPUT)
    weights = draw_weights(N_SPEAKERS, seed)
    return summarise_injection(injected, {"manual": injected}, weights, seed, primary=True)
