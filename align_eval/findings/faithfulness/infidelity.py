"""Infidelity and max-sensitivity of a map, by captum: two measures that do not rank frames.

*Infidelity* measures whether a map predicts the effect of hiding frames on each token. Every frame has a gate, at first
open. A perturbation closes about half of the gates, in runs, and masks their frames as the deletion curves do. With
``off[k, t]`` the frames closed by perturbation k, the token's map ``row[t]``, and the log-probability of the token,

    a[k] = sum over t of off[k, t] row[t],    c[k] = log p(all open) - log p(k),

a map is faithful where ``b a[k]`` is near ``c[k]``. Maps have no unit, so that each token has a separate scale b by
least squares, b = sum(a c) / sum(a^2), of either sign. The mean squared remainder over K perturbations is

    infidelity = (sum(c^2) - sum(a c)^2 / sum(a^2)) / K,

from 0, where the map predicts all change, to the mean of c^2, where it predicts none. There is no constant beside b.
A flat map therefore has some value: it predicts that the change grows with the number of hidden frames.

Runs are 0.1 s, about the length of a sound and of the blocks of ``occlusion``. The neighbours of a single frame carry
much of its information, so that hiding single frames changes little. The start of the first run differs between
perturbations: no edge between two runs is fixed, and the measure depends on the map within a run too.

*Max-sensitivity* measures whether a map is stable under noise: the largest ``|E(x + d) - E(x)| / |E(x)|`` (Frobenius
norms of the map E) over noises d, uniform within a radius on the log-mel of the frames that hold audio. The padding
stays silent. A map that ignores its input is perfectly stable: a smaller value is not more faithful.

References: Yeh, Hsieh, Suggala, Inouye, Ravikumar 2019 (arXiv 1901.09392).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from captum.metrics import infidelity, sensitivity_max
from torch import Tensor
from whisper.model import Whisper

from align_eval.findings.faithfulness.masking import Masks, token_log_probs
from align_eval.findings.faithfulness.records import ENERGY, FILLS, FLAT, SENSITIVITY_RADIUS, Unexplained
from align_eval.model.forward import Pass, pass_of_mel
from align_eval.relevance.stack import rows_to_distributions
from align_eval.scoring.boundaries import Floats

FRAMES_PER_RUN = 5
"""Encoder frames that are hidden or left together: 0.1 s."""

TokenMap = npt.NDArray[np.floating]
"""Map of the text's tokens without its end, ``(token, frame)``."""


