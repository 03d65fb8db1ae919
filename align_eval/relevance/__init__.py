"""Relevance maps: which stretch of time matters to which token.

A source is a function ``f(model, pass, options) -> Stack``: maps ``(map, row, frame)`` of non-negative values whose
rows sum to one over the real frames, with the evidence that the source gives of itself. (The scale of a saliency
differs by orders of magnitude from token to token, so nothing may compare tokens before.) Preparation, the same for
every source, makes the one map that alignments read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

from align_eval.relevance.options import SOURCE_OPTIONS, AttentionOptions, Prompt, Unit
from align_eval.spec import format_spec, parse_spec
from align_eval.units import FRAME_S, START_S

if TYPE_CHECKING:
    from whisper.model import Whisper

    from align_eval.model.forward import Pass
    from align_eval.records import RelevanceMap
    from align_eval.relevance.stack import Stack

SOURCES = {
    "attention": "align_eval.relevance.attention:attention",
    "gradient": "align_eval.relevance.gradient:gradient",
    "spes": "align_eval.relevance.spes:spes",
    "attention-norm": "align_eval.relevance.attention_norm:attention_norm",
    "value-zeroing": "align_eval.relevance.value_zeroing:value_zeroing",
    "hybrid": "align_eval.relevance.hybrid:hybrid",
    "control-uniform": "align_eval.relevance.controls:control_uniform",
    "control-diagonal": "align_eval.relevance.controls:control_diagonal",
    "control-energy": "align_eval.relevance.controls:control_energy",
    "control-shuffled": "align_eval.relevance.controls:control_shuffled",
    "control-random-weights": "align_eval.relevance.controls:control_random_weights",
    "saliency": "align_eval.relevance.captum_gradients:saliency",
    "input-x-gradient": "align_eval.relevance.captum_gradients:input_x_gradient",
    "smoothgrad": "align_eval.relevance.captum_gradients:smoothgrad",
    "integrated-gradients": "align_eval.relevance.captum_gradients:integrated_gradients",
    "gradient-shap": "align_eval.relevance.captum_gradients:gradient_shap",
    "occlusion": "align_eval.relevance.captum_perturbations:occlusion",
    "kernel-shap": "align_eval.relevance.captum_perturbations:kernel_shap",
}
"""A new source is one function, one line here, and its options."""

MADE_OF_OTHERS = ("hybrid", "control-shuffled")
"""Sources that ask for other sources' stacks: their function takes a last argument, from a spec to its stack."""


def canonical_source(spec: str, *, full: bool = False) -> str:
    """The canonical spec of a source; ``full`` writes its defaults out."""
    return format_spec(*parse_spec(spec, SOURCE_OPTIONS, "source"), full=full)


def unit_of(spec: str) -> Unit:
    """The token unit that a source asks for: that of the pass which it is to be given."""
    unit: Unit = parse_spec(spec, SOURCE_OPTIONS, "source")[1].unit
    return unit


def tokens_of(spec: str) -> tuple[Unit, Prompt]:
    """What decides the tokens that a source is read from: the unit of the text and the token before it."""
    options = parse_spec(spec, SOURCE_OPTIONS, "source")[1]
    return options.unit, options.prompt if isinstance(options, AttentionOptions) else "no-timestamps"


def unprepared(spec: str) -> str:
    """The canonical spec of a source without its preparation: the name of its stack."""
    name, options = parse_spec(spec, SOURCE_OPTIONS, "source")
    return format_spec(name, replace(options, prep=type(options)().prep))


def stacks_of(model: Whisper, shared: Pass) -> Callable[[str], Stack]:
    """The stacks of sources by spec, each computed once, also where a source is made of others.

    They are of the pass's own tokens, whatever ``unit`` or ``prompt`` a spec asks for: :func:`tokens_of` says which
    pass to give.
    """
    stacks: dict[tuple[str, Any], Stack] = {}

    def stack_of(spec: str) -> Stack:
        name, options = parse_spec(spec, SOURCE_OPTIONS, "source")
        key = name, replace(options, prep="log", unit="subword")  # any one value: the stack does not depend on them
        if key not in stacks:
            module, function = SOURCES[name].split(":")
            others = (stack_of,) if name in MADE_OF_OTHERS else ()
            stacks[key] = getattr(import_module(module), function)(model, shared, options, *others)
        return stacks[key]

    return stack_of


def relevance_maps(
    model: Whisper, shared: Pass, specs: Sequence[str], stack_of: Callable[[str], Stack] | None = None
) -> dict[str, RelevanceMap]:
    """The prepared maps of sources, by spec; what differs in its preparation only is computed once.

    ``stack_of`` is of :func:`stacks_of`, where the caller wants stacks beside.

    Raises
    ------
    InputError
        Where a spec is unknown, asks for a head or block that the model lacks, or its map is not finite.
    """
    from align_eval.records import RelevanceMap
    from align_eval.relevance.prepare import prepare
    from align_eval.relevance.stack import text_rows

    stack_of = stack_of or stacks_of(model, shared)
    maps: dict[str, RelevanceMap] = {}
    for spec in dict.fromkeys(specs):
        name, options = parse_spec(spec, SOURCE_OPTIONS, "source")
        stack = stack_of(spec)
        prepared = prepare(stack.values, options.prep)
        first = stack.first_row
        maps[spec] = RelevanceMap(
            values=text_rows(prepared, first, shared.text).cpu().numpy(),
            frame_s=FRAME_S,
            start_s=START_S,
            word_of_token=shared.text.word_of_token,
            spec=format_spec(name, options),
            details=stack.details,
            lead=prepared[first - 1 : first].cpu().numpy() if first > 0 else None,
            pieces=shared.text.pieces,
        )
    return maps
