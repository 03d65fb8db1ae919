"""Heads of a model: those that were chosen for its weights, or else those that agree best with a saliency.

The choice by agreement uses no reference times, only the maps of a few utterances. It is made once, before the first
utterance of a run, and its heads are written out in the specs of the run.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from align_eval.corpus.windows import first_window
from align_eval.engine.utterance import attempt, read_speech
from align_eval.errors import InputError, listed
from align_eval.model.load import weights_checksum
from align_eval.pipeline import passes_of
from align_eval.records import Failure, Utterance
from align_eval.relevance.source import parse_source
from align_eval.relevance.stack import stacks_of, text_rows
from align_eval.systems import SALIENCY, chosen_heads, names_best, with_heads
from align_eval.units import WINDOW_S

if TYPE_CHECKING:
    from whisper.model import Whisper

    from align_eval.options import Plan

N_UTTERANCES = 30
"""Utterances, the first in the order of ids, that choose."""

N_HEADS = 10
"""Number of heads, or half of them where a model has fewer than twice that."""


def with_chosen_heads(model: Whisper, sources: Sequence[str]) -> list[str]:
    """Write out the best heads of a model in specs; warn where none were chosen for its weights."""
    if not any(names_best(source) for source in sources):
        return list(sources)
    heads = chosen_heads(weights_checksum(model))
    if not heads:
        message = "no heads were chosen for these weights: the model's alignment heads are used"
        warnings.warn(message, UserWarning, stacklevel=3)
    return [with_heads(source, heads or "alignment") for source in sources]


def heads_by_agreement(model: Whisper, utterances: Sequence[Utterance], plan: Plan) -> tuple[tuple[str, ...], int]:
    """Heads whose maps agree best with the gradient at the encoder output.

    Parameters
    ----------
    model : Whisper
    utterances : sequence of Utterance
        All of a corpus, in the order of ids.
    plan : Plan
        Its options decide text, context and number format.

    Returns
    -------
    heads : tuple of str
        Layers and heads, as ``("0.3", "1.1")``, in that order.
    n_used : int
        Number of utterances that chose: those that fail are left out.

    Raises
    ------
    InputError
        Where every one of them fails.
    """
    agreements: list[Tensor] = []
    names: list[str] = []
    failures: list[str] = []
    for utterance in utterances[:N_UTTERANCES]:
        result = attempt(utterance, lambda u: _agreement(model, u, plan))
        if isinstance(result, Failure):
            failures.append(result.message)
        else:
            names = result[1]
            agreements.append(result[0])
    if not agreements:
        problem = f"no utterance can choose heads for this model: {listed(failures)}"
        raise InputError("heads=best", problem, "mend what is listed, or name heads: --source attention:heads=...")
    mean = torch.stack(agreements).mean(dim=0)
    n_heads = min(N_HEADS, max(1, len(names) // 2))
    best = torch.sort(mean, descending=True, stable=True).indices[:n_heads].sort().values
    return tuple(names[head] for head in best.tolist()), len(agreements)


def _agreement(model: Whisper, utterance: Utterance, plan: Plan) -> tuple[Tensor, list[str]]:
    """Agreement of every head with the gradient in one utterance, and the names of the heads."""
    options = plan.options
    if utterance.duration_s > WINDOW_S:  # where it is recognised: its first window tells as much
        utterance = replace(utterance, audio=first_window(utterance.audio), duration_s=WINDOW_S)
    attention, saliency = parse_source("attention:heads=all"), parse_source(SALIENCY)
    speech = read_speech(utterance, plan, model)
    shared = passes_of(model, speech, options.context, options.dtype)(attention.tokens)
    stack_of = stacks_of(model, shared)
    maps, reference = (
        text_rows(stack.values, stack.first_row, shared.text)[:, :-1].double().cpu()
        for stack in (stack_of(attention), stack_of(saliency))
    )
    return row_correlations(maps, reference.mean(dim=0)), list(stack_of(attention).details["heads"])


def row_correlations(maps: Tensor, reference: Tensor) -> Tensor:
    """Pearson's correlation over frames of each map's rows with those of a reference, mean over rows.

    It is the agreement of ``align-eval agree`` under the normalisation ``rows``. A constant row counts as zero.

    Parameters
    ----------
    maps : Tensor
        ``(head, row, frame)``.
    reference : Tensor
        ``(row, frame)``.

    Returns
    -------
    Tensor
        ``(head,)``.
    """
    (a, s) = (side - side.mean(dim=-1, keepdim=True) for side in (maps, reference))
    scale = torch.linalg.vector_norm(a, dim=-1) * torch.linalg.vector_norm(s, dim=-1)
    correlations: Tensor = (a * s).sum(dim=-1) / scale.masked_fill(scale == 0, torch.inf)
    return correlations.mean(dim=-1)
