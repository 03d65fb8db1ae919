"""Options of the relevance sources, one frozen dataclass a source. Torch-free: specs are checked before models load."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from align_eval.spec import ALWAYS

Preparation = Literal["zscore-median", "log"]

_HEADS = re.compile(r"alignment|all|layer\.[0-9]+|[0-9]+\.[0-9]+(\+[0-9]+\.[0-9]+)*")
_AT = re.compile(r"mel|conv|encoder-output|encoder\.([0-9]+)(?:/([0-9]+))?")


@dataclass(frozen=True, slots=True)
class AttentionOptions:
    """Cross-attention weights.

    ``heads``: ``alignment`` (those the model is said to align with), ``all``, ``layer.L``, or ``L.H+L.H``; layers and
    heads count from 0. ``softmax``: over the ``cropped`` real frames, as openai-whisper does, or the ``full`` window.
    ``rows``: the rows that ``zscore-median`` standardises over, those of the ``text`` with its end or ``all`` that the
    decoder reads, as openai-whisper does.
    """

    heads: str = field(default="alignment", metadata=ALWAYS)
    prep: Preparation = "zscore-median"
    softmax: Literal["cropped", "full"] = "cropped"
    rows: Literal["text", "all"] = "text"

    def __post_init__(self) -> None:
        if not _HEADS.fullmatch(self.heads):
            raise ValueError(f"heads={self.heads} is none of alignment, all, layer.L, L.H+L.H")


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

    def __post_init__(self) -> None:
        match = _AT.fullmatch(self.at)
        if not match:
            raise ValueError(f"at={self.at} is none of mel, conv, encoder.K, encoder.A/B, encoder-output")
        share, whole = match.groups()
        if whole is not None and not int(share) <= int(whole) > 0:
            raise ValueError(f"at={self.at} is no share of the blocks, as encoder.3/4 is")


SOURCE_OPTIONS: dict[str, type] = {"attention": AttentionOptions, "gradient": GradientOptions}
