"""Attribution by taking blocks of time away, through captum's own classes.

What captum perturbs is one gate a block, ``(batch, n_blocks)``: 1 keeps the frames of the block at the tap, 0 puts the
baseline there. Blocks are whole encoder frames, the last shorter where it must be; the padding is in no block, so
nothing ever takes it away. The edge between two encoder frames is the centre of a mel frame, which is half in either
block; given whole to one of them, it would move the map by 5 ms. The magnitude of a block's value is spread evenly over
its frames, so that long blocks count no more than short ones.

References: Zeiler and Fergus 2014 (occlusion); Lundberg and Lee 2017 (kernel SHAP).
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
from align_eval.relevance.stack import Stack, rows_to_distributions
from align_eval.units import FRAME_S


@dataclass(frozen=True, slots=True)
class Blocks:
    """Blocks of time and the function of their gates.

    Attributes
    ----------
    block_of_frame : Tensor
        The block of each encoder frame that holds audio.
    n_blocks : int
        How many there are.
    forward : callable
        From gates ``(batch, n_blocks)`` to log-probabilities ``(batch, n_tokens)``.
    """

    block_of_frame: Tensor
    n_blocks: int
    forward: Callable[[Tensor], Tensor]

    def spread(self, values: Tensor) -> Tensor:
        """``(token, block)`` to magnitudes ``(token, frame)`` with the same row sums."""
        return (values.abs() / self.block_of_frame.bincount())[:, self.block_of_frame]


def time_blocks(tapped: Tapped, baseline: Tensor, frames_per_block: int) -> Blocks:
    """Cut the real frames at a tap into blocks of so many encoder frames."""
    block_of_frame = torch.arange(tapped.n_frames, device=tapped.real.device) // frames_per_block

    def forward(gates: Tensor) -> Tensor:
        kept = gates.to(tapped.real)[:, block_of_frame]  # (batch, frame)
        if tapped.time_axis == 2:  # mel frame 2j is the centre of frame j, 2j + 1 its edge with the next
            after = torch.cat([kept[:, 1:], kept[:, -1:]], dim=1)
            kept = torch.stack([kept, (kept + after) / 2], dim=-1).flatten(1)  # (batch, mel frame)
        return tapped.forward(torch.lerp(baseline, tapped.real, kept.unsqueeze(tapped.feature_axis)))

    return Blocks(block_of_frame, int(block_of_frame[-1]) + 1, forward)


def occlusion(model: Whisper, shared: Pass, options: OcclusionOptions) -> Stack:
    """Drop in each token's log-probability as one block after the other is taken away (captum ``FeatureAblation``).

    One call attributes all tokens: without a target, captum keeps every output apart. Blocks do not overlap, which is
    why it is not captum's ``Occlusion``, that strides over the raw tensor and would take the padding away too.
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
    return Stack(rows_to_distributions(blocks.spread(drops), tapped.n_frames, tapped.place)[None], details)


def kernel_shap(model: Whisper, shared: Pass, options: KernelShapOptions) -> Stack:
    """Shapley values of blocks by weighted regression on random sets of them (captum ``KernelShap``).

    captum fits one output at a time; every token has the same seed and so the same sets, each run through the model
    once. With fewer different sets than blocks the regression is not determined: the evidence then says so.

    Raises
    ------
    InputError
        Where the audio is one block.
    """
    tapped = tap(model, shared, options.at, "kernel-shap")
    baseline = tapped.baseline(options.baseline)
    frames_per_block = max(1, round(options.window_s / FRAME_S))
    blocks = time_blocks(tapped, baseline, frames_per_block)
    if blocks.n_blocks < 2:
        raise InputError(
            f"{tapped.place},window_s={options.window_s:g}", "all audio is one block", "give a shorter window_s"
        )
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
    spread = blocks.spread(values.to(tapped.real))
    return Stack(rows_to_distributions(spread, tapped.n_frames, tapped.place)[None], details)


def shapley_values(
    forward: Callable[[Tensor], Tensor], n_blocks: int, n_tokens: int, n_samples: int, seed: int, batch: int
) -> tuple[Tensor, int]:
    """Kernel SHAP of each output of a function of gates, ``(n_tokens, n_blocks)``, and how many sets it was run on."""
    seen: dict[bytes, Tensor] = {}

    def remembered(gates: Tensor) -> Tensor:
        keys = [row.tobytes() for row in gates.bool().cpu().numpy()]
        new = {key: row for row, key in enumerate(keys) if key not in seen}
        if new:
            seen.update(zip(new, forward(gates[list(new.values())]), strict=True))
        return torch.stack([seen[key] for key in keys])

    method = KernelShap(remembered)
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
    return torch.stack(rows), len(seen)
