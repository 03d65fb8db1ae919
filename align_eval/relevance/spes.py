"""SPES: perturbation maps by masking random segments of the input, or random states of the encoder's output.

A mask hides a random set of segments; how far the prediction of each token moves is the divergence of its distribution
over the vocabulary, KL(P || P_masked). The relevance of a place is the mean of that divergence over the masks that hid
it. Masking is averaged in the space of segments, so that what is kept grows with their number, not with that of masks.

References: Fucci et al. 2024 (SPES, arXiv 2411.01710); Papi et al. 2025 (arXiv 2509.18010), which sets segments per
second, mask probabilities and pooling.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from skimage.segmentation import slic
from torch import Tensor
from whisper.model import MultiHeadAttention, Whisper

from align_eval.model.batches import rows_at_once
from align_eval.model.forward import Pass, decoder_hidden, encoder_steps
from align_eval.relevance.options import SpesOptions
from align_eval.relevance.stack import Stack, mass_on_padding, rows_to_distributions
from align_eval.units import FRAME_S

SEGMENTS_PER_S = (400, 500, 600)
MAX_SEGMENTS_S = 7.5
"""Longer audio gets no more segments than this much of it would (Fucci et al. 2024)."""

COMPACTNESS = 0.1
PAPER_P = {"mel": 0.5, "encoder-output": 0.7}
MAX_MASKS = 20_000
BLOCK = 240
"""Masks are drawn in blocks of that many, so that the batch size does not decide which masks there are."""

FIRST_MASKS = 2 * BLOCK
DTYPES = {"float32": torch.float32, "float16": torch.float16}
"""Of the masked passes; segments are found, distributions compared and sums taken in float32 and double."""

UNRELIABLE = 0.5
MAX_BATCH = 60


@dataclass(frozen=True, slots=True)
class Masking:
    """What may be masked, and how.

    Attributes
    ----------
    labels : tuple of int tensors
        One partition a scale: the segment of each place.
    encode : callable
        From hidden places ``(batch, *shape of a partition)``, true where hidden, to encoder outputs.
    attend : callable
        From the same to a context in which the decoder runs.
    """

    labels: tuple[Tensor, ...]
    encode: Callable[[Tensor], Tensor]
    attend: Callable[[Tensor], AbstractContextManager[None]]


@dataclass(slots=True)
class Sums:
    """Divergences summed over masks, a scale an entry: ``(token, segment)``, and how often each segment was hidden."""

    divergence: list[Tensor]
    hidden: list[Tensor]

    @classmethod
    def empty(cls, labels: tuple[Tensor, ...], n_tokens: int) -> Sums:
        """No masks yet."""
        sizes = [int(scale.max()) + 1 for scale in labels]
        device = labels[0].device
        return cls(
            [torch.zeros(n_tokens, size, dtype=torch.float64, device=device) for size in sizes],
            [torch.zeros(size, dtype=torch.float64, device=device) for size in sizes],
        )

    def add(self, scale: int, hidden: Tensor, divergence: Tensor) -> None:
        """Add a batch of masks: which segments were hidden, ``(batch, segment)``, at what cost, ``(batch, token)``."""
        self.divergence[scale] += divergence.double().T @ hidden.double()
        self.hidden[scale] += hidden.double().sum(dim=0)

    def map(self, labels: tuple[Tensor, ...]) -> Tensor:
        """Mean divergence of the masks that hid a place, over all scales: ``(token, *shape of a partition)``."""
        total = torch.stack([d[:, scale] for d, scale in zip(self.divergence, labels, strict=True)]).sum(dim=0)
        count = torch.stack([h[scale] for h, scale in zip(self.hidden, labels, strict=True)]).sum(dim=0)
        return (total / count).float()

    def plus(self, other: Sums) -> Sums:
        """The sums of both."""
        return Sums(
            [a + b for a, b in zip(self.divergence, other.divergence, strict=True)],
            [a + b for a, b in zip(self.hidden, other.hidden, strict=True)],
        )


Draw = Callable[[int, torch.Generator], tuple[Sums, Sums]]


def spes(model: Whisper, shared: Pass, options: SpesOptions) -> Stack:
    """Map of mean divergences, ``(1, token, frame)``, with its split-half reliability.

    ``masks=auto`` doubles the number of masks until the split-half reliability of the pooled map reaches
    ``reliability``, and then draws that many afresh: the reliability that is reported is of masks that did not decide
    when to stop.
    """
    labels, draw = sampler(model, shared, options)
    pool = partial(pool_map, how=options.pool) if options.at == "mel" else (lambda values: values)
    generator = torch.Generator().manual_seed(options.seed)
    n_masks, pilot = (
        _enough(draw, pool, labels, options.reliability, generator)
        if options.masks == "auto"
        else (int(options.masks), None)
    )
    halves = draw(n_masks, generator)
    pooled_halves = [pool(half.map(labels)) for half in halves]
    by_token, overall = reliability(*pooled_halves)
    pooled = pool(halves[0].plus(halves[1]).map(labels))
    sizes = [int(scale.max()) + 1 for scale in labels]
    details = {
        "masks": n_masks,
        "p": mask_probability(options),
        "reliability": overall,
        "token_reliability": by_token,
        "unreliable_tokens": [i for i, r in enumerate(by_token) if r < UNRELIABLE],
        "pilot_reliability": pilot,
        "segments": sizes,
        "identical_scales": identical_scales(labels) if options.at == "mel" else [],
        "mass_on_padding": mass_on_padding(pooled, shared.n_frames),
    }
    return Stack(rows_to_distributions(pooled, shared.n_frames, f"source spes:at={options.at}")[None], details)


def mask_probability(options: SpesOptions) -> float:
    """Probability that a segment is hidden: the one given, or the paper's for the place."""
    return PAPER_P[options.at] if options.p == "paper" else float(options.p)


