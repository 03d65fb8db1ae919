"""A relevance source, parsed: its name, its options, and all that follows from them before a model runs.

Sources that are made from other sources hold them in parentheses, as ``hybrid:a=(attention),b=(gradient)``. Their
options are here, beside the parser that they need.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from align_eval.relevance.captum_options import (
    GradientShapOptions,
    InputXGradientOptions,
    IntegratedGradientsOptions,
    KernelShapOptions,
    OcclusionOptions,
    SaliencyOptions,
    SmoothGradOptions,
)
from align_eval.relevance.options import (
    AttentionNormOptions,
    AttentionOptions,
    ControlDiagonalOptions,
    ControlEnergyOptions,
    ControlUniformOptions,
    GradientOptions,
    Preparation,
    SourceOptions,
    SpesOptions,
    Tokens,
    ValueZeroingOptions,
)
from align_eval.spec import ALWAYS, format_spec, parse_spec


@dataclass(frozen=True, slots=True, kw_only=True)
class NestedOptions(SourceOptions):
    """Base of these options. ``inner`` holds the sources in parentheses, parsed, in the order of their keys."""

    inner: tuple[Source, ...] = field(default=(), init=False, compare=False, repr=False)

    def parse_inner(self, *keys: str) -> None:
        """Parse the sources that these keys hold, and write the keys in canonical form."""
        sources = tuple(_parse_in_parentheses(key, getattr(self, key), self) for key in keys)
        for key, source in zip(keys, sources, strict=True):
            object.__setattr__(self, key, f"({_without_shared(source)})")
        object.__setattr__(self, "inner", sources)


@dataclass(frozen=True, slots=True, kw_only=True)
class HybridOptions(NestedOptions):
    """Two sources mixed: ``(1 - alpha) a + alpha b`` of their mean maps, rows summing to one.

    ``a`` and ``b``: sources in parentheses, without ``prep`` or ``unit``, which apply to the mixture. ``alpha``: share
    of ``b``, 0 to 1.
    """

    a: str = field(default="(attention:heads=all)", metadata=ALWAYS)
    b: str = field(default="(gradient:at=encoder-output)", metadata=ALWAYS)
    alpha: float = field(default=0.5, metadata=ALWAYS)

    def __post_init__(self) -> None:
        self.parse_inner("a", "b")
        if not 0 <= self.alpha <= 1:
            raise ValueError(f"alpha={self.alpha:g} is not between 0 and 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class ResidualOptions(NestedOptions):
    """Attention with an amount of what a saliency shows and attention lacks, in the logarithm.

    The residual of a token is its log saliency minus its best line in log attention over the frames, scaled to the
    spread of that row of log attention. The map is log attention plus ``amount`` times the residual, rows normalised.
    ``of``: the saliency, and ``to``: the attention, in parentheses, without ``prep`` or ``unit``; either may be any
    source. At amount 0 the map is that of ``to``.
    """

    prep: Preparation = "log"
    of: str = field(default="(gradient:at=encoder-output)", metadata=ALWAYS)
    to: str = field(default="(attention:heads=all)", metadata=ALWAYS)
    amount: float = field(default=0.5, metadata=ALWAYS)

    def __post_init__(self) -> None:
        self.parse_inner("of", "to")
        if not 0 <= self.amount <= 16:
            raise ValueError(f"amount={self.amount:g} is not between 0 and 16")


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlShuffledOptions(NestedOptions):
    """Another source with its rows permuted among the tokens, so that no token keeps its row.

    ``of``: that source in parentheses, without ``prep`` or ``unit``.
    """

    of: str = field(default="(gradient:at=encoder-output)", metadata=ALWAYS)
    seed: int = field(default=0, metadata=ALWAYS)

    def __post_init__(self) -> None:
        self.parse_inner("of")
        _refuse_negative(self.seed)


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlRandomWeightsOptions(NestedOptions):
    """Another source from a Whisper with random parameters of the same mean and standard deviation per tensor.

    ``of``: that source in parentheses, without ``prep`` or ``unit``.
    """

    of: str = field(default="(attention:heads=alignment)", metadata=ALWAYS)
    seed: int = field(default=0, metadata=ALWAYS)

    def __post_init__(self) -> None:
        self.parse_inner("of")
        _refuse_negative(self.seed)


def _parse_in_parentheses(key: str, value: str, outer: SourceOptions) -> Source:
    """Parse a source in parentheses that is the value of a key; it gets the unit of the source around it.

    Raises
    ------
    InputError
        Where the source in parentheses is refused; the error names it.
    ValueError
        Where there are no parentheses, or ``prep``, ``unit`` or ``prompt`` is set inside them.
    """
    if not (value.startswith("(") and value.endswith(")")):
        raise ValueError(f"{key}={value} is no source in parentheses, as {key}=(attention:heads=all) is")
    inside = re.search(r"[:,](prep|unit|prompt)=", value)
    if inside:
        raise ValueError(f"{key}={value} has a {inside[1]} inside: give it outside the parentheses, once for the whole")
    return parse_source(value[1:-1]).with_options(unit=outer.unit)


def _without_shared(source: Source) -> str:
    return source.with_options(unit="subword").text


def _refuse_negative(seed: int) -> None:
    if seed < 0:
        raise ValueError(f"seed={seed} is below 0")


SOURCE_OPTIONS: dict[str, type[SourceOptions]] = {
    "attention": AttentionOptions,
    "gradient": GradientOptions,
    "spes": SpesOptions,
    "attention-norm": AttentionNormOptions,
    "value-zeroing": ValueZeroingOptions,
    "hybrid": HybridOptions,
    "residual": ResidualOptions,
    "control-uniform": ControlUniformOptions,
    "control-diagonal": ControlDiagonalOptions,
    "control-energy": ControlEnergyOptions,
    "control-shuffled": ControlShuffledOptions,
    "control-random-weights": ControlRandomWeightsOptions,
    "saliency": SaliencyOptions,
    "input-x-gradient": InputXGradientOptions,
    "smoothgrad": SmoothGradOptions,
    "integrated-gradients": IntegratedGradientsOptions,
    "gradient-shap": GradientShapOptions,
    "occlusion": OcclusionOptions,
    "kernel-shap": KernelShapOptions,
}
"""Options of every source."""

SOURCE_FUNCTIONS = {
    "attention": "align_eval.relevance.attention:attention",
    "gradient": "align_eval.relevance.gradient:gradient",
    "spes": "align_eval.relevance.spes:spes",
    "attention-norm": "align_eval.relevance.attention_norm:attention_norm",
    "value-zeroing": "align_eval.relevance.value_zeroing:value_zeroing",
    "hybrid": "align_eval.relevance.hybrid:hybrid",
    "residual": "align_eval.relevance.residual:residual_source",
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
"""Function of every source, ``module:function``, loaded when it is first used: ``f(model, pass, options) -> Stack``.

