"""Attention with an amount of what another source shows and attention lacks (:mod:`align_eval.relevance.injection`)."""

from __future__ import annotations

import numpy as np
import torch
from whisper.model import Whisper

from align_eval.model.forward import Pass
from align_eval.relevance.hybrid import joint_details, mean_distribution
from align_eval.relevance.injection import injected, normalised, scaled_residual
from align_eval.relevance.prepare import prepare
from align_eval.relevance.source import ResidualOptions
from align_eval.relevance.stack import Stack, StackOf, text_rows


def residual_source(_model: Whisper, shared: Pass, options: ResidualOptions, stack_of: StackOf) -> Stack:
    """``exp(log A + amount R)``, rows summing to one, ``(1, token, frame)``: amount 0 is the mean map of ``to``.

    Details: those of both sources, and the rows that are flat in either.
    """
    of, to = (stack_of(source) for source in options.inner)
    rows = [text_rows(stack.values, stack.first_row, shared.text) for stack in (of, to)]
    details = joint_details({"of": of, "to": to})
    if options.amount == 0:
        return Stack(mean_distribution(rows[1])[None], details)
    log_saliency, log_attention = (prepare(values, "log").double().cpu().numpy() for values in rows)
    lacking = scaled_residual(log_attention, log_saliency)
    values = np.exp(normalised(injected(log_attention, lacking, options.amount)))
    return Stack(torch.from_numpy(values).to(rows[1].device, torch.float32)[None], details)
