"""Captum's perturbation attributions over blocks of time: occlusion and kernel SHAP.

Map: ``(1, row, frame)``, one row per text token and one for the end of the text. Values are changes of the token's
log-probability in nats, per frame of a block, before rows are scaled to sum to one.

Captum perturbs one gate per block, ``(batch, n_blocks)``: 1 keeps the frames of the block at the tap, 0 replaces them
by the baseline. A block is a fixed number of encoder frames; the last block can be shorter. The padding belongs to no
block. At the mel input, the mel frame on the edge between two encoder frames belongs half to each of their blocks;
assigning it to one of them would shift the map by 5 ms. The magnitude of a block's value is spread evenly over its
frames, so that long blocks do not count more than short ones.

Papers: Zeiler and Fergus 2014 (occlusion); Lundberg and Lee 2017 (kernel SHAP).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from captum.attr import FeatureAblation, KernelShap
from torch import Tensor
from whisper.model import Whisper

from align_eval.errors import InputError
from align_eval.model.forward import Pass
from align_eval.relevance.captum_gradients import flagged
from align_eval.relevance.captum_options import KernelShapOptions, OcclusionOptions
from align_eval.relevance.captum_tap import Tapped, seeded, tap
from align_eval.relevance.stack import Stack, stack_of_magnitudes
from align_eval.units import FRAME_S


@dataclass(frozen=True, slots=True)
class Blocks:
    """Blocks of time and the function of their gates.

    Attributes
    ----------
    block_of_frame : int64[n_frames]
        The block of each encoder frame that holds audio.
    n_blocks : int
    forward : callable
        From gates ``(batch, n_blocks)`` to log-probabilities ``(batch, n_tokens)``.
    """

    block_of_frame: Tensor
    n_blocks: int
    forward: Callable[[Tensor], Tensor]

    def spread(self, values: Tensor) -> Tensor:
        """Spread ``(token, block)`` to magnitudes ``(token, frame)`` with the same row sums."""
        return (values.abs() / self.block_of_frame.bincount())[:, self.block_of_frame]


def time_blocks(tapped: Tapped, baseline: Tensor, frames_per_block: int) -> Blocks:
    """Divide the real frames at a tap into blocks of ``frames_per_block`` encoder frames."""
    block_of_frame = torch.arange(tapped.n_frames, device=tapped.real.device) // frames_per_block

    def forward(gates: Tensor) -> Tensor:
        factor = gates.to(tapped.real)[:, block_of_frame]  # (batch, frame)
        if tapped.time_axis == 2:  # mel frame 2j is the centre of encoder frame j, 2j + 1 its edge with the next
            following = torch.cat([factor[:, 1:], factor[:, -1:]], dim=1)
            factor = torch.stack([factor, (factor + following) / 2], dim=-1).flatten(1)  # (batch, mel frame)
        return tapped.forward(torch.lerp(baseline, tapped.real, factor.unsqueeze(tapped.feature_axis)))

    return Blocks(block_of_frame, int(block_of_frame[-1]) + 1, forward)


def occlusion(model: Whisper, shared: Pass, options: OcclusionOptions) -> Stack:
    """Drop in each token's log-probability when one block is replaced by the baseline (captum ``FeatureAblation``).

    One call attributes all tokens, since captum without a target keeps the outputs apart. Captum's ``Occlusion`` does
    not fit: it strides over the raw tensor and would occlude the padding too.
    """
    tapped = tap(model, shared, options.at, "occlusion")
    baseline = tapped.baseline(options.baseline)
    frames_per_block = max(1, round(options.window_s / FRAME_S))
    blocks = time_blocks(tapped, baseline, frames_per_block)
    gates = torch.ones(1, blocks.n_blocks, device=tapped.real.device)
    drops = FeatureAblation(blocks.forward).attribute(
        gates, baselines=0.0, perturbations_per_eval=min(tapped.batch, blocks.n_blocks)
    )  # (token, block)
    details = {
        "n_blocks": blocks.n_blocks,
        "block_s": frames_per_block * FRAME_S,
        "log_prob_change": tapped.log_prob_change(baseline).tolist(),
        "largest_drop": drops.max(dim=1).values.tolist(),
    }
    return stack_of_magnitudes({tapped.place: blocks.spread(drops)}, tapped.n_frames, details)


def kernel_shap(model: Whisper, shared: Pass, options: KernelShapOptions) -> Stack:
    """Shapley values of blocks by weighted regression on random sets of blocks (captum ``KernelShap``).

    Captum fits one output at a time. All tokens have the same seed and therefore the same sets, each of which passes
    through the model once. With no more distinct sets than blocks the regression is underdetermined, and the detail
    ``determined`` is false.

    Raises
    ------
    InputError
        If the audio is a single block.
    """
    tapped = tap(model, shared, options.at, "kernel-shap")
    baseline = tapped.baseline(options.baseline)
    frames_per_block = max(1, round(options.window_s / FRAME_S))
    blocks = time_blocks(tapped, baseline, frames_per_block)
    if blocks.n_blocks < 2:
        remedy = "use a shorter window_s" if tapped.n_frames > 1 else "use longer audio, or another source"
        raise InputError(f"{tapped.place},window_s={options.window_s:g}", "the audio is a single block", remedy)
    values, n_sets = shapley_values(
        blocks.forward, blocks.n_blocks, tapped.n_tokens, options.n_samples, options.seed, tapped.batch
    )
    change = tapped.log_prob_change(baseline).tolist()
    deltas = [float(row.sum()) - total for row, total in zip(values, change, strict=True)]
    details = {
        "n_blocks": blocks.n_blocks,
        "block_s": frames_per_block * FRAME_S,
        "n_samples": options.n_samples,
        "n_sets": n_sets,
        "determined": n_sets > blocks.n_blocks,
        "convergence_delta": deltas,
        "log_prob_change": change,
        "flagged_tokens": flagged(deltas, change),
    }
    return stack_of_magnitudes({tapped.place: blocks.spread(values.to(tapped.real))}, tapped.n_frames, details)


def shapley_values(
    forward: Callable[[Tensor], Tensor], n_blocks: int, n_tokens: int, n_samples: int, seed: int, batch: int
) -> tuple[Tensor, int]:
    """Kernel SHAP values of each output of a function of gates.

    Parameters
    ----------
    forward : callable
        From gates ``(batch, n_blocks)`` to outputs ``(batch, n_tokens)``.
    n_samples : int
        Random sets per token.
    batch : int
        Sets per forward pass.

    Returns
    -------
    values : float[n_tokens, n_blocks]
        In the unit of the outputs.
    n_sets : int
        Number of distinct sets that were evaluated.
    """
    outputs: dict[bytes, Tensor] = {}

    def cached(gates: Tensor) -> Tensor:
        keys = [row.tobytes() for row in gates.bool().cpu().numpy()]
        new = {key: row for row, key in enumerate(keys) if key not in outputs}
        if new:
            outputs.update(zip(new, forward(gates[list(new.values())]), strict=True))
        return torch.stack([outputs[key] for key in keys])

    method = KernelShap(cached)
    gates = torch.ones(1, n_blocks)
    rows = []
    with torch.no_grad():
        for token in range(n_tokens):
            with seeded(seed):
                weights = method.attribute(
                    gates,
                    baselines=0.0,
                    target=token,
                    n_samples=n_samples,
                    perturbations_per_eval=batch,
                    return_input_shape=False,
                )
            rows.append(weights.detach().reshape(-1))  # (block,)
    evaluated = torch.stack(list(outputs.values()))  # (set, token)
    moved = evaluated.amax(dim=0) > evaluated.amin(dim=0)  # of other tokens the regression gives its rounding
    return torch.stack(rows) * moved.cpu()[:, None], len(outputs)
