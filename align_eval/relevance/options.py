"""Options of the relevance sources, one frozen dataclass a source. Torch-free: specs are checked before models load."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from align_eval.spec import ALWAYS, format_spec, parse_spec

Preparation = Literal["zscore-median", "log", "zscore", "norm", "mean-norm", "mean"]
Unit = Literal["subword", "character"]
"""What the decoder is forced through, a key of every source: Whisper's own tokens, or one character after the other."""

Prompt = Literal["no-timestamps", "timestamp"]
"""The token before the text: that there are no timestamps, or the timestamp 0."""

_HEADS = re.compile(r"alignment|all|layer\.[0-9]+|[0-9]+\.[0-9]+(\+[0-9]+\.[0-9]+)*")
_CHOSEN = re.compile(r"(top|nearest)[1-9][0-9]*")
_LAYER = re.compile(r"all|[0-9]+")
_AT = re.compile(r"mel|conv|encoder-output|encoder\.([0-9]+)(?:/([0-9]+))?")


@dataclass(frozen=True, slots=True)
class AttentionOptions:
    """Cross-attention weights.

    ``heads``: ``alignment`` (those the model is said to align with), ``all``, ``layer.L``, or ``L.H+L.H``; layers and
    heads count from 0. Or chosen anew for each utterance: ``top10``, the ten whose weights have the largest norms by
    column and row (Yeh, Meng, Tang 2025), or ``nearest6``, for each row the six whose weights lie nearest to their
    peak (stable-ts). ``softmax``: over the ``cropped`` real frames, as openai-whisper does, or the ``full`` window.
    ``rows``: the rows that a preparation standardises or scales over, those of the ``text`` with its end, ``all`` that
    the decoder reads, as openai-whisper does, those of the text and of the ``start`` token before it, or the ``later``
    ones, all of the text but the first. ``median``: of the logits before the softmax, over so many frames; 1 is no
    filter. ``prompt``: the token before the text.
    """

    heads: str = field(default="alignment", metadata=ALWAYS)
    prep: Preparation = "zscore-median"
    unit: Unit = "subword"
    softmax: Literal["cropped", "full"] = "cropped"
    rows: Literal["text", "all", "start", "later"] = "text"
    median: int = 1
    prompt: Prompt = "no-timestamps"

    def __post_init__(self) -> None:
        if not _CHOSEN.fullmatch(self.heads):
            _check_heads(self.heads, "alignment, all, layer.L, L.H+L.H, topN, nearestN")
        if self.median < 1 or self.median % 2 == 0:
            raise ValueError(f"median={self.median} is no odd number of frames")


@dataclass(frozen=True, slots=True)
class GradientOptions:
    """Gradient of each token's log-probability.

    ``at``: the ``mel`` input, after the convolutions (``conv``), after K encoder blocks (``encoder.K``), after that
    share of them (``encoder.3/4``, to the nearest block), or the ``encoder-output``. ``reduce``: over features, the
    ``l2`` or ``l1`` norm, or the magnitude of the sum of ``input`` times gradient.
    """

    at: str = field(default="encoder-output", metadata=ALWAYS)
    reduce: Literal["l2", "l1", "input"] = "l2"
    prep: Preparation = "zscore-median"
    unit: Unit = "subword"

    def __post_init__(self) -> None:
        _check_at(self.at)


