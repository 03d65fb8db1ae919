"""What a source asks of a model: the interface that Whisper and any other encoder-decoder for speech share.

Tokens and rows are those of :class:`~align_eval.model.text.ForcedText`. An openai-whisper module is taken as it is, by
the functions of :mod:`align_eval.model.forward`; a model of another kind has the methods below, and the same functions
call them. The gradient of a token is autograd's, through ``encoder_steps`` and ``decoder_hidden``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor, nn
from whisper.model import ModelDimensions


class SpeechModel(Protocol):
    """An encoder-decoder over speech features.

    ``dims`` counts its parts as Whisper's do (``n_mels`` features, ``n_audio_ctx`` the most encoder states);
    ``frame_s`` is the step from one encoder state to the next, ``start_s`` the time at which the first one's stretch
    starts; ``stride`` how many input frames make an encoder frame, a power of two.
    """

    dims: ModelDimensions
    frame_s: float
    start_s: float
    stride: int

    @property
    def device(self) -> torch.device:
        """Where it runs."""

    @property
    def alignment_heads(self) -> Tensor:
        """The heads that it is said to align with, a sparse mask ``(layer, head)``; an InputError where none are."""

    def encoder_steps(self) -> list[Callable[[Tensor], Tensor]]:
        """The encoder as a chain: convolutions of ``(1, feature, frame)``, positions, each block, the last norm."""

    def decoder_hidden(self, decoder_input: Tensor, encoded: Tensor) -> Tensor:
        """The decoder's last hidden states, ``(batch, row, state)``, for tokens ``(batch, row)`` and encoder states."""

    def token_log_prob(self, hidden: Tensor, tokens: Tensor) -> Tensor:
        """Log-probability of ``tokens[i]`` given ``hidden[i]``, ``(n_tokens,)``."""

    def cross_projections(self) -> list[tuple[nn.Module, nn.Module]]:
        """Of each decoder layer the modules that make its cross-attention's queries and keys, before any scaling."""
