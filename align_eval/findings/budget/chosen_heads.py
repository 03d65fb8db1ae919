"""The heads that attention is read from: those that were chosen for the model of a run."""

from __future__ import annotations

import re

from align_eval.engine.answer import HEADS_BY_AGREEMENT
from align_eval.relevance.source import parse_source
from align_eval.run_record import Run
from align_eval.systems import chosen_heads, is_made_of

LITERAL = re.compile(r"\d+\.\d+(\+\d+\.\d+)*")


def heads_of_answer(run: Run) -> tuple[str, ...] | None:
    """The heads that the answer of a run names, or those chosen for its weights; None without either."""
    for answer in run.answer or ():
        if LITERAL.fullmatch(answer.heads):
            return tuple(answer.heads.split("+"))
    return chosen_heads(run.signature["model_checksum"])


def no_worth(run: Run, saliency: str) -> str | None:
    """The reason why a run gives no worth of a saliency, or None where it gives one.

    Parameters
    ----------
    saliency
        Spec without preparation, in subwords.
    """
    if heads_of_answer(run) is None:
        return "no heads were chosen for these weights (align-eval run CORPUS --keep heads chooses some)"
    by_agreement = run.signature.get(HEADS_BY_AGREEMENT)
    if by_agreement and is_made_of(parse_source(saliency), parse_source(by_agreement[0]).name):
        return f"the heads were chosen by agreement with {saliency}: what it is worth to them would be circular"
    return None
