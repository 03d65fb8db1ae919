"""Backward passes in half precision that do not underflow: each row's gradient is scaled by a power of two.

The gradient of a token of probability 1 - 1e-7 is about 1e-7 at the decoder's last hidden state. That is zero in half
precision, whose smallest number is 6e-8. The head's part of the gradient is therefore computed in float32, brought near
ten by a power of two, which changes no digit, and passed on in half precision. On the way to the mel, tiny.en makes it
up to 60 times larger; float16 ends at 65504.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

LARGEST_EXPONENT = 126
"""Powers of two from -126 to 126 and their inverses are ordinary float32 numbers."""


def power_of_two(gradient: Tensor) -> Tensor:
    """The power of two that brings the largest magnitude of each row into [8, 16), ``(row, 1)``.

    Parameters
    ----------
    gradient : float32[row, state]
        A row of zeros, or one that is not finite, gets 1.
    """
    largest = gradient.abs().amax(dim=-1, keepdim=True)
    usable = (largest > 0) & largest.isfinite()
    _, exponent = torch.frexp(torch.where(usable, largest, 1.0))  # largest = mantissa 2^exponent, mantissa in [1/2, 1)
    exponent = (4 - exponent).clamp(-LARGEST_EXPONENT, LARGEST_EXPONENT)
    return torch.where(usable, torch.ldexp(torch.ones_like(largest), exponent), 1.0)


def scaled_backward(real: Tensor, dtype: torch.dtype) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """Scale the gradient between two places of a function, and undo it at the first one.

    Parameters
    ----------
    real : float32[row, ...]
        Input of the function; each row of its output depends on the same row of the input alone.
    dtype : torch.dtype
        Number format between the two places.

    Returns
    -------
    inner : Tensor
        The input in that format.
    widen : function
        From the states ``(row, state)`` at the second place to the same states in float32.
    """
    scale: list[Tensor] = []
    outer = real.clone()

    def enlarge(gradient: Tensor) -> Tensor:
        scale[:] = [power_of_two(gradient)]
        return gradient * scale[0]

    def restore(gradient: Tensor) -> Tensor:
        return gradient / scale[0].view(-1, *[1] * (gradient.ndim - 1))

    def widen(states: Tensor) -> Tensor:
        wide = states.to(torch.float32, copy=True)
        if wide.requires_grad:
            wide.register_hook(enlarge)  # type: ignore[no-untyped-call]
        return wide

    if outer.requires_grad:
        outer.register_hook(restore)  # type: ignore[no-untyped-call]
    return outer.to(dtype), widen