@dataclass(frozen=True, slots=True)
class SpesOptions:
    """SPES: mean divergence of each token's distribution over the masks that hid a place.

    ``at``: segments of the log-mel (``mel``) or single states of the ``encoder-output``. ``masks``: how many, or
    ``auto``, as many as give the pooled map a split-half ``reliability``. ``p``: probability that a segment is hidden,
    or the ``paper``'s, 0.5 at the mel and 0.7 at the encoder output. ``mask``: what hides, at the mel the ``mean`` of
    each bin, ``zero`` or the ``floor``; at the encoder output ``zero``, or ``remove``, which takes states out of the
    cross-attention. ``pool``: from mel to encoder frames, ``max`` over bins and frames, ``mean``, or ``max-mean``.
    ``frames``: states that may be hidden at the encoder output, the ``real`` ones or ``all``. ``dtype``: of the masked
    passes; ``float16`` is for a GPU. ``compiled``: ``yes`` runs them through ``torch.compile``, which takes a minute
    first.
    """

    at: Literal["mel", "encoder-output"] = field(default="mel", metadata=ALWAYS)
    masks: str = "auto"
    reliability: float = 0.8
    p: str = "paper"
    mask: Literal["auto", "mean", "zero", "floor", "remove"] = "auto"
    pool: Literal["max", "mean", "max-mean"] = "max"
    frames: Literal["real", "all"] = "real"
    dtype: Literal["float32", "float16"] = "float32"
    compiled: Literal["no", "yes"] = "no"
    seed: int = 0
    prep: Preparation = "zscore-median"
    unit: Unit = "subword"

    def __post_init__(self) -> None:
        if self.masks != "auto" and not (self.masks.isascii() and self.masks.isdigit() and int(self.masks) >= 6):
            raise ValueError(f"masks={self.masks} is neither auto nor a number from 6 up")
        if self.p != "paper" and not 0 < _number(self.p) < 1:
            raise ValueError(f"p={self.p} is neither paper nor between 0 and 1")
        if not 0 < self.reliability < 1:
            raise ValueError(f"reliability={self.reliability} is not between 0 and 1")
        allowed = ("auto", "mean", "zero", "floor") if self.at == "mel" else ("auto", "zero", "remove")
        if self.mask not in allowed:
            raise ValueError(f"mask={self.mask} cannot hide at {self.at}: one of {', '.join(allowed)}")
        if self.mask == "remove" and self.compiled == "yes":
            raise ValueError("compiled=yes: mask=remove, which replaces the attention, runs uncompiled")


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


@dataclass(frozen=True, slots=True)
class AttentionNormOptions:
    """Cross-attention weights times the norm of the projected value vectors; keys as of ``attention``."""

    heads: str = field(default="alignment", metadata=ALWAYS)
    prep: Preparation = "zscore-median"
    unit: Unit = "subword"
    softmax: Literal["cropped", "full"] = "cropped"

    def __post_init__(self) -> None:
        _check_heads(self.heads)


@dataclass(frozen=True, slots=True)
class ValueZeroingOptions:
    """How far a decoder block's output moves when a frame's value vector is zeroed in its cross-attention.

    ``layer``: one of the decoder's, counted from 0, or ``all``, a map each.
    """

    layer: str = field(default="all", metadata=ALWAYS)
    prep: Preparation = "zscore-median"
    unit: Unit = "subword"

    def __post_init__(self) -> None:
        if not _LAYER.fullmatch(self.layer):
            raise ValueError(f"layer={self.layer} is neither all nor a number")


@dataclass(frozen=True, slots=True)
class HybridOptions:
    """Two sources mixed: ``(1 - alpha) a + alpha b`` of their mean maps, rows summing to one.

    ``a`` and ``b``: sources in parentheses, without ``prep`` or ``unit`` of their own. ``alpha``: the share of ``b``, 0
    to 1.
    """

    a: str = field(default="(attention:heads=all)", metadata=ALWAYS)
    b: str = field(default="(gradient:at=encoder-output)", metadata=ALWAYS)
    alpha: float = field(default=0.5, metadata=ALWAYS)
    prep: Preparation = "zscore-median"
    unit: Unit = "subword"

    def __post_init__(self) -> None:
        object.__setattr__(self, "a", nested_source("a", self.a))
        object.__setattr__(self, "b", nested_source("b", self.b))
        if not 0 <= self.alpha <= 1:
            raise ValueError(f"alpha={self.alpha:g} is not between 0 and 1")


@dataclass(frozen=True, slots=True)
class ControlUniformOptions:
    """A flat map: every frame the same to every token. It has no variance over tokens, so ``prep`` is ``log``."""

    prep: Preparation = "log"
    unit: Unit = "subword"

    def __post_init__(self) -> None:
        _refuse_zscore(self.prep)


@dataclass(frozen=True, slots=True)
class ControlDiagonalOptions:
    """Tokens spread evenly: a bump a token on the straight line from the start of the audio to its end.

    ``width_s``: how far from its peak a bump is half as high.
    """

    width_s: float = 0.1
    prep: Preparation = "zscore-median"
    unit: Unit = "subword"

    def __post_init__(self) -> None:
        if not self.width_s > 0:
            raise ValueError(f"width_s={self.width_s:g} is not above 0")


@dataclass(frozen=True, slots=True)
class ControlEnergyOptions:
    """The power of the audio, the same to every token. It has no variance over tokens, so ``prep`` is ``log``."""

    prep: Preparation = "log"
    unit: Unit = "subword"

    def __post_init__(self) -> None:
        _refuse_zscore(self.prep)