def sampler(model: Whisper, shared: Pass, options: SpesOptions) -> tuple[tuple[Tensor, ...], Draw]:
    """Partitions into segments, one a scale, and a function that draws masks and sums what they cost, in two halves."""
    masking = _mel_masking(model, shared, options) if options.at == "mel" else _state_masking(model, shared, options)
    n_tokens = len(shared.text.tokens)
    batch = batch_size(model, n_tokens, masking.labels[0].numel())
    divergence = _Divergence(model, shared, options)
    p = mask_probability(options)
    return masking.labels, partial(_draw, masking, divergence, p, n_tokens=n_tokens, batch=batch)


def segment(mel: npt.NDArray[np.float32], duration_s: float) -> tuple[npt.NDArray[np.int64], ...]:
    """Segments of a log-mel ``(mel bin, frame)`` at the three scales, numbered from 0, by SLIC on values in [0, 1]."""
    low, high = float(mel.min()), float(mel.max())
    scaled = (mel - low) / (high - low) if high > low else np.zeros_like(mel)
    partitions = []
    for per_s in SEGMENTS_PER_S:
        wanted = max(1, round(per_s * min(duration_s, MAX_SEGMENTS_S)))
        labels = slic(
            scaled.T.astype(np.float64), n_segments=wanted, compactness=COMPACTNESS, sigma=0, channel_axis=None
        )
        _, numbered = np.unique(labels.T, return_inverse=True)
        partitions.append(numbered.reshape(mel.shape).astype(np.int64))
    return tuple(partitions)


def identical_scales(labels: tuple[Tensor, ...]) -> list[list[int]]:
    """Pairs of scales, in segments per second, at which SLIC found the same partition."""
    n = len(labels)
    return [
        [SEGMENTS_PER_S[i], SEGMENTS_PER_S[j]]
        for i in range(n)
        for j in range(i + 1, n)
        if torch.equal(labels[i], labels[j])
    ]


def reliability(first: Tensor, second: Tensor) -> tuple[list[float], float]:
    """Split-half reliability 2r / (1 + r) of two maps ``(token, frame)``: of each row, and of the mean row.

    r is Pearson's over frames within a row: rows differ in scale, and a correlation across them would be about that. A
    constant row has an r of 0.

    References: Spearman 1910; Brown 1910.
    """
    a, b = (half - half.mean(dim=1, keepdim=True) for half in (first.double(), second.double()))
    r = ((a * b).sum(dim=1) / (a.norm(dim=1) * b.norm(dim=1))).nan_to_num(0.0)
    return (2 * r / (1 + r)).clamp(-1, 1).tolist(), float(2 * r.mean() / (1 + r.mean()))


def _encode(model: Whisper, mel: Tensor) -> Tensor:
    """Encoder outputs of log-mels, ``(batch, mel bin, frame of the window)`` to ``(batch, frame, state)``."""
    x = mel
    for step in encoder_steps(model):
        x = step(x)
    return x


def _hidden_and_log_sums(
    model: Whisper, vocabulary: Tensor, decoder_input: Tensor, encoded: Tensor, first_row: int
) -> tuple[Tensor, Tensor]:
    """Last hidden state of each token's row, ``(batch, token, state)``, and the log-sum-exp of its logits."""
    hidden = decoder_hidden(model, decoder_input, encoded)[:, first_row:-1]
    logits = _product_in_float32(hidden.flatten(0, 1), vocabulary.T)  # (batch * token, vocabulary)
    return hidden, logits.logsumexp(dim=-1).view(hidden.shape[:2])