def run_masks(n_frames: int, n_samples: int, rng: np.random.Generator) -> Masks:
    """Frames hidden by each perturbation, bool[n_samples, n_frames]: every run independently with probability 1/2."""
    n_runs = -(-n_frames // FRAMES_PER_RUN) + 1
    hidden = rng.integers(0, 2, size=(n_samples, n_runs), dtype=np.bool_)
    shift = rng.integers(FRAMES_PER_RUN, size=(n_samples, 1))
    return np.take_along_axis(hidden, (np.arange(n_frames) + shift) // FRAMES_PER_RUN, axis=1)


def infidelities(rows: Tensor, masks: Masks, clean: Tensor, masked: Tensor) -> Tensor:
    """Normalised infidelity of each token's row, ``(token,)`` in squared nats.

    Parameters
    ----------
    rows : Tensor
        The map, ``(token, frame)``.
    masks : bool[n_samples, n_frames]
        Frames that each perturbation hides.
    clean : Tensor
        Log-probability of each token, ``(token,)``.
    masked : Tensor
        Log-probability of each token under each mask, ``(sample, token)``; equal masks have equal values.
    """
    open_ = torch.ones(1, masks.shape[1], dtype=torch.float64)
    hidden = torch.from_numpy(masks).double()
    log_probs = {_key(gates): values for gates, values in zip(open_ - hidden, masked.double(), strict=True)}
    log_probs[_key(open_[0])] = clean.double()

    def forward(gates: Tensor) -> Tensor:
        return torch.stack([log_probs[_key(row)] for row in gates])

    def perturb(gates: Tensor) -> tuple[Tensor, Tensor]:
        return hidden, gates - hidden

    values = [
        infidelity(
            forward, perturb, open_, row[None], target=token, n_perturb_samples=len(masks), normalize=True
        )  # (1,)
        for token, row in enumerate(rows.double())
    ]
    # captum expands the square, which rounding can make slightly negative where the map predicts all change
    return torch.cat(values).clamp(min=0)


def max_sensitivity(explain: Callable[[Tensor], Tensor], inputs: Tensor, noisy: Tensor) -> float:
    """Max-sensitivity of an explanation over noisy inputs.

    Parameters
    ----------
    explain : callable
        From inputs ``(batch, ...)`` to their maps ``(batch, token, frame)``.
    inputs : Tensor
        The clean input, ``(1, ...)``.
    noisy : Tensor
        The noisy inputs, ``(sample, ...)``.
    """

    def explained(batch: Tensor | tuple[Tensor]) -> tuple[Tensor]:
        """The map in a tuple. captum passes the clean input in one, and would take a bare map for one map per token."""
        return (explain(batch[0] if isinstance(batch, tuple) else batch),)

    def perturb(_inputs: Tensor) -> Tensor:
        return noisy

    return float(sensitivity_max(explained, inputs, perturb, n_perturb_samples=len(noisy)))


def unexplained(
    model: Whisper,
    shared: Pass,
    maps: Mapping[str, TokenMap],
    energy: Floats,
    n_samples: int,
    rng: np.random.Generator,
) -> tuple[Unexplained, ...]:
    """Infidelity of the maps of one utterance under both fills, with the same masks for all maps and tokens.

    Two baselines are added, with the same row for every token: the energy, and a constant. The model runs once per
    distinct mask.

    Parameters
    ----------
    shared
        The clean pass.
    maps
        Maps by source.
    energy : float64[n_frames]
        Loudness of each frame.
    n_samples
        Number of masks; with 0 the result is empty.
    rng
        Source of the masks.
    """
    if not n_samples:
        return ()
    n_tokens = len(shared.text.tokens) - 1
    baselines = {ENERGY: energy, FLAT: np.ones(shared.n_frames)}
    every = dict(maps) | {name: np.tile(row, (n_tokens, 1)) for name, row in baselines.items()}
    masks = run_masks(shared.n_frames, n_samples, rng)
    distinct, number = np.unique(masks, axis=0, return_inverse=True)
    clean = shared.log_prob[:-1].cpu().double()
    results = []
    for fill in FILLS:
        distinct_masked = torch.stack(list(token_log_probs(model, shared, distinct, fill)))
        masked = distinct_masked[number.reshape(-1)]  # (sample, token)
        change = float((clean - masked).square().mean(dim=0).sum())
        for name, rows in every.items():
            of_tokens = infidelities(torch.from_numpy(rows.astype(np.float64)), masks, clean, masked)
            results.append(Unexplained(name, fill, float(of_tokens.sum()), change))
    return tuple(results)


def sensitivities(
    model: Whisper,
    shared: Pass,
    maps: Mapping[str, TokenMap],
    maps_of: Callable[[Pass], Mapping[str, TokenMap]],
    n_samples: int,
    rng: np.random.Generator,
) -> dict[str, float]:
    """Max-sensitivity of the maps of one utterance, with rows scaled to sum to one and the same noise for all maps.

    The model runs once per noisy log-mel.

    Parameters
    ----------
    shared
        The clean pass.
    maps
        Maps by source.
    maps_of
        Function that makes the same maps from another pass.
    n_samples
        Number of noises; with 0 the result is empty.
    rng
        Source of the noises.
    """
    if not (n_samples and maps):
        return {}
    mel, n_real = shared.taps[0], 2 * shared.n_frames
    real, padding = mel[..., :n_real], mel[..., n_real:]
    noise = rng.uniform(-SENSITIVITY_RADIUS, SENSITIVITY_RADIUS, (n_samples, *real.shape[1:]))
    noisy = real + torch.from_numpy(noise).to(real)
    maps_of_mel = {_key(real[0]): distributions(maps)}

    def explained(mel: Tensor) -> dict[str, Tensor]:
        if _key(mel) not in maps_of_mel:
            whole = torch.cat([mel[None], padding], dim=-1)
            with torch.enable_grad():  # captum turns gradients off
                noisy_maps = maps_of(pass_of_mel(model, whole, shared.text, shared.n_frames))
            maps_of_mel[_key(mel)] = distributions(noisy_maps)
        return maps_of_mel[_key(mel)]

    def explain(name: str, mels: Tensor) -> Tensor:
        return torch.stack([explained(mel)[name] for mel in mels])

    return {name: max_sensitivity(partial(explain, name), real, noisy) for name in maps}


def distributions(maps: Mapping[str, TokenMap]) -> dict[str, Tensor]:
    """The same maps with rows that sum to one, in double precision."""
    return {
        name: rows_to_distributions(torch.from_numpy(rows.astype(np.float64)), rows.shape[1], f"source {name}")
        for name, rows in maps.items()
    }


def _key(values: Tensor) -> bytes:
    return values.cpu().numpy().tobytes()
