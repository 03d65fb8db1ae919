"""Captum's gradient attributions: saliency, input times gradient, SmoothGrad, integrated gradients, gradient SHAP.

Map: ``(1, row, frame)``, one row per text token and one for the end of the text. Values are magnitudes of attributions
of the token's log-probability (nats, or nats per unit of the input for derivatives) before rows are scaled to sum to
one. Captum attributes the function of :mod:`align_eval.relevance.captum_tap`.

Integrated gradients, gradient SHAP and input times gradient give each feature a signed share of a change in
log-probability. The share of a frame is the *sum* over its features, by the completeness axiom, and as in
``reduce=input`` of the source `gradient`; ``sum``, the magnitude of that sum, is the default. A norm would count
features that cancel inside a frame as evidence. Saliency and SmoothGrad are derivatives and default to the ``l2`` norm
(Zeyer et al. 2026).

Papers: Kokhlikyan et al. 2020 (captum, arXiv 2009.07896); Sundararajan et al. 2017 (integrated gradients); Lundberg and
Lee 2017 (SHAP); Smilkov et al. 2017 (SmoothGrad).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from captum.attr import GradientShap, InputXGradient, IntegratedGradients, NoiseTunnel, Saliency
from torch import Tensor
from whisper.model import Whisper

from align_eval.model.forward import Pass
from align_eval.relevance.captum_options import (
    GradientShapOptions,
    InputXGradientOptions,
    IntegratedGradientsOptions,
    SaliencyOptions,
    SmoothGradOptions,
)
from align_eval.relevance.captum_tap import Tapped, seeded, tap
from align_eval.relevance.stack import Stack

FIRST_STEPS = 32
MAX_STEPS = 512
TOLERANCE = 0.05
"""``steps=auto`` doubles the steps until |delta| is at most this share of the change in log-probability."""


def saliency(model: Whisper, shared: Pass, options: SaliencyOptions) -> Stack:
    """Derivative of each token's log-probability (captum ``Saliency``), signed until features are reduced."""
    tapped = tap(model, shared, options.at, "saliency")
    method = Saliency(tapped.forward_of)
    return _all_tokens(
        tapped, options.reduce, lambda x, tokens: method.attribute(x, abs=False, additional_forward_args=tokens)
    )


def input_x_gradient(model: Whisper, shared: Pass, options: InputXGradientOptions) -> Stack:
    """Input times the derivative of each token's log-probability (captum ``InputXGradient``)."""
    tapped = tap(model, shared, options.at, "input-x-gradient")
    method = InputXGradient(tapped.forward_of)
    return _all_tokens(tapped, options.reduce, lambda x, tokens: method.attribute(x, additional_forward_args=tokens))


def _all_tokens(tapped: Tapped, reduce: str, attribute: Callable[[Tensor, Tensor], Tensor]) -> Stack:
    """Attribute batches of tokens: each row of the repeated input belongs to one token."""
    rows = []
    for first in range(0, tapped.n_tokens, tapped.batch_grad):
        last = min(first + tapped.batch_grad, tapped.n_tokens)
        tokens = torch.arange(first, last, device=tapped.real.device)
        inputs = tapped.real.repeat(len(tokens), 1, 1).requires_grad_()
        rows.append(tapped.reduced(attribute(inputs, tokens), reduce))
    return tapped.stack(torch.cat(rows))


def smoothgrad(model: Whisper, shared: Pass, options: SmoothGradOptions) -> Stack:
    """Mean of signed derivatives under Gaussian noise (captum ``NoiseTunnel`` over ``Saliency``).

    There is one call per token, all with the same seed, so every token gets the same noise for any batch size.
    """
    tapped = tap(model, shared, options.at, "smoothgrad")
    method = NoiseTunnel(Saliency(tapped.forward_of))
    stdev = options.stdev * float(tapped.real.std())
    rows = []
    for token in range(tapped.n_tokens):
        with seeded(options.seed):
            attributed = method.attribute(
                tapped.real,
                nt_type="smoothgrad",
                nt_samples=options.n_samples,
                nt_samples_batch_size=tapped.batch_grad,
                stdevs=stdev,
                additional_forward_args=token,
                abs=False,
            )
        rows.append(tapped.reduced(attributed, options.reduce))
    return tapped.stack(torch.cat(rows), {"n_samples": options.n_samples, "stdev": stdev})


