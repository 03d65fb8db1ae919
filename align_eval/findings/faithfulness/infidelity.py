"""Two measures of a map that rank no frames, by captum: infidelity and max-sensitivity.

*Infidelity* asks whether a map says how much hiding frames will cost each token. The frames have gates, all open; a
perturbation closes about half of them, in runs, and masks their frames as the deletion curves do. With ``off[k, t]``
the frames closed by perturbation k, the token's map ``row[t]``, and the log-probability of the token,

    a[k] = sum over t of off[k, t] row[t],    c[k] = log p(all open) - log p(k),

a map is faithful where ``b a[k]`` is near ``c[k]``. Maps have no unit, so the scale b is the token's own, the one of
least squares, b = sum(a c) / sum(a^2); its sign is free too. What is left over K perturbations is

    infidelity = (sum(c^2) - sum(a c)^2 / sum(a^2)) / K,

from 0, where all change is as the map says, to the mean of c^2, where the map says nothing of it. There is no
constant beside b, so that a flat map is not worthless: it says that the change grows with the number of frames hidden.

Runs are 0.1 s, about a sound and as long as the blocks of ``occlusion``: a single frame is told by its neighbours, so
that hiding single frames changes little. Where the first run starts differs between perturbations, so that no edge
between two runs is fixed and a map is held to account within a run too.

*Max-sensitivity* asks whether a map is steady: the largest ``|E(x + d) - E(x)| / |E(x)|`` (Frobenius norms of the
map E) over noises d, uniform within a radius on the log-mel of the frames that hold audio. The padding stays silence.
A map that ignores its input is perfectly steady: less is steadier, not more faithful.

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
"""0.1 s of encoder frames are hidden or kept together."""

TokenMap = npt.NDArray[np.floating]
"""A map of the text's tokens without its end, ``(token, frame)``."""


def run_masks(n_frames: int, n_samples: int, rng: np.random.Generator) -> Masks:
    """Frames hidden by each perturbation, ``(sample, frame)``: every run with probability 1/2, on its own."""
    n_runs = -(-n_frames // FRAMES_PER_RUN) + 1
    hidden = rng.integers(0, 2, size=(n_samples, n_runs), dtype=np.bool_)
    shift = rng.integers(FRAMES_PER_RUN, size=(n_samples, 1))
    return np.take_along_axis(hidden, (np.arange(n_frames) + shift) // FRAMES_PER_RUN, axis=1)


def infidelities(rows: Tensor, masks: Masks, clean: Tensor, masked: Tensor) -> Tensor:
    """The normalised infidelity of each token's row, in squared nats, ``(token,)``.

    Parameters
    ----------
    rows : Tensor
        The map, ``(token, frame)``.
    masks : bool[sample, frame]
        What each perturbation hides.
    clean, masked : Tensor
        Log-probability of each token, ``(token,)``, and under each mask, ``(sample, token)``; the same for equal masks.
    """
    open_ = torch.ones(1, masks.shape[1], dtype=torch.float64)
    hidden = torch.from_numpy(masks).double()
    known = {_key(gates): values for gates, values in zip(open_ - hidden, masked.double(), strict=True)}
    known[_key(open_[0])] = clean.double()

    def forward(gates: Tensor) -> Tensor:
        return torch.stack([known[_key(row)] for row in gates])

    def perturb(gates: Tensor) -> tuple[Tensor, Tensor]:
        return hidden, gates - hidden

    values = [
        infidelity(
            forward, perturb, open_, row[None], target=token, n_perturb_samples=len(masks), normalize=True
        )  # (1,)
        for token, row in enumerate(rows.double())
    ]
    # captum expands the square, which rounding can take below zero where nothing is left
    return torch.cat(values).clamp(min=0)


def max_sensitivity(explain: Callable[[Tensor], Tensor], inputs: Tensor, noisy: Tensor) -> float:
    """The max-sensitivity of an explanation over given noisy inputs.

    Parameters
    ----------
    explain : callable
        From inputs ``(batch, ...)`` to their maps ``(batch, token, frame)``.
    inputs, noisy : Tensor
        ``(1, ...)`` and ``(sample, ...)``.
    """

    def explained(given: Tensor | tuple[Tensor]) -> tuple[Tensor]:
        """A tuple: captum takes a bare map of the clean input, which it gives in a tuple, for one map a token."""
        return (explain(given[0] if isinstance(given, tuple) else given),)

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
    """What maps leave unexplained of one utterance, under either fill; all maps and tokens meet the same masks.

    Beside the maps are two baselines with the same row to every token: the energy, and every frame the same. A mask is
    run through the model once, however often it was drawn. Without samples there is nothing.
    """
    if not n_samples:
        return ()
    n_tokens = len(shared.text.tokens) - 1
    own = {ENERGY: energy, FLAT: np.ones(shared.n_frames)}
    every = dict(maps) | {name: np.tile(row, (n_tokens, 1)) for name, row in own.items()}
    masks = run_masks(shared.n_frames, n_samples, rng)
    distinct, drawn = np.unique(masks, axis=0, return_inverse=True)
    clean = shared.log_prob[:-1].cpu().double()
    found = []
    for fill in FILLS:
        masked = torch.stack(list(token_log_probs(model, shared, distinct, fill)))[drawn.reshape(-1)]  # (sample, token)
        change = float((clean - masked).square().mean(dim=0).sum())
        for name, rows in every.items():
            left = infidelities(torch.from_numpy(rows.astype(np.float64)), masks, clean, masked)
            found.append(Unexplained(name, fill, float(left.sum()), change))
    return tuple(found)


def sensitivities(
    model: Whisper,
    shared: Pass,
    maps: Mapping[str, TokenMap],
    maps_of: Callable[[Pass], Mapping[str, TokenMap]],
    n_samples: int,
    rng: np.random.Generator,
) -> dict[str, float]:
    """Max-sensitivity of the maps of one utterance, their rows scaled to sum to one.

    ``maps_of`` makes the same maps from another pass. All maps meet the same noise, and each noisy log-mel is run
    through the model once. Without samples there is nothing.
    """
    if not (n_samples and maps):
        return {}
    mel, n_real = shared.taps[0], 2 * shared.n_frames
    real, padding = mel[..., :n_real], mel[..., n_real:]
    noise = rng.uniform(-SENSITIVITY_RADIUS, SENSITIVITY_RADIUS, (n_samples, *real.shape[1:]))
    noisy = real + torch.from_numpy(noise).to(real)
    known = {_key(real[0]): distributions(maps)}

    def explained(own: Tensor) -> dict[str, Tensor]:
        if _key(own) not in known:
            whole = torch.cat([own[None], padding], dim=-1)
            with torch.enable_grad():  # captum has it off
                again = maps_of(pass_of_mel(model, whole, shared.text, shared.n_frames))
            known[_key(own)] = distributions(again)
        return known[_key(own)]

    def explain(name: str, mels: Tensor) -> Tensor:
        return torch.stack([explained(own)[name] for own in mels])

    return {name: max_sensitivity(partial(explain, name), real, noisy) for name in maps}


def distributions(maps: Mapping[str, TokenMap]) -> dict[str, Tensor]:
    """Maps whose rows sum to one, in double precision."""
    return {
        name: rows_to_distributions(torch.from_numpy(rows.astype(np.float64)), rows.shape[1], f"source {name}")
        for name, rows in maps.items()
    }


def _key(values: Tensor) -> bytes:
    return values.cpu().numpy().tobytes()