@dataclass(frozen=True, slots=True)
class ControlShuffledOptions:
    """Another source with its rows dealt out among the tokens, so that none keeps its own.

    ``of``: that source in parentheses, without ``prep`` or ``unit`` of its own.
    """

    of: str = field(default="(gradient:at=encoder-output)", metadata=ALWAYS)
    seed: int = field(default=0, metadata=ALWAYS)
    prep: Preparation = "zscore-median"
    unit: Unit = "subword"

    def __post_init__(self) -> None:
        object.__setattr__(self, "of", nested_source("of", self.of))
        _refuse_negative(self.seed)


@dataclass(frozen=True, slots=True)
class ControlRandomWeightsOptions:
    """Another source from a Whisper whose parameters are random, each with its own mean and standard deviation.

    ``of``: that source in parentheses, without ``prep`` or ``unit`` of its own.
    """

    of: str = field(default="(attention:heads=alignment)", metadata=ALWAYS)
    seed: int = field(default=0, metadata=ALWAYS)
    prep: Preparation = "zscore-median"
    unit: Unit = "subword"

    def __post_init__(self) -> None:
        object.__setattr__(self, "of", nested_source("of", self.of))
        _refuse_negative(self.seed)


def nested_source(key: str, value: str) -> str:
    """The canonical form of a source in parentheses, given for a key of the source around it.

    Raises
    ------
    InputError
        Where the source in parentheses is refused; it is the place.
    ValueError
        Where there are no parentheses, or preparation or unit stand inside them.
    """
    if not (value.startswith("(") and value.endswith(")")):
        raise ValueError(f"{key}={value} is no source in parentheses, as {key}=(attention:heads=all) is")
    inside = re.search(r"[:,](prep|unit|prompt)=", value)
    if inside:
        raise ValueError(f"{key}={value} has a {inside[1]} inside: give it outside the parentheses, once for the whole")
    return f"({format_spec(*parse_spec(value[1:-1], SOURCE_OPTIONS, 'source'))})"


def _refuse_zscore(prep: Preparation) -> None:
    if prep in ("zscore-median", "zscore"):
        raise ValueError(f"prep={prep} divides by the variance over rows, and here all rows are equal: use prep=log")


def _refuse_negative(seed: int) -> None:
    if seed < 0:
        raise ValueError(f"seed={seed} is below 0")


def _check_heads(heads: str, known: str = "alignment, all, layer.L, L.H+L.H") -> None:
    if not _HEADS.fullmatch(heads):
        raise ValueError(f"heads={heads} is none of {known}")
    pairs = heads.split("+")
    if len(set(pairs)) < len(pairs):
        raise ValueError(f"heads={heads} names a head twice")


def _check_at(at: str) -> None:
    match = _AT.fullmatch(at)
    if not match:
        raise ValueError(f"at={at} is none of mel, conv, encoder.K, encoder.A/B, encoder-output")
    share, whole = match.groups()
    if whole is not None and not int(share) <= int(whole) > 0:
        raise ValueError(f"at={at} is no share of the blocks, as encoder.3/4 is")


def _check_baseline(baseline: str, at: str) -> None:
    if baseline == "floor" and at != "mel":
        raise ValueError(f"baseline=floor is the least log-mel value and has no meaning at={at}: use mean or zero")


def _check_draws(n_samples: int, least: int, seed: int) -> None:
    if n_samples < least:
        raise ValueError(f"n_samples={n_samples} is less than {least}")
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed={seed} is not from 0 to 2**32 - 1")


def _check_window(window_s: float) -> None:
    if not window_s > 0:
        raise ValueError(f"window_s={window_s:g} is not above 0")


Reduction = Literal["l2", "l1", "sum"]
Baseline = Literal["mean", "zero", "floor"]


@dataclass(frozen=True, slots=True)
class SaliencyOptions:
    """Derivative of each token's log-probability, by captum.

    ``at``: as of ``gradient``. ``reduce``: over features, the ``l2`` or ``l1`` norm, or the magnitude of the ``sum``.
    """

    at: str = field(default="encoder-output", metadata=ALWAYS)
    reduce: Reduction = "l2"
    prep: Preparation = "zscore-median"
    unit: Unit = "subword"

    def __post_init__(self) -> None:
        _check_at(self.at)


@dataclass(frozen=True, slots=True)
class InputXGradientOptions:
    """Input times derivative, by captum; keys as of ``saliency``."""

    at: str = field(default="encoder-output", metadata=ALWAYS)
    reduce: Reduction = "sum"
    prep: Preparation = "zscore-median"
    unit: Unit = "subword"

    def __post_init__(self) -> None:
        _check_at(self.at)