def gradient_shap(model: Whisper, shared: Pass, options: GradientShapOptions) -> Stack:
    """Gradients at random points between the baseline and the noisy input (captum ``GradientShap``).

    There is one call per token and batch of samples, since captum holds all samples of a call in memory. All tokens
    use the same seed. The convergence delta is the mean over samples.
    """
    tapped = tap(model, shared, options.at, "gradient-shap")
    baseline = tapped.baseline(options.baseline)
    method = GradientShap(tapped.forward_of)
    stdev = options.stdevs * float(tapped.real.std())
    rows, deltas = [], []
    for token in range(tapped.n_tokens):
        total, token_deltas = torch.zeros_like(tapped.real), []
        with seeded(options.seed):
            for first in range(0, options.n_samples, tapped.batch_grad):
                n_samples = min(tapped.batch_grad, options.n_samples - first)
                attributed, delta = method.attribute(
                    tapped.real,
                    baselines=baseline,
                    n_samples=n_samples,
                    stdevs=stdev,
                    additional_forward_args=token,
                    return_convergence_delta=True,
                )
                total += attributed.detach() * n_samples
                token_deltas.append(delta)
        rows.append(tapped.reduced(total / options.n_samples, options.reduce))
        deltas.append(float(torch.cat(token_deltas).mean()))
    change = tapped.log_prob_change(baseline).tolist()
    details = {
        "n_samples": options.n_samples,
        "stdev": stdev,
        "convergence_delta": deltas,
        "log_prob_change": change,
        "flagged_tokens": flagged(deltas, change),
    }
    return tapped.stack(torch.cat(rows), details)


def integrated_gradients(model: Whisper, shared: Pass, options: IntegratedGradientsOptions) -> Stack:
    """Gradients along the straight path from the baseline to the input (captum ``IntegratedGradients``).

    Details of each token: number of steps, convergence delta, and change in log-probability between the ends of the
    path. Tokens whose delta exceeds :data:`TOLERANCE` of that change are flagged.
    """
    tapped = tap(model, shared, options.at, "integrated-gradients")
    baseline = tapped.baseline(options.baseline)
    change = tapped.log_prob_change(baseline).tolist()
    rows, deltas, n_steps = [], [], []
    for token in range(tapped.n_tokens):
        attributed, delta, steps = integrate(
            tapped.forward_of, tapped.real, baseline, token, change[token], options.steps, tapped.batch_grad
        )
        rows.append(tapped.reduced(attributed, options.reduce))
        deltas.append(delta)
        n_steps.append(steps)
    details = {
        "n_steps": n_steps,
        "convergence_delta": deltas,
        "log_prob_change": change,
        "flagged_tokens": flagged(deltas, change),
    }
    return tapped.stack(torch.cat(rows), details)


def integrate(
    forward_of: Callable[[Tensor, int], Tensor],
    real: Tensor,
    baseline: Tensor,
    token: int,
    change: float,
    steps: str,
    batch: int,
) -> tuple[Tensor, float, int]:
    """Integrated gradients of one token.

    With ``steps="auto"`` the steps double from :data:`FIRST_STEPS` until the delta is within :data:`TOLERANCE` of
    ``change``, or up to :data:`MAX_STEPS`.

    Parameters
    ----------
    forward_of : callable
        See :class:`~align_eval.relevance.captum_tap.Tapped`.
    real, baseline : Tensor
        The ends of the path.
    token : int
        Number of the token.
    change : float
        Change in log-probability between the ends, in nats.
    steps : str
        ``auto`` or a number.
    batch : int
        Steps per forward pass.

    Returns
    -------
    attributions : Tensor
        With the shape of ``real``.
    delta : float
        Convergence delta: sum of the attributions minus the change, in nats.
    n_steps : int
    """
    method = IntegratedGradients(forward_of)
    n_steps = FIRST_STEPS if steps == "auto" else int(steps)
    while True:
        attributed, deltas = method.attribute(
            real,
            baselines=baseline,
            additional_forward_args=token,
            n_steps=n_steps,
            internal_batch_size=batch,
            return_convergence_delta=True,
        )
        delta = float(deltas[0])
        if steps != "auto" or n_steps >= MAX_STEPS or not flagged([delta], [change]):
            return attributed.detach(), delta, n_steps
        n_steps = min(2 * n_steps, MAX_STEPS)


def flagged(deltas: list[float], change: list[float]) -> list[int]:
    """Tokens whose |delta| exceeds :data:`TOLERANCE` of their change in log-probability, or is NaN."""
    pairs = zip(deltas, change, strict=True)
    return [token for token, (delta, total) in enumerate(pairs) if not abs(delta) <= TOLERANCE * abs(total)]
