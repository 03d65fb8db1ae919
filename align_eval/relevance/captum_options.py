"""Options of the sources that run captum's methods: one frozen dataclass per source."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from align_eval.relevance.options import SourceOptions, check_at
from align_eval.spec import ALWAYS

Reduction = Literal["l2", "l1", "sum"]
Baseline = Literal["mean", "zero", "floor"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SaliencyOptions(SourceOptions):
    """Derivative of each token's log-probability, by captum.

    ``at``: as of ``gradient``. ``reduce``: over features, the ``l2`` or ``l1`` norm, or the magnitude of the ``sum``.
    """

    at: str = field(default="encoder-output", metadata=ALWAYS)
    reduce: Reduction = "l2"

    def __post_init__(self) -> None:
        check_at(self.at)


@dataclass(frozen=True, slots=True, kw_only=True)
class InputXGradientOptions(SourceOptions):
    """Input times derivative, by captum; keys as of ``saliency``."""

    at: str = field(default="encoder-output", metadata=ALWAYS)
    reduce: Reduction = "sum"

    def __post_init__(self) -> None:
        check_at(self.at)


@dataclass(frozen=True, slots=True, kw_only=True)
class SmoothGradOptions(SourceOptions):
    """Mean derivative under Gaussian noise on the real frames, by captum.

    ``at`` and ``reduce``: as of ``saliency``. ``n_samples``: number of noisy copies. ``stdev``: standard deviation of
    the noise, as a share of the tensor's own over the real frames.
    """

    at: str = field(default="encoder-output", metadata=ALWAYS)
    reduce: Reduction = "l2"
    n_samples: int = 16
    stdev: float = 0.15
    seed: int = 0

    def __post_init__(self) -> None:
        check_at(self.at)
        _check_samples(self.n_samples, 1, self.seed)
        if not self.stdev > 0:
            raise ValueError(f"stdev={self.stdev:g} is not above 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegratedGradientsOptions(SourceOptions):
    """Gradients integrated from a baseline to the input, by captum.

    ``at`` and ``reduce``: as of ``saliency``. ``steps``: a number, or ``auto``: doubled for each token from 32 to at
    most 512, until the convergence delta is at most 5 % of its change in log-probability. ``baseline`` of the real
    frames: the ``mean`` over time of each feature, ``zero``, or, at the mel alone, the ``floor``, the value of silence.
    """

    at: str = field(default="encoder-output", metadata=ALWAYS)
    reduce: Reduction = "sum"
    steps: str = "auto"
    baseline: Baseline = "mean"

    def __post_init__(self) -> None:
        check_at(self.at)
        _check_baseline(self.baseline, self.at)
        if self.steps != "auto" and not (self.steps.isascii() and self.steps.isdigit() and int(self.steps) > 0):
            raise ValueError(f"steps={self.steps} is neither auto nor a number from 1 up")


@dataclass(frozen=True, slots=True, kw_only=True)
class GradientShapOptions(SourceOptions):
    """Gradients at random points between a baseline and the noisy input, by captum.

    ``at``, ``reduce`` and ``baseline``: as of ``integrated-gradients``. ``n_samples``: number of points. ``stdevs``:
    standard deviation of the noise on the input, as a share of the tensor's own over the real frames.
    """

    at: str = field(default="encoder-output", metadata=ALWAYS)
    reduce: Reduction = "sum"
    n_samples: int = 32
    stdevs: float = 0.1
    baseline: Baseline = "mean"
    seed: int = 0

    def __post_init__(self) -> None:
        check_at(self.at)
        _check_baseline(self.baseline, self.at)
        _check_samples(self.n_samples, 1, self.seed)
        if not self.stdevs >= 0:
            raise ValueError(f"stdevs={self.stdevs:g} is below 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class OcclusionOptions(SourceOptions):
    """Drop in log-probability as one block of time after the other is replaced by a baseline, by captum.

    ``at``: as of ``gradient``. ``window_s``: length of a block in seconds, rounded to whole encoder frames.
    ``baseline``: as of ``integrated-gradients``.
    """

    at: str = field(default="mel", metadata=ALWAYS)
    window_s: float = 0.1
    baseline: Baseline = "mean"

    def __post_init__(self) -> None:
        check_at(self.at)
        _check_baseline(self.baseline, self.at)
        _check_window(self.window_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelShapOptions(SourceOptions):
    """Shapley values of blocks of time, by regression on random sets of them, by captum.

    ``at``, ``window_s`` and ``baseline``: as of ``occlusion``. ``n_samples``: number of sets, with the full and the
    empty one.
    """

    at: str = field(default="mel", metadata=ALWAYS)
    window_s: float = 0.1
    n_samples: int = 256
    baseline: Baseline = "mean"
    seed: int = 0

    def __post_init__(self) -> None:
        check_at(self.at)
        _check_baseline(self.baseline, self.at)
        _check_window(self.window_s)
        _check_samples(self.n_samples, 3, self.seed)


def _check_baseline(baseline: str, at: str) -> None:
    if baseline == "floor" and at != "mel":
        raise ValueError(f"baseline=floor is the least log-mel value and has no meaning at={at}: use mean or zero")


def _check_samples(n_samples: int, least: int, seed: int) -> None:
    if n_samples < least:
        raise ValueError(f"n_samples={n_samples} is less than {least}")
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed={seed} is not from 0 to 2**32 - 1")


def _check_window(window_s: float) -> None:
    if not window_s > 0:
        raise ValueError(f"window_s={window_s:g} is not above 0")