@dataclass(frozen=True, slots=True)
class SmoothGradOptions:
    """Mean derivative under Gaussian noise on the real frames, by captum.

    ``at`` and ``reduce``: as of ``saliency``. ``n_samples``: noisy copies. ``stdev``: of the noise, as a share of the
    tapped tensor's standard deviation over the real frames.
    """

    at: str = field(default="encoder-output", metadata=ALWAYS)
    reduce: Reduction = "l2"
    n_samples: int = 16
    stdev: float = 0.15
    seed: int = 0
    prep: Preparation = "zscore-median"
    unit: Unit = "subword"

    def __post_init__(self) -> None:
        _check_at(self.at)
        _check_draws(self.n_samples, 1, self.seed)
        if not self.stdev > 0:
            raise ValueError(f"stdev={self.stdev:g} is not above 0")


@dataclass(frozen=True, slots=True)
class IntegratedGradientsOptions:
    """Gradients integrated from a baseline to the input, by captum.

    ``at`` and ``reduce``: as of ``saliency``. ``steps``: a number, or ``auto``, doubled for each token from 32 to at
    most 512 until the convergence delta is at most 5 % of its change in log-probability. ``baseline``: on the real
    frames, the ``mean`` over time of each feature, ``zero``, or, at the mel alone, the ``floor``, that of silence.
    """

    at: str = field(default="encoder-output", metadata=ALWAYS)
    reduce: Reduction = "sum"
    steps: str = "auto"
    baseline: Baseline = "mean"
    prep: Preparation = "zscore-median"
    unit: Unit = "subword"

    def __post_init__(self) -> None:
        _check_at(self.at)
        _check_baseline(self.baseline, self.at)
        if self.steps != "auto" and not (self.steps.isascii() and self.steps.isdigit() and int(self.steps) > 0):
            raise ValueError(f"steps={self.steps} is neither auto nor a number from 1 up")


@dataclass(frozen=True, slots=True)
class GradientShapOptions:
    """Gradients at random points between a baseline and the noisy input, by captum.

    ``at``, ``reduce`` and ``baseline``: as of ``integrated-gradients``. ``n_samples``: points. ``stdevs``: of the noise
    on the input, as a share of the tapped tensor's standard deviation over the real frames.
    """

    at: str = field(default="encoder-output", metadata=ALWAYS)
    reduce: Reduction = "sum"
    n_samples: int = 32
    stdevs: float = 0.1
    baseline: Baseline = "mean"
    seed: int = 0
    prep: Preparation = "zscore-median"
    unit: Unit = "subword"

    def __post_init__(self) -> None:
        _check_at(self.at)
        _check_baseline(self.baseline, self.at)
        _check_draws(self.n_samples, 1, self.seed)
        if not self.stdevs >= 0:
            raise ValueError(f"stdevs={self.stdevs:g} is below 0")


@dataclass(frozen=True, slots=True)
class OcclusionOptions:
    """Drop in log-probability as one block of time after the other gives way to a baseline, by captum.

    ``at``: where, as of ``gradient``. ``window_s``: length of a block, to whole encoder frames. ``baseline``: as of
    ``integrated-gradients``.
    """

    at: str = field(default="mel", metadata=ALWAYS)
    window_s: float = 0.1
    baseline: Baseline = "mean"
    prep: Preparation = "zscore-median"
    unit: Unit = "subword"

    def __post_init__(self) -> None:
        _check_at(self.at)
        _check_baseline(self.baseline, self.at)
        _check_window(self.window_s)


@dataclass(frozen=True, slots=True)
class KernelShapOptions:
    """Shapley values of blocks of time by regression on random sets of them, by captum.

    ``at``, ``window_s`` and ``baseline``: as of ``occlusion``. ``n_samples``: sets, the full and
    the empty one included.
    """

    at: str = field(default="mel", metadata=ALWAYS)
    window_s: float = 0.1
    n_samples: int = 256
    baseline: Baseline = "mean"
    seed: int = 0
    prep: Preparation = "zscore-median"
    unit: Unit = "subword"

    def __post_init__(self) -> None:
        _check_at(self.at)
        _check_baseline(self.baseline, self.at)
        _check_window(self.window_s)
        _check_draws(self.n_samples, 3, self.seed)


SOURCE_OPTIONS: dict[str, type] = {
    "attention": AttentionOptions,
    "gradient": GradientOptions,
    "spes": SpesOptions,
    "attention-norm": AttentionNormOptions,
    "value-zeroing": ValueZeroingOptions,
    "hybrid": HybridOptions,
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
