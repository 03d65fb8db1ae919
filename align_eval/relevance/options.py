"""Options of the relevance sources: one frozen dataclass per source, and the keys that all of them share.

Torch-free, so that a spec is checked before a model loads. The docstrings are the text of ``align-eval list sources``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from align_eval.spec import AFTER_SHARED, ALWAYS

Preparation = Literal["zscore-median", "log", "zscore", "norm", "mean-norm", "mean"]
Unit = Literal["subword", "character"]
"""Tokens that the decoder is forced through: Whisper's own, or one per character."""

Prompt = Literal["no-timestamps", "timestamp"]
"""Last token before the text: the one for "no timestamps", or the timestamp 0."""

_HEADS = re.compile(r"alignment|all(-[0-9]+\.[0-9]+)*|layer\.[0-9]+|[0-9]+\.[0-9]+(\+[0-9]+\.[0-9]+)*")
_HEADS_BY_UTTERANCE = re.compile(r"(top|nearest)[1-9][0-9]*")
_LAYER = re.compile(r"all|[0-9]+")
_AT = re.compile(r"mel|conv|encoder-output|encoder\.([0-9]+)(?:/([0-9]+))?")


class Tokens(NamedTuple):
    """The tokens that a pass is forced through: their unit, and the prompt before them."""

    unit: Unit
    prompt: Prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceOptions:
    """Keys of every source: the preparation of its map, and the unit of its tokens."""

    prep: Preparation = "zscore-median"
    unit: Unit = "subword"


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionOptions(SourceOptions):
    """Cross-attention weights.

    ``heads``: ``alignment`` (the model's alignment heads), ``all``, ``all-L.H-L.H`` (all but these), ``layer.L``, or
    ``L.H+L.H``; layers and heads count from 0. ``best``, where a model is given: those chosen for its weights, and
    ``rest``: all others. Two choices are made anew for each utterance: ``top10``, the ten heads whose weights have the
    largest norms by column and row (Yeh, Meng, Tang 2025), and ``nearest6``, for each row the six heads whose weights
    lie nearest to their peak (stable-ts). ``softmax``: over the real frames (``cropped``, as in openai-whisper) or the
    ``full`` window. ``rows`` that the preparation standardises or scales over: the ``text`` and its end; ``all``
    decoder rows, as in openai-whisper; from the ``start`` token before the text on; or the ``later`` ones, without the
    first token. ``median``: width in frames of a median filter over the logits before the softmax; 1 is no filter.
    ``prompt``: last token before the text.
    """

    heads: str = field(default="alignment", metadata=ALWAYS)
    softmax: Literal["cropped", "full"] = field(default="cropped", metadata=AFTER_SHARED)
    rows: Literal["text", "all", "start", "later"] = field(default="text", metadata=AFTER_SHARED)
    median: int = field(default=1, metadata=AFTER_SHARED)
    prompt: Prompt = field(default="no-timestamps", metadata=AFTER_SHARED)

    def __post_init__(self) -> None:
        if not _HEADS_BY_UTTERANCE.fullmatch(self.heads):
            _check_heads(self.heads, "alignment, all, all-L.H-L.H, layer.L, L.H+L.H, topN, nearestN")
        if self.median < 1 or self.median % 2 == 0:
            raise ValueError(f"median={self.median} is no odd number of frames")