A new source is one function, its options, and one line in either table.
"""

MADE_OF_OTHERS = ("hybrid", "residual", "control-shuffled")
"""Sources whose function takes a last argument: a function from another source to its stack."""

FLAT_ROWS = "flat_rows"
"""Key of a source's details that lists the rows in which it found nothing, and which are flat."""


@dataclass(frozen=True, slots=True)
class Source:
    """A relevance source with its options.

    Attributes
    ----------
    name : str
        A key of :data:`SOURCE_OPTIONS`.
    options : SourceOptions
    text : str
        The canonical spec, without defaults.
    full_text : str
        The canonical spec with its defaults: two sources with the same one are the same source.
    stack : str
        The canonical spec without its preparation: the name of the stack of maps before preparation.
    prep : str
        The preparation from that stack to the one map.
    tokens : Tokens
        The tokens that the decoder is forced through for this source.
    """

    name: str
    options: SourceOptions
    text: str = field(init=False, compare=False)
    full_text: str = field(init=False, compare=False, repr=False)
    stack: str = field(init=False, compare=False, repr=False)
    prep: Preparation = field(init=False, compare=False, repr=False)
    tokens: Tokens = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        default_prep = type(self.options)().prep
        prompt = self.options.prompt if isinstance(self.options, AttentionOptions) else "no-timestamps"
        derived: dict[str, Any] = {
            "text": format_spec(self.name, self.options),
            "full_text": format_spec(self.name, self.options, full=True),
            "stack": format_spec(self.name, replace(self.options, prep=default_prep)),
            "prep": self.options.prep,
            "tokens": Tokens(self.options.unit, prompt),
        }
        for attribute, value in derived.items():
            object.__setattr__(self, attribute, value)

    def __str__(self) -> str:
        return self.text

    def with_options(self, **changes: Any) -> Source:
        """Return the source with some options changed."""
        return Source(self.name, replace(self.options, **changes))


@lru_cache(maxsize=1024)
def parse_source(text: str) -> Source:
    """Parse the spec of a source, as ``attention:heads=all,prep=log``.

    Raises
    ------
    InputError
        For an unknown name, key or value.
    """
    return Source(*parse_spec(text, SOURCE_OPTIONS, "source"))