def _product_in_float32(a: Tensor, b: Tensor) -> Tensor:
    """Matrix product of what may be half precision, summed and returned in float32."""
    if a.dtype == torch.float32:
        return a @ b
    product: Tensor = torch.mm(a, b, out_dtype=torch.float32) if a.is_cuda else a.float() @ b.float()
    return product


@cache
def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    return torch.compile(function)


def _kernels(function: Callable[..., Any], options: SpesOptions) -> Callable[..., Any]:
    return _compiled(function) if options.compiled == "yes" else function


class _Divergence:
    """KL(P || P_masked) of every token, in float32 over the whole vocabulary, against the clean pass.

    With logits ``h w`` of a hidden state ``h`` it is ``logsumexp(h' w) - logsumexp(h w) - (h' - h) E_P[w]``, the
    Bregman divergence of the log-partition: the vocabulary's vectors are averaged under the clean distribution once,
    and of a masked one nothing is kept but a number a token.
    """

    def __init__(self, model: Whisper, shared: Pass, options: SpesOptions) -> None:
        self._model = model
        self._first_row = shared.text.n_prefix
        self._decoder_input = torch.tensor([shared.text.decoder_input], device=model.device)
        self._vocabulary = model.decoder.token_embedding.weight.detach().to(DTYPES[options.dtype])
        self._run = _kernels(_hidden_and_log_sums, options)
        clean = shared.taps[-1].to(DTYPES[options.dtype])
        with torch.no_grad():
            hidden, self._log_sums = _hidden_and_log_sums(
                model, self._vocabulary, self._decoder_input, clean, self._first_row
            )
            logits = _product_in_float32(hidden[0], self._vocabulary.T)
            self._hidden = hidden.float()
            self._expected = logits.softmax(dim=-1) @ self._vocabulary.float()  # (token, state)

    def __call__(self, encoded: Tensor) -> Tensor:
        """From encoder outputs ``(batch, frame, state)`` to divergences ``(batch, token)``."""
        decoder_input = self._decoder_input.expand(len(encoded), -1)
        hidden, log_sums = self._run(self._model, self._vocabulary, decoder_input, encoded, self._first_row)
        along = torch.einsum("bnd,nd->bn", hidden.float() - self._hidden, self._expected)
        divergence: Tensor = log_sums - self._log_sums - along
        return divergence.clamp_min(0.0)  # rounding may leave it just below


def _draw(
    masking: Masking,
    divergence: Callable[[Tensor], Tensor],
    p: float,
    n_masks: int,
    generator: torch.Generator,
    *,
    n_tokens: int,
    batch: int,
) -> tuple[Sums, Sums]:
    """Sums over ``n_masks`` masks in two halves; scales and halves take turns from block to block."""
    labels = masking.labels
    halves = Sums.empty(labels, n_tokens), Sums.empty(labels, n_tokens)
    for half, scale, size in _blocks(n_masks, len(labels)):
        n_segments = len(halves[0].hidden[scale])
        hidden = torch.rand(size, n_segments, generator=generator) < p
        for rows in torch.split(_sent(hidden, labels[scale].device), batch):
            places = rows[:, labels[scale]]  # (batch, *shape of a partition)
            with torch.no_grad(), masking.attend(places):
                halves[half].add(scale, rows, divergence(masking.encode(places)))
    return halves


def _sent(values: Tensor, device: torch.device) -> Tensor:
    """Values on a device, sent while it still works on what it has."""
    return values.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else values.to(device)


