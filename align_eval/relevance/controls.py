"""Controls: maps without information about the place of words. Their scores are the scores of a worthless map.

Three are made without the model: flat, a straight line, and the energy of the audio. One takes the rows of another
source from the wrong tokens, and one takes another source from a Whisper with random weights.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor
from whisper.model import Whisper

from align_eval.model.forward import Pass, pass_of_mel
from align_eval.relevance.options import ControlDiagonalOptions, ControlEnergyOptions, ControlUniformOptions
from align_eval.relevance.source import FLAT_ROWS, ControlRandomWeightsOptions, ControlShuffledOptions
from align_eval.relevance.stack import (
    Stack,
    StackOf,
    pool_mel_frames,
    rows_to_distributions,
    stack_of_magnitudes,
    stacks_of,
    text_rows,
)
from align_eval.units import FRAME_S


def control_uniform(_model: Whisper, shared: Pass, _options: ControlUniformOptions) -> Stack:
    """The same weight for every frame and token, ``(1, token, frame)``."""
    shape = (1, len(shared.text.tokens), shared.n_frames)
    return Stack(torch.full(shape, 1 / shared.n_frames, device=shared.taps[0].device))


def control_diagonal(_model: Whisper, shared: Pass, options: ControlDiagonalOptions) -> Stack:
    """One bump per token on the straight line from the first frame to the last, ``(1, token, frame)``.

    The first token peaks in the first column, the end of the text in the last. The bump is ``1 / (1 + (t / width)^2)``,
    half as high at ``width_s`` from its peak; it has no zeros that a preparation would divide by.
    """
    device = shared.taps[0].device
    peaks = torch.linspace(0, shared.n_frames - 1, len(shared.text.tokens), device=device)
    columns = torch.arange(shared.n_frames, device=device)
    distance_s = (columns - peaks[:, None]) * FRAME_S  # (token, frame)
    bumps = 1 / (1 + (distance_s / options.width_s) ** 2)
    return stack_of_magnitudes({"source control-diagonal": bumps}, shared.n_frames)


def control_energy(_model: Whisper, shared: Pass, _options: ControlEnergyOptions) -> Stack:
    """The power of the audio over time, the same for every token, ``(1, token, frame)``.

    Mean over mel bins of the power in the model's log-mel, pooled to encoder frames. The floor of the log-mel, 80 dB
    below its maximum, keeps every frame above zero.
    """
    power = 10 ** (4 * shared.taps[0][0].float() - 4)  # (mel bin, mel frame); the log-mel is (log10 power + 4) / 4
    envelope = pool_mel_frames(power.mean(dim=0))[None]  # (1, frame)
    row = rows_to_distributions(envelope, shared.n_frames, "source control-energy")
    return Stack(row.expand(1, len(shared.text.tokens), -1))


def control_shuffled(_model: Whisper, shared: Pass, options: ControlShuffledOptions, stack_of: StackOf) -> Stack:
    """Another source with its rows permuted: no token keeps its row, ``(map, token, frame)``."""
    (source,) = options.inner
    stack = stack_of(source)
    values = text_rows(stack.values, stack.first_row, shared.text)
    order = shuffled_rows(values.shape[1], options.seed)
    details = dict(stack.details)
    if FLAT_ROWS in details:
        details[FLAT_ROWS] = [row for row, before in enumerate(order.tolist()) if before in details[FLAT_ROWS]]
    return Stack(values[:, order.to(values.device)], details)


def shuffled_rows(n_rows: int, seed: int) -> Tensor:
    """A random permutation of one cycle through all rows, so that no row stays in its place; ``int64[n_rows]``."""
    order = torch.randperm(n_rows, generator=torch.Generator().manual_seed(seed))
    permutation = torch.empty_like(order)
    permutation[order] = order.roll(1)
    return permutation


def control_random_weights(model: Whisper, shared: Pass, options: ControlRandomWeightsOptions) -> Stack:
    """Another source from a Whisper with random weights and the same alignment heads, on the same mel and tokens."""
    random = randomised(model, options.seed)
    again = pass_of_mel(random, shared.taps[0], shared.text, shared.n_frames)
    (source,) = options.inner
    return stacks_of(random, again)(source)


def randomised(model: Whisper, seed: int) -> Whisper:
    """A copy with random parameters, each normal with the mean and standard deviation of the original.

    The random numbers come from a separate generator on the CPU, so that a seed means the same on every device. Buffers
    (the encoder's sinusoids, the alignment heads) are copied.
    """
    generator = torch.Generator().manual_seed(seed)
    random = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in random.parameters():
            std, mean = torch.std_mean(parameter.float(), unbiased=False)
            parameter.copy_(torch.randn(parameter.shape, generator=generator).to(parameter.device) * std + mean)
    return random