@dataclass(frozen=True, slots=True, kw_only=True)
class GradientOptions(SourceOptions):
    """Gradient of each token's log-probability.

    ``at``: the tensor that the gradient is taken at: the ``mel`` input, the output of the convolutions (``conv``), the
    output of K encoder blocks (``encoder.K``) or of a share of them (``encoder.3/4``, to the nearest block), or the
    ``encoder-output``. ``reduce``: over features, the ``l2`` or ``l1`` norm, or the magnitude of the sum of ``input``
    times gradient.
    """

    at: str = field(default="encoder-output", metadata=ALWAYS)
    reduce: Literal["l2", "l1", "input"] = "l2"

    def __post_init__(self) -> None:
        check_at(self.at)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpesOptions(SourceOptions):
    """SPES: mean divergence of each token's distribution over the random masks that hid a place.

    ``at``: masks hide segments of the log-mel (``mel``) or single states of the ``encoder-output``. ``masks``: their
    number, or ``auto``: as many as the pooled map needs for a split-half ``reliability``. ``p``: probability that a
    segment is hidden, or the ``paper``'s: 0.5 at the mel and 0.7 at the encoder output. ``mask``: the value that hides;
    at the mel the ``mean`` of each bin, ``zero`` or the ``floor``; at the encoder output ``zero``, or ``remove``, which
    takes states out of the cross-attention. ``pool``: from mel to encoder frames, ``max`` over bins and frames,
    ``mean``, or ``max-mean``. ``frames``: at the encoder output, hide ``real`` frames only, or ``all``. ``dtype``:
    number format of the masked passes; ``float16`` is for a GPU. ``compiled``: ``yes`` uses ``torch.compile``, which
    takes a minute first.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionNormOptions(SourceOptions):
    """Cross-attention weights times the norm of the projected value vectors; keys as of ``attention``."""

    heads: str = field(default="alignment", metadata=ALWAYS)
    softmax: Literal["cropped", "full"] = field(default="cropped", metadata=AFTER_SHARED)

    def __post_init__(self) -> None:
        _check_heads(self.heads)


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueZeroingOptions(SourceOptions):
    """Change of a decoder block's output when a frame's value vector is zeroed in its cross-attention.

    ``layer``: a decoder layer, counted from 0, or ``all``, one map each.
    """

    layer: str = field(default="all", metadata=ALWAYS)

    def __post_init__(self) -> None:
        if not _LAYER.fullmatch(self.layer):
            raise ValueError(f"layer={self.layer} is neither all nor a number")


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlUniformOptions(SourceOptions):
    """A flat map: every frame has the same weight for every token. It has no variance, so ``prep`` is ``log``."""

    prep: Preparation = "log"

    def __post_init__(self) -> None:
        _refuse_zscore(self.prep)


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlDiagonalOptions(SourceOptions):
    """Tokens spread evenly: one bump per token on the straight line from the start of the audio to its end.

    ``width_s``: distance from the peak at which a bump is half as high, in seconds.
    """

    width_s: float = 0.1

    def __post_init__(self) -> None:
        if not self.width_s > 0:
            raise ValueError(f"width_s={self.width_s:g} is not above 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlEnergyOptions(SourceOptions):
    """The power of the audio, the same for every token. It has no variance over tokens, so ``prep`` is ``log``."""

    prep: Preparation = "log"

    def __post_init__(self) -> None:
        _refuse_zscore(self.prep)


def check_at(at: str) -> None:
    """Refuse a place in the encoder that does not exist.

    Raises
    ------
    ValueError
    """
    match = _AT.fullmatch(at)
    if not match:
        raise ValueError(f"at={at} is none of mel, conv, encoder.K, encoder.A/B, encoder-output")
    share, whole = match.groups()
    if whole is not None and not int(share) <= int(whole) > 0:
        raise ValueError(f"at={at} is no share of the blocks, as encoder.3/4 is")


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _refuse_zscore(prep: Preparation) -> None:
    if prep in ("zscore-median", "zscore"):
        raise ValueError(f"prep={prep} divides by the variance over rows, and here all rows are equal: use prep=log")


def _check_heads(heads: str, known: str = "alignment, all, all-L.H-L.H, layer.L, L.H+L.H") -> None:
    if heads in ("best", "rest"):
        raise ValueError(f"heads={heads} depends on the model's weights: give it where a model is given, as to run")
    if not _HEADS.fullmatch(heads):
        raise ValueError(f"heads={heads} is none of {known}")
    pairs = re.findall(r"[0-9]+\.[0-9]+", heads)
    if len(set(pairs)) < len(pairs):
        raise ValueError(f"heads={heads} names a head twice")