def _blocks(n_masks: int, n_scales: int) -> Iterator[tuple[int, int, int]]:
    """(half, scale, size) of blocks: every scale gets as many masks in either half, to within a mask."""
    per_scale = [n_masks // n_scales + (i < n_masks % n_scales) for i in range(n_scales)]
    for scale, total in enumerate(per_scale):
        for half, count in enumerate((total - total // 2, total // 2)):
            for first in range(0, count, BLOCK):
                yield half, scale, min(BLOCK, count - first)


def _enough(
    draw: Draw,
    pool: Callable[[Tensor], Tensor],
    labels: tuple[Tensor, ...],
    wanted: float,
    generator: torch.Generator,
) -> tuple[int, float]:
    """Number of masks whose map reaches a split-half reliability, by doubling; and the reliability reached."""
    n_masks = FIRST_MASKS
    halves = draw(n_masks, generator)
    while True:
        _, reached = reliability(*(pool(half.map(labels)) for half in halves))
        if reached >= wanted or n_masks >= MAX_MASKS:
            return n_masks, reached
        more = draw(min(n_masks, MAX_MASKS - n_masks), generator)
        n_masks = min(2 * n_masks, MAX_MASKS)
        halves = halves[0].plus(more[0]), halves[1].plus(more[1])


def batch_size(model: Whisper, n_tokens: int, n_places: int) -> int:
    """Masks that are evaluated at once: a divisor of a block, so that batches are of one size, as compiling asks."""
    dims = model.dims
    floats = 2 * n_tokens * dims.n_vocab + n_places + 8 * dims.n_audio_ctx * dims.n_audio_state
    fitting = rows_at_once(model, floats, MAX_BATCH)
    return max(size for size in range(1, fitting + 1) if BLOCK % size == 0)


def _mel_masking(model: Whisper, shared: Pass, options: SpesOptions) -> Masking:
    n_real = 2 * shared.n_frames
    mel = shared.taps[0][0]  # (mel bin, frame of the window)
    real = mel[:, :n_real].float()
    partitions = segment(real.cpu().numpy(), shared.n_frames * FRAME_S)
    value = {
        "auto": real.mean(dim=1, keepdim=True),
        "mean": real.mean(dim=1, keepdim=True),
        "zero": torch.zeros_like(real[:, :1]),
        "floor": real.min().expand(real.shape[0], 1),
    }
    clean = mel.to(DTYPES[options.dtype])
    hidden_value = value[options.mask].to(clean.dtype)
    run = _kernels(_encode, options)

    def encode(places: Tensor) -> Tensor:
        x = clean.repeat(len(places), 1, 1)
        x[..., :n_real] = torch.where(places, hidden_value, clean[:, :n_real])
        encoded: Tensor = run(model, x)
        return encoded

    labels = tuple(torch.from_numpy(p).to(model.device) for p in partitions)
    return Masking(labels, encode, lambda _: nullcontext())


def _state_masking(model: Whisper, shared: Pass, options: SpesOptions) -> Masking:
    encoded = shared.taps[-1].to(DTYPES[options.dtype])  # (1, frame of the window, state)
    n_maskable = shared.n_frames if options.frames == "real" else encoded.shape[1]
    labels = (torch.arange(n_maskable, device=model.device),)
    if options.mask != "remove":

        def encode(places: Tensor) -> Tensor:
            keep = encoded.new_ones(len(places), encoded.shape[1], 1)
            keep[:, :n_maskable, 0] = (~places).to(encoded.dtype)
            return encoded * keep

        return Masking(labels, encode, lambda _: nullcontext())

    def attend(places: Tensor) -> AbstractContextManager[None]:
        gone = torch.zeros(len(places), encoded.shape[1], dtype=torch.bool, device=places.device)
        gone[:, :n_maskable] = places
        return removed_from_cross_attention(model, gone)

    return Masking(labels, lambda places: encoded.expand(len(places), -1, -1), attend)


@contextmanager
def removed_from_cross_attention(model: Whisper, gone: Tensor) -> Iterator[None]:
    """Let no query of the decoder's cross-attention see the states where ``gone`` ``(batch, frame)`` is true.

    A state that is zeroed is not removed: the key projection has no bias, so its logit becomes 0, and the value bias
    still flows.
    """
    layers: list[MultiHeadAttention] = [block.cross_attn for block in model.decoder.blocks]

    def attend(
        layer: MultiHeadAttention, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None
    ) -> tuple[Tensor, None]:
        assert mask is None  # cross-attention has none of its own
        q, k, v = (
            x.view(*x.shape[:2], layer.n_head, -1).transpose(1, 2) for x in (q, k, v)
        )  # (batch, head, time, state)
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=~gone[:, None, None, :])
        return out.transpose(1, 2).flatten(start_dim=2), None

    try:
        for layer in layers:
            layer.qkv_attention = partial(attend, layer)
        yield
    finally:
        for layer in layers:
            layer.__dict__.pop("qkv_attention", None)


def pool_map(values: Tensor, how: str) -> Tensor:
    """Pool ``(token, mel bin, frame)`` to encoder frames: encoder frame j has mel frames 2j - 1, 2j and 2j + 1.

    ``max``: over bins and frames. ``mean``: over both, the outer frames, which lie half inside, at half weight.
    ``max-mean``: the maximum over bins, then that mean over frames.
    """
    if how == "max":
        return F.max_pool1d(values.amax(dim=1), kernel_size=3, stride=2, padding=1)
    over_bins = values.mean(dim=1) if how == "mean" else values.amax(dim=1)
    padded = F.pad(over_bins[:, None], (1, 1), mode="replicate")[:, 0]
    return (padded[:, 0:-2:2] + 2 * padded[:, 1:-1:2] + padded[:, 2::2]) / 4
